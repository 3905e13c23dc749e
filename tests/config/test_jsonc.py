import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.config.jsonc import JsoncError, has_comments, read_jsonc


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 1, // one\n "b": [1, 2,],}', {"a": 1, "b": [1, 2]}),
        ('/* head\n */ {"a": "http://x", "b": "/* no */"}', {"a": "http://x", "b": "/* no */"}),
        ('{"a": ",]", "b": "\\",}"}', {"a": ",]", "b": '",}'}),
        ('{"a": [1, /* last */ ], // x\n}', {"a": [1]}),
    ],
)
def test_comments_and_trailing_commas_are_passed_over(text: str, value: Any) -> None:
    assert read_jsonc(text) == value


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    )
)
def test_plain_json_reads_as_itself(value: Any) -> None:
    assert read_jsonc(json.dumps(value)) == value
    assert read_jsonc(json.dumps(value, ensure_ascii=False, indent=2)) == value


def test_the_line_of_a_fault_is_the_line_in_the_file() -> None:
    with pytest.raises(JsoncError, match="line 4: not JSON"):
        read_jsonc('{ // one\n "a": 1, /* two\n three */\n b: 2}')


@pytest.mark.parametrize(
    "text", ["", "{", "{'a': 1}", '{"a": 1 "b": 2}', '{"a": 1, "a": 2}', "[" * 100_000, '{"a": "x']
)
def test_what_is_no_json_is_an_error(text: str) -> None:
    with pytest.raises(JsoncError):
        read_jsonc(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a": 1} // x', True),
        ("/* x */ {}", True),
        ('{"a": "//x"}', False),
        ('{"a": [1,],}', False),
    ],
)
def test_comments_are_noticed(text: str, expected: bool) -> None:
    assert has_comments(text) is expected
