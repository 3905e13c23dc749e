"""Headers may only repeat what the body says."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.protocol.eras import HEADER_MISMATCH
from callgate.protocol.headers import (
    NAME_FIELDS,
    check_params,
    check_routing,
    decode_value,
    encode_value,
    mirrored,
    param_headers,
)
from callgate.protocol.jsonrpc import Malformed, Message, encode
from fuzz.targets import TARGETS

VERSION = "2026-07-28"


def a_tool_call(**arguments: Any) -> Message:
    return Message(id=1, method="tools/call", params={"name": "read", "arguments": arguments})


def headers(**sent: str) -> dict[str, list[str]]:
    full = {
        "mcp-protocol-version": VERSION,
        "mcp-method": "tools/call",
        "mcp-name": "read",
        **{name.replace("_", "-"): value for name, value in sent.items()},
    }
    return {name: [value] for name, value in full.items() if value}


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_survives_a_header(text: str) -> None:
    assert decode_value(encode_value(text)) == text


@pytest.mark.parametrize(
    "value", ["=?base64?%%%?=", "=?base64?/w==?=", "=?base64?YQ=?=", "=?base64?\xe9?="]
)
def test_a_broken_sentinel_matches_nothing(value: str) -> None:
    assert decode_value(value) is None


def test_headers_that_repeat_the_body_pass() -> None:
    check_routing(a_tool_call(), VERSION, headers())
    check_routing(a_tool_call(), VERSION, headers(mcp_name="=?base64?cmVhZA==?="))


@pytest.mark.parametrize(
    "sent",
    [
        {"mcp_name": "delete"},
        {"mcp_name": ""},
        {"mcp_name": "Read"},
        {"mcp_method": "tools/list"},
        {"mcp_method": ""},
        {"mcp_protocol_version": "2025-11-25"},
    ],
)
def test_a_header_that_says_something_else_is_refused(sent: dict[str, str]) -> None:
    with pytest.raises(Malformed) as caught:
        check_routing(a_tool_call(), VERSION, headers(**sent))

    assert caught.value.code == HEADER_MISMATCH


@pytest.mark.parametrize("params", [{}, {"name": None}])
def test_a_broken_sentinel_does_not_match_a_name_that_is_missing(params: dict[str, Any]) -> None:
    message = Message(id=1, method="tools/call", params=params)

    with pytest.raises(Malformed, match="mcp-name"):
        check_routing(message, VERSION, headers(mcp_name="=?base64?%?="))


def test_a_routing_header_sent_twice_is_refused() -> None:
    sent = headers() | {"mcp-name": ["read", "read"]}

    with pytest.raises(Malformed, match="more than once"):
        check_routing(a_tool_call(), VERSION, sent)


SCHEMA = {
    "type": "object",
    "properties": {
        "region": {"type": "string", "x-mcp-header": "Region"},
        "page": {"type": "object", "properties": {"n": {"type": "integer", "x-mcp-header": "N"}}},
        "dry": {"type": "boolean", "x-mcp-header": "Dry"},
    },
}


def test_annotated_arguments_are_mirrored() -> None:
    made = param_headers(mirrored(SCHEMA), {"region": "ö", "page": {"n": 3}, "dry": False})

    assert made == {
        "Mcp-Param-Region": "=?base64?w7Y=?=",
        "Mcp-Param-N": "3",
        "Mcp-Param-Dry": "false",
    }


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"a": {"type": "number", "x-mcp-header": "A"}}},
        {"properties": {"a": {"type": "string", "x-mcp-header": ""}}},
        {"properties": {"a": {"type": "string", "x-mcp-header": "A b"}}},
        {"properties": {"a": {"type": "array", "items": {"type": "string", "x-mcp-header": "A"}}}},
        {
            "properties": {
                "a": {"type": "string", "x-mcp-header": "A"},
                "b": {"type": "string", "x-mcp-header": "a"},
            }
        },
    ],
)
def test_an_annotation_that_breaks_the_rules_is_named(schema: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="x-mcp-header"):
        mirrored(schema)


@pytest.mark.parametrize(
    ("arguments", "sent", "is_fine"),
    [
        ({"region": "eu"}, {"mcp-param-region": ["eu"]}, True),
        ({"region": "eu"}, {"mcp-param-region": ["us"]}, False),
        ({"region": "eu"}, {}, False),
        ({}, {"mcp-param-region": ["eu"]}, False),
        ({"region": "eu"}, {"mcp-param-region": ["eu", "eu"]}, False),
        ({"page": {"n": 3}}, {"mcp-param-n": ["3.0"]}, True),
        ({"page": {"n": 3}}, {"mcp-param-n": ["03x"]}, False),
        ({"page": {"n": 1e22}}, {"mcp-param-n": ["10000000000000000000000"]}, True),
        ({"page": {"n": 1e22}}, {"mcp-param-n": ["10000000000000000000001"]}, False),
        ({"page": {"n": 10**400}}, {"mcp-param-n": ["1"]}, False),
        ({"dry": True}, {"mcp-param-dry": ["true"]}, True),
        ({"dry": True}, {"mcp-param-dry": ["1"]}, False),
        ({}, {"mcp-param-other": ["whatever"]}, True),
    ],
)
def test_param_headers_are_held_against_the_arguments(
    arguments: dict[str, Any], sent: dict[str, list[str]], is_fine: bool
) -> None:
    message = a_tool_call(**arguments)
    if is_fine:
        check_params(message, mirrored(SCHEMA), sent)
    else:
        with pytest.raises(Malformed):
            check_params(message, mirrored(SCHEMA), sent)


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NOT_EMPTY = TEXTS.filter(bool)
SENTINELS = st.text("AQYZawz019+/=\xe9", max_size=9).map(lambda text: f"=?base64?{text}?=")


@given(TEXTS | SENTINELS)
def test_what_we_send_is_visible_ascii_of_one_meaning(text: str) -> None:
    value = encode_value(text)

    assert value.isascii()
    assert value.isprintable()
    assert decode_value(value) == text


@given(SENTINELS | TEXTS)
def test_any_header_value_means_one_text_or_nothing(value: str) -> None:
    TARGETS["header_values"](value.encode("latin-1", "ignore"))
    TARGETS["header_values"](value.encode())


@given(st.sampled_from([*NAME_FIELDS, "ping", "tools/list"]), NOT_EMPTY, NOT_EMPTY, st.data())
def test_headers_made_from_the_body_pass_and_no_others(
    method: str, version: str, item: str, data: st.DataObject
) -> None:
    field = NAME_FIELDS.get(method)
    message = Message(id=1, method=method, params={field: item} if field else {})
    sent = {"mcp-protocol-version": [encode_value(version)], "mcp-method": [encode_value(method)]}
    if field:
        sent["mcp-name"] = [encode_value(item)]
    check_routing(message, version, sent)

    name = data.draw(st.sampled_from(sorted(sent)))
    other = data.draw(NOT_EMPTY.filter(lambda text: [encode_value(text)] != sent[name]))
    for changed in ([encode_value(other)], [], sent[name] * 2):
        with pytest.raises(Malformed):
            check_routing(message, version, sent | {name: changed})


@given(st.text("acehlmnoprstu/:- \n=?6Yg20817", max_size=90))
def test_no_routing_headers_break_a_promise(lines: str) -> None:
    TARGETS["routing"](("tools/call\n1\nx\n" + lines).encode())


TOKENS = st.from_regex(r"\A[A-Za-z0-9_-]{1,6}\Z")
PROPERTIES = st.dictionaries(
    TEXTS, st.tuples(TOKENS, st.sampled_from(("string", "integer", "boolean"))), max_size=4
)
SCALARS = (
    TEXTS
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.booleans()
    | st.none()
)


@given(PROPERTIES, PROPERTIES, st.data())
def test_headers_made_from_the_arguments_pass_and_no_others(
    outer: dict[str, tuple[str, str]], inner: dict[str, tuple[str, str]], data: st.DataObject
) -> None:
    def annotated(found: dict[str, tuple[str, str]], prefix: str) -> dict[str, Any]:
        return {k: {"type": kind, "x-mcp-header": prefix + t} for k, (t, kind) in found.items()}

    schema = {"properties": {**annotated(outer, "o"), "in": {"properties": annotated(inner, "i")}}}
    tokens = [token.lower() for token in mirrored_tokens(schema)]
    if len(set(tokens)) < len(tokens):
        with pytest.raises(ValueError, match="used twice"):
            mirrored(schema)
        return
    arguments: dict[str, Any] = {key: data.draw(SCALARS) for key in outer}
    arguments["in"] = {key: data.draw(SCALARS) for key in inner}
    paths = mirrored(schema)
    assert set(paths) == {(k,) for k in outer if k != "in"} | {("in", k) for k in inner}
    message = a_tool_call(**arguments)
    made = {name.lower(): [value] for name, value in param_headers(paths, arguments).items()}

    check_params(message, paths, made)
    for name, values in made.items():
        for changed in ([], values * 2, [values[0] + "x"]):
            with pytest.raises(Malformed):
                check_params(message, paths, made | {name: changed})


def mirrored_tokens(node: object) -> list[str]:
    if not isinstance(node, dict):
        return []
    own = [node["x-mcp-header"]] if isinstance(node.get("x-mcp-header"), str) else []
    return own + [token for sub in node.values() for token in mirrored_tokens(sub)]


KEYS = st.sampled_from(("properties", "x-mcp-header", "type", "items", "default", "a", "b"))
SCHEMAS = st.recursive(
    st.none() | st.sampled_from(("string", "integer", "A", "a b", "")) | st.integers(0, 2),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=15,
)


@given(SCHEMAS, SCHEMAS)
def test_any_schema_is_mirrored_or_refused_with_a_reason(schema: Any, arguments: Any) -> None:
    TARGETS["mirroring"](encode({"schema": schema, "arguments": arguments}))
