"""Schemas that make exponential work are told from those that only look like it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jsonschema_rs
import pytest

from callgate.protocol.effort import MAX_EVALUATIONS, TooMuch, depth_of, max_depth

SELF = {"$ref": "#"}
JSON_VALUE = {
    "anyOf": [
        {"type": "string"},
        {"type": "array", "items": {"$ref": "#/$defs/json"}},
        {"type": "object", "additionalProperties": {"$ref": "#/$defs/json"}},
    ]
}


def bomb(size: int) -> dict[str, Any]:
    """Doubles with every definition: valid, tiny, and 2^size evaluations of one value."""
    definitions: dict[str, Any] = {
        f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}, {"$ref": f"#/$defs/d{n + 1}"}]}
        for n in range(size)
    }
    definitions[f"d{size}"] = {"type": "object"}
    return {"type": "object", "$ref": "#/$defs/d0", "$defs": definitions}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object"},
        {"type": "object", "properties": {"left": SELF, "right": SELF}},
        {"type": "object", "properties": {"and": {"items": SELF}, "not": SELF}},
        {"type": "object", "properties": {"x": {"$ref": "#/$defs/json"}}, "$defs": {"json": JSON_VALUE}},
        {"allOf": [SELF]},
        {"anyOf": [{"properties": {"kind": {"const": n}, "x": {}}} for n in range(50)]},
        {"properties": {"a": {"$ref": "#node"}}, "$defs": {"n": {"$anchor": "node", "items": {}}}},
        bomb(8),
    ],
)  # fmt: skip
def test_honest_schemas_need_no_limit(schema: dict[str, Any]) -> None:
    assert max_depth(schema) is None


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"x": {"anyOf": [SELF, SELF]}}},
        {"anyOf": [{"properties": {"x": SELF}}, {"properties": {"x": SELF}}]},
        {"anyOf": [{"properties": {"x": SELF}}, {"additionalProperties": SELF}]},
        {"allOf": [{"additionalProperties": SELF}, {"patternProperties": {"a": SELF}}]},
        {"properties": {"x": {"oneOf": [{"items": {"$ref": "#/properties/x"}}] * 3}}},
    ],
)
def test_recursion_that_doubles_the_work_gets_a_depth(schema: dict[str, Any]) -> None:
    depth = max_depth(schema)
    assert depth is not None
    assert 2**depth <= MAX_EVALUATIONS


@pytest.mark.parametrize("size", [16, 64, 300])
def test_an_unfolding_bomb_is_too_much(size: int) -> None:
    with pytest.raises(TooMuch):
        max_depth(bomb(size))


def test_a_schema_nested_beyond_reason_is_too_much() -> None:
    schema: dict[str, Any] = {"type": "object"}
    for _ in range(5000):
        schema = {"properties": {"a": schema}}
    with pytest.raises(TooMuch):
        max_depth(schema)


def hidden(
    size: int, spell: Callable[[str], str] = "#/$defs/{}".format, **own: str
) -> dict[str, Any]:
    """The definitions of a bomb, their references and own identifiers spelt in some way."""
    return {
        **{
            f"d{n}": {
                **{key: text.format(f"d{n}") for key, text in own.items()},
                "allOf": [{"$ref": spell(f"d{n + 1}")}] * 2,
            }
            for n in range(size)
        },
        f"d{size}": {key: text.format(f"d{size}") for key, text in own.items()},
    }


URL = "https://x.example/s"
FIRST = {"$ref": "#/$defs/d0"}


@pytest.mark.parametrize(
    "schema",
    [
        {"propertyNames": FIRST, "$defs": hidden(64)},
        {"dependencies": {"a": FIRST}, "$defs": hidden(64)},
        {"$ref": "#/%24defs/d0", "$defs": hidden(64, "#/%24defs/{}".format)},
        {"$ref": "#d0", "$defs": {"n": {"$defs": hidden(64, "#{}".format, **{"$anchor": "{}"})}}},
        {"$ref": f"{URL}#/$defs/d0", "$id": URL, "$defs": hidden(64, (URL + "#/$defs/{}").format)},
        {"$ref": "d0", "$id": URL, "$defs": hidden(64, "{}".format, **{"$id": "https://x.example/{}"})},
        {"$ref": "d0", "$defs": hidden(64, "{}".format, **{"$id": "{}"})},
        {"$id": URL, "allOf": [{"$id": "r", **FIRST, "$defs": hidden(64)}], "$defs": {"d0": {}}},
        {"allOf": [FIRST, {}], "$defs": {"d0": {"$ref": "#/allOf/+1"}}},
        {"items": [], "allOf": [{"$ref": "#/items/" + "1" * 5000}]},
        {"$ref": ["#"]},
        {"$ref": "#nowhere"},
        {"$ref": "#twice", "$defs": {"a": {"$anchor": "twice"}, "b": {"$anchor": "twice"}}},
    ],
)  # fmt: skip
def test_work_behind_a_reference_that_is_not_measured_is_too_much(schema: dict[str, Any]) -> None:
    with pytest.raises(TooMuch):
        max_depth(schema)


@pytest.mark.parametrize(
    "schema",
    [
        {"$id": URL, "properties": {"a": {"$ref": "#/$defs/n"}}, "$defs": {"n": {"type": "string"}}},
        {"$id": "T0", "type": "object", "properties": {"nodes": {"items": {"$ref": "T0"}}}},
        {"properties": {"t": {"$id": "T0", "properties": {"nodes": {"items": {"$ref": "T0"}}}}}},
        {"properties": {"t": {"$id": "https://x.example/t"}, "u": {"$id": "https://x.example/u"}}},
        {"$ref": "#/definitions/Foo%5Bint%5D", "definitions": {"Foo[int]": {"type": "object"}}},
        {"properties": {"$id": {"type": "string"}, "$anchor": {"$ref": "#/properties/$id"}}},
        {"propertyNames": {"$ref": "#/$defs/key"}, "$defs": {"key": {"pattern": "a"}}},
    ],
)  # fmt: skip
def test_honest_references_are_followed(schema: dict[str, Any]) -> None:
    assert max_depth(schema) is None


def test_many_references_to_large_parts_are_given_up_before_they_are_measured() -> None:
    part: dict[str, Any] = {"properties": {f"p{n}": {} for n in range(10_000)}}
    references = [{"$ref": "#/$defs/part"} for _ in range(50_000)]
    names: dict[str, Any] = {f"d{n}": {} for n in range(50_000)}
    with pytest.raises(TooMuch):
        max_depth({"anyOf": references, "$defs": {"part": part}})
    with pytest.raises(TooMuch):
        max_depth({"anyOf": [{"$ref": "#part"}] * 19_000, "$defs": {**names, "part": {}}})
    for _ in range(200):
        part = {"allOf": [part]}
    with pytest.raises(TooMuch):
        max_depth(part)


def test_the_limit_really_bounds_the_work() -> None:
    schema: dict[str, Any] = {
        "type": "object",
        "anyOf": [{"properties": {"x": SELF}, "required": ["y"]}] * 2,
    }
    limit = max_depth(schema)
    assert limit is not None
    value: dict[str, Any] = {}
    for _ in range(limit):
        value = {"x": value}
    assert depth_of(value, limit) <= limit + 1
    jsonschema_rs.validator_for(schema).is_valid(value)  # ends within the test's patience


def test_depth_is_counted_up_to_the_limit() -> None:
    deep: Any = 1
    for _ in range(100_000):
        deep = [deep]
    assert depth_of(deep, 10) == 11
    assert depth_of({"a": [{"b": 1}, 2]}, 10) == 3
    assert depth_of({}, 10) == 0
