"""A refusal of arguments names the field and the rule, and never says the value."""

from __future__ import annotations

import time
from typing import Any

import pytest

from callgate.protocol import validators
from callgate.protocol.definitions import Unusable, read_tool
from callgate.protocol.validators import Validators, compile_schema


def verdict(schema: dict[str, Any], arguments: dict[str, Any]) -> str | None:
    return Validators().validate(read_tool("t", {"name": "n", "inputSchema": schema}), arguments)


SCHEMA = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "pattern": "^[a-z]+$"},
        "days": {"type": "integer", "maximum": 5},
        "deep": {"type": "object", "properties": {"a/b": {"type": "integer"}}, "required": ["x~y"]},
        "kind": {"enum": ["a", "b"]},
    },
    "required": ["city"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"city": "rome"}, None),
        ({}, "/city is required."),
        ({"city": "rome", "secret": 1}, "/secret is not a parameter of this tool."),
        ({"city": 7}, '/city: is not of type "string".'),
        ({"city": "S3CRET"}, '/city: does not match "^[a-z]+$".'),
        ({"city": "rome", "days": 9}, "/days: is greater than the maximum of 5."),
        ({"city": "rome", "deep": {}}, "/deep/x~0y is required."),
        (
            {"city": "rome", "deep": {"x~y": 1, "a/b": "S3CRET"}},
            '/deep/a~1b: is not of type "integer".',
        ),
        ({"city": "rome", "kind": "S3CRET"}, '/kind: is not one of "a" or "b".'),
    ],
)
def test_the_field_and_the_rule_are_named(arguments: dict[str, Any], sentence: str | None) -> None:
    assert verdict(SCHEMA, arguments) == sentence


def test_sentences_stay_short_whatever_the_caller_or_the_schema_writes() -> None:
    schema = {"type": "object", "properties": {"a": {"enum": ["x" * 500]}}}
    assert len(verdict(schema, {"a": "S3CRET"}) or "") <= 200
    closed = {"type": "object", "additionalProperties": False}
    found = verdict(closed, {"k" * 10_000: 1}) or ""
    assert len(found) <= 200


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"a": {"$ref": "http://127.0.0.1:1/x.json"}}},
        {"properties": {"a": {"$ref": "file:///etc/passwd"}}},
        {"properties": {"a": {"$ref": "other.json"}}},
        {"properties": {"a": {"$ref": "#/$defs/none"}}},
        {"properties": []},
        {"properties": {"a": {"type": "strang"}}},
        {"properties": {"a": {"pattern": "("}}},
        {"properties": {"a": {"pattern": "(a{1000}){1000}"}}},
        {"$schema": "https://example.com/mine"},
    ],
)
def test_a_schema_that_cannot_be_used_makes_the_tool_unusable(schema: dict[str, Any]) -> None:
    with pytest.raises(Unusable, match="has an input schema that"):
        compile_schema({"type": "object", **schema})


def test_older_drafts_and_look_around_are_understood() -> None:
    older = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "definitions": {"x": {"type": "string"}},
        "type": "object",
        "properties": {"a": {"$ref": "#/definitions/x"}, "b": {"pattern": "^(?!x).*$"}},
    }
    assert verdict(older, {"a": "1", "b": "y"}) is None
    assert verdict(older, {"a": 1}) == '/a: is not of type "string".'
    assert verdict(older, {"b": "x"}) == '/b: does not match "^(?!x).*$".'


@pytest.mark.parametrize("pattern", ["^(a+)+$", "^(?=a)(a|a)*$", r"^(\w+\s?)*$"])
def test_a_pattern_cannot_stall_the_gateway(pattern: str) -> None:
    schema = {"type": "object", "properties": {"a": {"pattern": pattern}}}
    started = time.monotonic()
    assert verdict(schema, {"a": "a" * 5000 + "!"}) is not None
    assert time.monotonic() - started < 60  # and not for years


def test_arguments_nested_where_that_doubles_the_work_are_refused() -> None:
    schema = {"type": "object", "properties": {"x": {"anyOf": [{"$ref": "#"}, {"$ref": "#"}]}}}
    value: dict[str, Any] = {}
    for _ in range(60):
        value = {"x": value}
    assert "nested" in (verdict(schema, value) or "")
    assert verdict(schema, {"x": {"x": {}}}) is None


def test_values_that_cannot_be_checked_are_refused() -> None:
    schema = {"type": "object", "properties": {"a": {"pattern": "^x"}}}
    assert verdict(schema, {"a": "\ud800"}) is not None


def test_only_the_schemas_used_lately_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validators, "MAX_VALIDATORS", 3)
    kept = Validators()
    tools = [read_tool("t", {"name": f"n{n}"}) for n in range(10)]
    for tool in tools:
        kept.validate(tools[0], {})
        kept.validate(tool, {})
    assert set(kept._compiled) == {tools[n].digest for n in (0, 8, 9)}


def test_null_for_what_is_optional_counts_as_absent() -> None:
    schema = {
        "type": "object",
        "properties": {
            "verbose": {"type": "boolean"},
            "name": {"type": "string"},
            "inner": {"type": "object", "properties": {"x": {"type": "string"}}},
        },
        "required": ["name"],
    }

    assert verdict(schema, {"name": "n", "verbose": None, "inner": {"x": None}}) is None
    assert verdict(schema, {"name": None}) == '/name: is not of type "string".'
    assert verdict(schema, {"name": "n", "verbose": "yes"}) is not None
