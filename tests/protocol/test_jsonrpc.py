"""Bytes that could be read in two ways are refused; everything else survives unchanged."""

import json
import math
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.protocol.jsonrpc import (
    INVALID_REQUEST,
    PARSE_ERROR,
    Malformed,
    Message,
    encode,
    error_response,
    find_key,
    notification,
    parse_json,
    read_message,
    response,
)
from fuzz.targets import TARGETS

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
        (b"[0e9999999999999999999]", "does not survive"),
        (b"[1e-9999999999999999999]", "does not survive"),
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


def test_a_string_of_quotes_that_never_ends_is_refused_without_trying_each_of_them() -> None:
    with pytest.raises(Malformed, match="not JSON"):
        parse_json(b'"' + b'\\"' * (1 << 20))  # ends within the test's patience


def test_the_strict_reader_keeps_memory_in_proportion_to_the_body() -> None:
    body = b'["' + b"a" * (1 << 20) + b'" ]'
    tracemalloc.start()
    try:
        parse_json(body)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < 8 * len(body)


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
    assert read_message({"jsonrpc": "2.0", "id": 1, "result": {"a": 1}}) == Message(
        id=1, is_response=True, result={"a": 1}
    )
    error = {"code": -1, "message": "no"}
    assert read_message({"jsonrpc": "2.0", "id": 1, "error": error}) == Message(
        id=1, is_response=True, error=error
    )


def test_a_key_is_found_at_any_depth() -> None:
    value = {"a": [{"b": {"__entity": 1}}]}

    assert find_key(value, ("__extn", "__entity")) == "__entity"
    assert find_key({"a": "__entity"}, ("__entity",)) is None


PIECES = (
    "0e9999999999999999999","{", "}", "[", "]", ":", ",", '"', "\\", "\\u00", "\\ud800", "00", "a", '"a"', "1", "-", ".5", "e9", " ", "null")  # fmt: skip


@given(
    st.lists(st.sampled_from(PIECES), max_size=30).map("".join).map(str.encode)
    | st.binary(max_size=40)
    | JSON.map(encode)
)
def test_any_bytes_are_read_in_one_way_or_refused(body: bytes) -> None:
    TARGETS["jsonrpc"](body)


@given(st.lists(JSON, min_size=2, max_size=2), TEXT, st.booleans(), st.sampled_from(["%s", "[%s]"]))
def test_a_key_that_stands_twice_is_refused_however_it_is_spelt(
    values: list[object], key: str, is_escaped: bool, around: str
) -> None:
    spelt = "".join(f"\\u{ord(c):04x}" if ord(c) < 0x10000 else c for c in key)
    keys = (json.dumps(key), f'"{spelt}"' if is_escaped else json.dumps(key))
    pairs = ",".join(f"{name}:{json.dumps(v)}" for name, v in zip(keys, values, strict=True))

    with pytest.raises(Malformed):
        parse_json((around % f"{{{pairs}}}").encode())


@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from([b"[%s]", b'{"a":%s}', b" [1, %s]"]))
def test_nesting_is_taken_up_to_the_bound_and_no_further(
    depth: int, most: int, around: bytes
) -> None:
    body = b"7"
    for _ in range(depth):
        body = around % body

    if depth <= most:
        parse_json(body, max_depth=most)
    else:
        with pytest.raises(Malformed, match=f"deeper than {most}"):
            parse_json(body, max_depth=most)


IDS = st.integers(-(2**53) + 1, 2**53 - 1) | TEXT


@given(IDS, TEXT, st.dictionaries(TEXT, JSON, max_size=3))
def test_messages_that_we_write_are_read_as_what_they_are(
    message_id: object, method: str, params: dict[str, object]
) -> None:
    request = {"jsonrpc": "2.0", "id": message_id, "method": method, "params": params}
    assert read_message(parse_json(encode(request))) == Message(
        id=message_id, method=method, params=params
    )
    assert read_message(parse_json(notification(method, params))) == Message(
        method=method, params=params
    )
    for answer in (response(message_id, params), error_response(message_id, 1, "no", params)):
        read = read_message(parse_json(answer))
        assert (read.id, read.is_response, read.method) == (message_id, True, None)


@given(
    JSON
    | st.fixed_dictionaries(
        {},
        optional={
            "jsonrpc": st.just("2.0") | JSON,
            "id": IDS | JSON,
            "method": TEXT | JSON,
            "params": st.dictionaries(TEXT, JSON, max_size=2) | JSON,
            "result": JSON,
            "error": JSON,
        },
    )
)
def test_any_json_value_is_a_message_or_refused_with_a_reason(value: object) -> None:
    try:
        message = read_message(value)
    except Malformed as malformed:
        assert malformed.reason
        assert malformed.message_id is None or type(malformed.message_id) in (int, str)
        return
    assert isinstance(value, dict)
    assert value["jsonrpc"] == "2.0"
    assert message.id == value.get("id")
    assert message.method == value.get("method")
