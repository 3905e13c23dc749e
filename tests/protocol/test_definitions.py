"""A tool that could be misread, misrouted or mislead is not offered; the rest is kept exactly."""

from __future__ import annotations

from typing import Any

import pytest

from callgate.protocol.definitions import Unusable, digest, read_tool
from callgate.protocol.methods import METHODS

GOOD: dict[str, Any] = {
    "name": "refund",
    "inputSchema": {"type": "object", "properties": {"a": {"type": "string"}}},
    "x": {"vendor": None},
}


def test_a_definition_is_kept_exactly() -> None:
    tool = read_tool("shop", GOOD)
    assert tool.definition is GOOD
    assert tool.qualified_name == "shop___refund"


@pytest.mark.parametrize(
    "definition",
    [
        {},
        {"name": ""},
        {"name": 7},
        {"name": ["refund"]},
        {"name": "a\nb"},
        {"name": "zero\u200bwidth"},
        {"name": "x" * 257},
        {"name": "a", "inputSchema": None},
        {"name": "a", "inputSchema": "object"},
        {"name": "a", "inputSchema": {"type": "array"}},
        {"name": "a", "inputSchema": {"type": ["object", "null"]}},
        {"name": "a", "inputSchema": {"type": "object", "x-mcp-header": "A"}},
        {
            "name": "a",
            "inputSchema": {
                "type": "object",
                "properties": {"n": {"type": "number", "x-mcp-header": "N"}},
            },
        },
    ],
)
def test_what_breaks_the_rules_is_unusable(definition: dict[str, Any]) -> None:
    with pytest.raises(Unusable):
        read_tool("shop", definition)


@pytest.mark.parametrize("name", sorted(METHODS))
def test_a_tool_named_like_a_method_is_unusable(name: str) -> None:
    with pytest.raises(Unusable, match="named like a method of MCP"):
        read_tool("shop", {"name": name})


def test_a_tool_without_input_schema_takes_any_object() -> None:
    assert read_tool("shop", {"name": "a"}).input_schema == {"type": "object"}


def test_the_digest_is_of_the_meaning_not_of_the_order() -> None:
    assert digest({"a": 1, "b": [1.0, "é"]}) == digest({"b": [1, "é"], "a": 1})


@pytest.mark.parametrize(
    "other",
    [{"a": 2}, {"a": True}, {"a": "1"}, {"a": 1, "b": None}, {"a": [1]}],
)
def test_any_change_changes_the_digest(other: dict[str, Any]) -> None:
    assert digest({"a": 1}) != digest(other)


def test_numbers_without_canonical_form_have_a_digest_all_the_same() -> None:
    large = {"inputSchema": {"maximum": 2**70}, "name": "a"}
    assert digest(large) == digest(dict(reversed(large.items())))
    assert digest(large) != digest({**large, "inputSchema": {"maximum": 2**70 + 1}})


def test_a_definition_that_is_no_json_is_unusable() -> None:
    for definition in ({"a": "\ud800"}, {"\ud800": 1}):
        with pytest.raises(Unusable):
            digest(definition)
