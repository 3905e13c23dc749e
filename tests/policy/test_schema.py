"""Any JSON Schema becomes a Cedar type; what cannot be typed becomes text, never nothing."""

from typing import Any

import cedarpy
import msgspec
import pytest

from callgate.policy.names import Names
from callgate.policy.schema import (
    Kind,
    Shape,
    cedar_schema,
    cedar_type,
    context_shape,
    cut,
    input_shape,
)
from fakes.calls import a_tool

DECIMAL = {"type": "Extension", "name": "decimal"}
TEXT = {
    "type": "Record",
    "attributes": {
        "json": {"type": "String", "required": True},
        "kind": {"type": "String", "required": True},
    },
}


def union(**kinds: Any) -> dict[str, Any]:
    attributes = {name: {**kind, "required": False} for name, kind in kinds.items()}
    return {"type": "Record", "attributes": attributes}


def typed(schema: dict[str, Any], **root: Any) -> dict[str, Any]:
    shape = input_shape({"type": "object", "properties": {"x": schema}, **root})
    made: dict[str, Any] = cedar_type(shape)["attributes"]["x"]
    made.pop("required")
    return made


@pytest.mark.parametrize(
    ("schema", "cedar"),
    [
        ({"type": "string"}, {"type": "String"}),
        ({"type": "string", "format": "date"}, {"type": "String"}),
        ({"type": "integer"}, {"type": "Long"}),
        ({"type": "number"}, DECIMAL),
        ({"type": "boolean"}, {"type": "Boolean"}),
        ({"enum": ["a", "b"]}, {"type": "String"}),
        ({"enum": [1, 2]}, {"type": "Long"}),
        ({"enum": [1.5, 2]}, DECIMAL),
        ({"enum": ["a", 1]}, union(string={"type": "String"}, integer={"type": "Long"})),
        ({"enum": ["a", None]}, {"type": "String"}),
        ({"const": "a"}, {"type": "String"}),
        (
            {"type": "array", "items": {"type": "string"}},
            {"type": "Set", "element": {"type": "String"}},
        ),
        ({"type": "array", "items": {"type": "object"}}, TEXT),
        ({"type": "array"}, TEXT),
        ({"type": "object"}, TEXT),
        ({"type": "object", "additionalProperties": {"type": "string"}}, TEXT),
        ({"type": "object", "additionalProperties": False}, {"type": "Record", "attributes": {}}),
        ({}, TEXT),
        (True, TEXT),
        ({"not": {"type": "string"}}, TEXT),
        ({"$ref": "https://example.org/x.json"}, TEXT),
        ({"$ref": "#/$defs/missing"}, TEXT),
        ({"type": ["string", "null"]}, {"type": "String"}),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, {"type": "Long"}),
        ({"type": "null"}, TEXT),
        ({"allOf": [{"type": "string"}]}, {"type": "String"}),
        ({"properties": {"__entity": {"type": "string"}}}, TEXT),
    ],
)
def test_each_schema_has_its_cedar_type(schema: Any, cedar: dict[str, Any]) -> None:
    assert typed(schema) == cedar


def test_a_union_is_a_record_with_one_optional_attribute_per_json_kind() -> None:
    made = typed({"anyOf": [{"type": "string"}, {"type": "integer"}]})

    assert made["attributes"] == {
        "string": {"type": "String", "required": False},
        "integer": {"type": "Long", "required": False},
    }


def test_references_are_followed_and_recursion_ends_in_text() -> None:
    node = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "next": {"$ref": "#/$defs/n"}},
    }

    made = typed({"$ref": "#/$defs/n"}, **{"$defs": {"n": node}})["attributes"]

    assert made["name"]["type"] == "String"
    assert made["next"] == {**TEXT, "required": False}


def test_required_and_nullable_properties_are_told_apart() -> None:
    shape = input_shape(
        {
            "type": "object",
            "properties": {"a": {"type": "string"}, "b": {"type": ["string", "null"]}},
            "required": ["a", "b"],
        }
    )

    assert (shape.fields["a"].is_required, shape.fields["b"].is_required) == (True, False)
    assert shape.fields["b"].is_nullable


def test_any_name_a_server_uses_is_a_legal_attribute() -> None:
    names = ("x-y", "a.b", "if", "String", "ünïcode", 'quo"te', "1st", "has space", "in")
    tool = a_tool("my-target", "odd.tool", {"properties": {n: {"type": "string"} for n in names}})
    shape = context_shape(input_shape(tool.input_schema), {})

    schema = cedar_schema(Names(), [(tool, shape)])

    cedarpy.Schema.from_json_str(msgspec.json.encode(schema).decode())


def test_deep_schemas_end_in_text_instead_of_recursing() -> None:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(500):
        schema = {"type": "object", "properties": {"x": schema}}

    assert input_shape(schema).kind is Kind.RECORD


def test_a_cut_keeps_just_what_the_chains_reach() -> None:
    shape = input_shape(
        {
            "properties": {
                "a": {"type": "string"},
                "o": {"properties": {"p": {"type": "string"}, "q": {"type": "string"}}},
            }
        }
    )

    def names(of: Shape) -> Any:
        return {name: names(field.shape) for name, field in of.fields.items()}

    assert names(cut(shape, [("o", "p")])) == {"o": {"p": {}}}
    assert names(cut(shape, [("o", "p"), ("o",)])) == {"o": {"p": {}, "q": {}}}
    assert names(cut(shape, [("a", "deeper")])) == {"a": {}}
    assert cut(shape, [()]) == shape
    assert names(cut(shape, [])) == {}
