"""Bytes that could be read in two ways are refused; everything else survives unchanged."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.protocol.jsonrpc import (
    INVALID_REQUEST,
    PARSE_ERROR,
    Malformed,
    Message,
    encode,
    find_key,
    parse_json,
    read_message,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_what_we_write_is_read_back_as_it_was(value: object) -> None:
    assert parse_json(encode(value)) == value


@given(JSON)
def test_spaces_and_escapes_of_other_writers_change_nothing(value: object) -> None:
    text = json.dumps(value, indent=1, ensure_ascii=True)

    assert parse_json(text.encode()) == value


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"a":1,"a":2}', "'a' appears twice"),
        (b'{"x":{"to":"bob","\\u0074o":"eve"}}', "'to' appears twice"),
        (b"[NaN]", "NaN is not JSON"),
        (b"[-Infinity]", "-Infinity is not JSON"),
        (b"[1e400]", "does not survive"),
        (b"[9007199254740993]", "does not survive"),
        (b"[1180591620717411303424]", "does not survive"),
        (b"[0.1000000000000000055]", "does not survive"),
        (b"1" * 5000, "does not survive"),
        (b'["\\ud800"]', "lone surrogate"),
        (b'["a\\u0000b"]', "NUL"),
        (b"[" * 65 + b"]" * 65, "deeper than 64"),
        (b"[" * 100_000, "deeper than 64"),
        (b'{"a":' * 70 + b"1" + b"}" * 70, "deeper than 64"),
        (b'{"a":1}{"b":2}', "not JSON"),
        (b"[1,]", "not JSON"),
        (b"", "not JSON"),
        (b"\xff\xfe", "not UTF-8"),
        (b"\xef\xbb\xbf{}", "not JSON"),
    ],
)
def test_ambiguous_or_unsafe_json_is_refused_with_the_reason(body: bytes, words: str) -> None:
    with pytest.raises(Malformed) as caught:
        parse_json(body)

    assert caught.value.code == PARSE_ERROR
    assert words in caught.value.reason


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b"[1.10]", [1.1]),
        (b"[1E5, -0]", [100000.0, 0]),
        (b'["\\\\u0000"]', ["\\u0000"]),
        (b'["' + b"[" * 200 + b'"]', ["[" * 200]),
        (b"[" * 64 + b"]" * 64, None),
        (b'["\\ud83d\\ude00"]', ["\U0001f600"]),
    ],
)
def test_unusual_but_exact_json_is_taken(body: bytes, value: object) -> None:
    parsed = parse_json(body)

    assert value is None or parsed == value


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_double_passes(value: float) -> None:
    (parsed,) = parse_json(json.dumps([value]).encode())

    assert parsed == value or math.isclose(parsed, value)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([], "Batches"),
        ("x", "is an object"),
        ({"jsonrpc": "1.0", "id": 1, "method": "ping"}, '"2.0"'),
        ({"jsonrpc": "2.0", "id": None, "method": "ping"}, "`id`"),
        ({"jsonrpc": "2.0", "id": True, "method": "ping"}, "`id`"),
        ({"jsonrpc": "2.0", "id": 1.5, "method": "ping"}, "`id`"),
        ({"jsonrpc": "2.0", "id": 1, "method": 7}, "`method`"),
        ({"jsonrpc": "2.0", "id": 1, "method": "ping", "params": []}, "`params`"),
        ({"jsonrpc": "2.0", "id": 1}, "neither a request nor a response"),
        ({"jsonrpc": "2.0", "id": 1, "result": {}, "error": {}}, "neither"),
    ],
)
def test_what_is_not_a_json_rpc_message_is_refused(value: object, words: str) -> None:
    with pytest.raises(Malformed) as caught:
        read_message(value)

    assert words in caught.value.reason


def test_a_refused_message_keeps_its_id_where_it_could_be_read() -> None:
    with pytest.raises(Malformed) as caught:
        read_message({"jsonrpc": "1.0", "id": "abc", "method": "ping"})

    assert (caught.value.code, caught.value.message_id) == (INVALID_REQUEST, "abc")


def test_requests_notifications_and_responses_are_told_apart() -> None:
    assert read_message({"jsonrpc": "2.0", "id": 1, "method": "ping"}) == Message(
        id=1, method="ping"
    )
    assert read_message({"jsonrpc": "2.0", "method": "n", "params": {"a": 1}}) == Message(
        method="n", params={"a": 1}
    )
    assert read_message({"jsonrpc": "2.0", "id": 1, "result": {}}) == Message(
        id=1, is_response=True
    )


def test_a_key_is_found_at_any_depth() -> None:
    value = {"a": [{"b": {"__entity": 1}}]}

    assert find_key(value, ("__extn", "__entity")) == "__entity"
    assert find_key({"a": "__entity"}, ("__entity",)) is None
