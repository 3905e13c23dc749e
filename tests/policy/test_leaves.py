"""A place is what its shape and schema make it; what a schema might not mean is not used."""

from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.policy.domains import Domain, Numbers, Sets, Texts
from callgate.policy.exact import LONG_MAX, LONG_MIN
from callgate.policy.leaves import Leaf, Leaves, Limits, scalar
from callgate.policy.schema import context_shape, input_shape
from callgate.policy.shapes import Kind

LONGS = Numbers(LONG_MIN, LONG_MAX)


def leaf(schema: dict[str, Any], *path: str) -> Leaf | None:
    context = context_shape(input_shape(schema), {"risk": {"score": "integer"}})
    return Leaves().of(context, Limits(schema), path)


def start(property_schema: Any, **root: Any) -> Domain | None:
    found = leaf({"type": "object", "properties": {"x": property_schema}, **root}, "input", "x")
    assert found is not None
    return found.start


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "integer"}, LONGS),
        ({"type": "integer", "minimum": 1, "exclusiveMaximum": 5}, Numbers(1, 4)),
        ({"type": "integer", "minimum": 0.5, "maximum": 2.5}, Numbers(1, 2)),
        ({"type": "number", "exclusiveMinimum": 0, "maximum": 1.5}, Numbers(1, 15_000)),
        ({"type": "number", "maximum": 1e300}, LONGS),
        ({"type": "integer", "enum": [3, 1, "x"], "minimum": 2}, Numbers(2, LONG_MAX, frozenset({3}))),
        ({"type": "boolean", "const": True}, Numbers(0, 1, frozenset({1}))),
        ({"type": "boolean", "minimum": 1}, Numbers(0, 1)),
        ({"type": "string", "enum": ["a", "b", 5]}, Texts(frozenset({"a", "b"}))),
        ({"type": "integer", "minimum": 5, "maximum": 4}, LONGS),  # fits nothing: not our business
        ({"anyOf": [{"type": "integer", "maximum": 5}, {"type": "null"}]}, Numbers(LONG_MIN, 5)),
        ({"anyOf": [{"type": "integer", "maximum": 5}, {"type": "integer", "minimum": 9}]}, LONGS),
        ({"$ref": "#/$defs/small"}, Numbers(LONG_MIN, 5)),
        ({"$ref": "#/$defs/nothing"}, None),
        ({"type": "array", "items": {"enum": ["a"]}}, Sets(Texts(frozenset({"a"})))),
        ({"type": "array", "items": {"type": "array"}}, None),
        ({"type": "object", "properties": {"y": {}}}, None),
        ({}, None),
    ],
)  # fmt: skip
def test_values_are_those_that_type_and_schema_allow(
    schema: dict[str, Any], expected: Domain | None
) -> None:
    assert start(schema, **{"$defs": {"small": {"type": "integer", "maximum": 5}}}) == expected


@pytest.mark.parametrize(
    "root",
    [
        {"$schema": "http://json-schema.org/draft-04/schema#"},  # knows no const, no numbers there
        {"$schema": "https://example.com/my-own"},
        {"$schema": "http://json-schema.org/draft-07/schema#", "$ref": "#/definitions/x"},
    ],
)
def test_where_a_draft_may_read_it_otherwise_a_schema_bounds_nothing(root: dict[str, Any]) -> None:
    limits = Limits({"properties": {"x": {"type": "integer", "maximum": 5}}, **root})

    assert limits.cut(LONGS, Kind.LONG, None, ("x",)) == LONGS


def test_gates_are_the_places_on_the_way_that_need_not_be_there() -> None:
    inner = {"type": "object", "properties": {"y": {"type": "string"}}, "required": ["y"]}
    outer = {"type": "object", "properties": {"x": inner}}

    found = leaf(outer, "input", "x", "y")
    assert found is not None and found.gates == (("input", "x"),)
    found = leaf({**outer, "required": ["x"]}, "input", "x", "y")
    assert found is not None and found.gates == ()


def test_places_that_no_context_has_are_none() -> None:
    schema = {"type": "object", "properties": {"x": {"type": "string"}}}

    assert leaf(schema, "input", "y") is None
    assert leaf(schema, "input", "x", "y") is None
    assert leaf(schema, "enriched", "risk", "other") is None
    assert leaf(schema, "enriched", "risk", "score") is not None


def test_text_has_its_two_facts_and_alternatives_have_no_bounds() -> None:
    either = {"type": ["object", "integer"], "properties": {"integer": {"maximum": 5}}}
    schema = {"type": "object", "properties": {"any": {}, "x": either}}

    found = leaf(schema, "input", "any", "json")
    assert found is not None and found.start == Texts()
    found = leaf(schema, "input", "x", "integer")
    assert found is not None and found.start == LONGS


def test_alike_places_are_one_object() -> None:
    leaves = Leaves()
    one, other, third = (
        leaves.of(context_shape(input_shape(s), {}), Limits(s), ("input", "x"))
        for s in (
            {"type": "object", "properties": {"x": {"type": "integer"}}},
            {"type": "object", "properties": {"y": {}, "x": {"type": "integer", "title": "X"}}},
            {"type": "object", "properties": {"x": {"type": "integer", "maximum": 5}}},
        )
    )

    assert one is other and one is not third


@given(
    st.dictionaries(
        st.sampled_from(["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"]),
        st.one_of(st.integers(-5, 5), st.floats(-5, 5).map(lambda n: round(n, 5))),
    ),
    st.sampled_from(["integer", "number"]),
    st.one_of(st.integers(-6, 6), st.floats(-6, 6).map(lambda n: round(n, 4))),
)
def test_no_value_that_the_schema_takes_is_lost(
    bounds: dict[str, Any], of_type: str, value: Any
) -> None:
    schema = {"type": of_type, **bounds}
    found, kind = start(schema), Kind.LONG if of_type == "integer" else Kind.DECIMAL
    number = scalar(kind, value)

    assert isinstance(found, Numbers)
    if jsonschema_rs.validator_for(schema).is_valid(value) and number is not None:
        assert found.has(number)
