"""A narrowed schema takes what both take: nothing more, and nothing less where it can be said."""

from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings

from callgate.policy.engine import Engine
from callgate.policy.names import Names
from callgate.policy.narrowed import narrowed
from callgate.policy.source import read_policies
from fakes.calls import a_principal
from fakes.conditions import Subject, subjects

ADA = a_principal("ada")


def takes(schema: dict[str, Any], value: Any) -> bool:
    return jsonschema_rs.validator_for(schema).is_valid(value)


@settings(max_examples=150, deadline=None)
@given(subjects())
def test_what_both_take_is_taken_and_nothing_else(subject: Subject) -> None:
    engine = Engine(read_policies([("p", subject.text)]), Names())
    narrowing = engine.narrowing(ADA, subject.tool, 0.0)
    if narrowing is None:
        return
    own = subject.tool.input_schema
    made = jsonschema_rs.validator_for(narrowed(own, narrowing.schema))
    more = jsonschema_rs.validator_for(narrowing.schema)

    for arguments in subject.calls():
        assert made.is_valid(arguments) == more.is_valid(arguments), narrowed(own, narrowing.schema)


@pytest.mark.parametrize(
    ("own", "more", "expected"),
    [
        ({"minimum": 0}, {"minimum": 5, "maximum": 9}, {"minimum": 5, "maximum": 9}),
        ({"minimum": 6, "maximum": 7}, {"minimum": 5, "maximum": 9}, {"minimum": 6, "maximum": 7}),
        ({"enum": ["a", "b", "c"]}, {"enum": ["c", "a"]}, {"enum": ["a", "c"]}),
        ({"enum": [1.0, True]}, {"enum": [1]}, {"enum": [1.0]}),
        ({"enum": ["a"]}, {"enum": ["b"]}, {"enum": ["a"], "allOf": [{"enum": ["b"]}]}),
        ({"pattern": "^a"}, {"pattern": "^b"}, {"pattern": "^a", "allOf": [{"pattern": "^b"}]}),
        ({"pattern": "^a"}, {"pattern": "^a"}, {"pattern": "^a"}),
        ({"allOf": [{"type": "string"}]}, {"enum": ["b"]}, {"allOf": [{"type": "string"}], "enum": ["b"]}),
        (
            {"$ref": "#/$defs/x", "description": "What.", "x-mcp-header": "X"},
            {"enum": ["b"]},
            {
                "description": "What.",
                "x-mcp-header": "X",
                "allOf": [{"$ref": "#/$defs/x", "description": "What.", "x-mcp-header": "X"}, {"enum": ["b"]}],
            },
        ),
        ({"items": {"type": "string"}}, {"items": {"not": {"enum": ["x"]}}}, {"items": {"type": "string", "not": {"enum": ["x"]}}}),
        ({"type": ["integer", "null"]}, {"type": "integer"}, {"type": ["integer", "null"], "allOf": [{"type": "integer"}]}),
        (True, {"enum": ["b"]}, {"enum": ["b"]}),
        (False, {"enum": ["b"]}, False),
        (
            {"type": "object", "properties": {"a": {"type": "string"}}},
            {"properties": {"a": {"enum": ["x"]}}, "required": ["a"]},
            {"type": "object", "properties": {"a": {"type": "string", "enum": ["x"]}}, "required": ["a"]},
        ),
    ],
)  # fmt: skip
def test_keywords_meet(own: Any, more: dict[str, Any], expected: Any) -> None:
    schema = {"type": "object", "properties": {"x": own}}

    assert narrowed(schema, {"properties": {"x": more}}) == {
        **schema,
        "properties": {"x": expected},
    }


def test_a_property_that_is_not_declared_is_not_let_in() -> None:
    schema = {"type": "object", "properties": {}, "additionalProperties": False}

    made = narrowed(schema, {"properties": {"x": {"maximum": 5}}, "required": ["x"]})

    assert not takes(made, {"x": 1})
    assert not takes(made, {"x": 6})


def test_behind_a_reference_nothing_is_changed() -> None:
    schema = {"$ref": "#/$defs/a", "$defs": {"a": {"type": "object"}}}

    assert narrowed(schema, {"properties": {"x": {"maximum": 5}}}) == schema
