"""What is shown of JSON is the same JSON, and nothing that a terminal acts on."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from callgate.protocol.harmless import harmless


@given(st.text() | st.text("\x7f\x9b\u202e\u2066\U000e0041\ud83da é"))
def test_it_is_the_same_json_in_printable_letters(text: str) -> None:
    shown = harmless(json.dumps({text: [text]}, ensure_ascii=False))
    assert shown.isprintable()
    assert json.loads(shown) == {text: [text]}


def test_letters_that_are_just_shown_stay() -> None:
    assert harmless('["é 中 ü"]\n["\u202e"]') == '["é 中 ü"]\n["\\u202e"]'
