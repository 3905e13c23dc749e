"""Marks are known again, digests are keyed, tokens are made good wherever they stand."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from callgate.interceptors.redacting.marks import Marks
from callgate.interceptors.redacting.settings import TokenSettings
from callgate.interceptors.redacting.vault import Vault
from fakes.clock import FakeClock


def some_marks(key: bytes = b"k" * 32) -> Marks:
    return Marks({"email", "card", "field", "odd]"}, key, Vault(TokenSettings(), FakeClock()))


def test_our_own_marks_are_known_again_and_others_are_not() -> None:
    marks = some_marks()
    token = marks.token("email", "a@b.org", "ada")

    for mark in (marks.mask("email"), marks.mask("odd]"), marks.digest("card", "4111"), token):
        assert marks.places(f"see {mark}.") == [(4, 4 + len(mark))]
        assert marks.is_mark(mark)
    for other in (
        "[redacted:a@b.org]",
        "[hashed:card:41]",
        "[token:email:" + "a" * 26 + "]",
        "[x]",
    ):
        assert marks.places(other) == []


def test_a_digest_is_the_same_for_the_same_text_and_key() -> None:
    assert some_marks().digest("card", "4111") == some_marks().digest("card", "4111")
    assert some_marks().digest("card", "4111") != some_marks().digest("email", "4111")
    assert some_marks().digest("card", "4111") != some_marks(b"other" * 8).digest("card", "4111")


JSON = st.recursive(
    st.text(max_size=5) | st.integers(-(2**53), 2**53) | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


@given(JSON, st.text(max_size=10))
def test_a_token_is_made_good_for_the_same_principal_and_for_no_other(
    value: Any, around: str
) -> None:
    marks = some_marks()
    token = marks.token("field", value, "ada")
    sent = {"whole": token, "list": [token], "text": f"{around}{token}"}

    made, count = marks.restored(sent, "ada")

    text = (
        value
        if isinstance(value, str)
        else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    )
    assert made["whole"] == value and made["list"] == [value]
    assert around or made["text"] == value
    assert not around or made["text"] == around + text
    assert count == 3
    assert marks.restored(sent, "bob") == (sent, 0)


def test_tokens_are_made_good_in_keys_and_in_json_in_strings() -> None:
    marks = some_marks()
    token = marks.token("email", 'a"b@x.org', "ada")

    made, count = marks.restored({token: json.dumps({"to": token})}, "ada")

    assert made == {'a"b@x.org': json.dumps({"to": 'a"b@x.org'})}
    assert count == 2
