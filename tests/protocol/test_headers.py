"""Headers may only repeat what the body says."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.protocol.eras import HEADER_MISMATCH
from callgate.protocol.headers import (
    check_params,
    check_routing,
    decode_value,
    encode_value,
    mirrored,
    param_headers,
)
from callgate.protocol.jsonrpc import Malformed, Message

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


@pytest.mark.parametrize("value", ["=?base64?%%%?=", "=?base64?/w==?=", "=?base64?YQ=?="])
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
