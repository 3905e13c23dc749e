"""Any legal schema is typed in bounded time; a value is held exactly, or the call is refused."""

from __future__ import annotations

import time
from random import Random
from typing import Any

import pytest
from hypothesis import event, given, note, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from callgate.policy.context import Unrepresentable, build, census
from callgate.policy.inference import MAX_NESTING, MAX_NODES, input_shape
from callgate.policy.schema import context_shape
from callgate.policy.shapes import (
    DECIMAL,
    LONG,
    RESERVED_KEYS,
    STRING,
    STRINGS,
    TEXT,
    Field,
    Kind,
    Shape,
    cut,
    required,
)
from callgate.protocol.jsonrpc import find_key
from callgate.protocol.validators import compile_schema
from fakes.cedar import decide, leaves, told, unseen
from fakes.schemas import Maker, Thrown, value_of

Json = Any


def held(seed: int, *, is_closed: bool) -> str | None:
    """Makes a schema and a valid value, and checks that Cedar holds it.

    Else what it has no exact form for; None where no valid value was found.
    """
    dice = Random(seed)
    schema = Maker(dice, is_closed=is_closed).schema()
    note(f"{schema}")
    shape = input_shape(schema)
    whole = context_shape(shape, {})
    decide(whole, None, [])  # any schema makes a schema that Cedar takes
    value = value_of(schema, schema, Thrown(dice))
    if not compile_schema(schema).validator.is_valid(value) or find_key(value, RESERVED_KEYS):
        return None
    note(f"{value}")
    try:
        context = build(whole, shape, value, {}, 0.0)
    except Unrepresentable as finding:
        return finding.problem
    hidden = dict(unseen(value, told(shape, context["input"])))
    found = census(shape, value)
    assert {at for at, item in hidden.items() if item is None} <= {*found.nulls, *found.extra}
    assert {at for at, item in hidden.items() if item is not None} <= set(found.extra)
    conditions = list(leaves(shape, value, "context.input"))
    assert decide(whole, context, conditions) == conditions
    return ""


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 1 << 64))
def test_a_valid_value_is_held_exactly_or_refused_and_nothing_of_it_is_dropped(seed: int) -> None:
    event(f"{held(seed, is_closed=False)}")


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 1 << 64))
def test_only_numbers_beyond_cedar_are_refused_where_every_value_has_a_type(seed: int) -> None:
    problem = held(seed, is_closed=True)

    event(f"{problem}")
    assert not problem or any(
        limit in problem for limit in ("64 bits", "4 decimals", "922337203685477")
    )


def typed(schema: Json, **root: Json) -> Shape:
    return input_shape({"properties": {"x": schema}, **root}).fields["x"].shape


def a_record(**fields: Field) -> Shape:
    return Shape(kind=Kind.RECORD, fields=fields)


def a_union(**shapes: Shape) -> Shape:
    return Shape(kind=Kind.UNION, fields={name: Field(shape=s) for name, s in shapes.items()})


def text_of(items: Shape) -> Shape:
    return Shape(kind=Kind.TEXT, items=items)


A_STRING, A_NUMBER = {"type": "string"}, {"type": "number"}
A, B = ({"type": "object", "properties": {name: A_STRING}, "required": [name]} for name in "ab")


@pytest.mark.parametrize(
    ("schema", "shape"),
    [
        ({"type": "string", "enum": ["a", None]}, STRING),
        ({"anyOf": [{"type": "integer"}, {"type": "number"}]}, DECIMAL),
        ({"allOf": [{"type": "number"}, {"type": "integer"}]}, LONG),
        ({"allOf": [{"type": "string"}, {"minLength": 1}], "description": "x"}, STRING),
        ({"allOf": [{"type": "string"}, {"type": "integer"}]}, TEXT),
        ({"allOf": [A, B]}, a_record(a=required(STRING), b=required(STRING))),
        ({"anyOf": [A, B]}, a_record(a=Field(shape=STRING), b=Field(shape=STRING))),
        ({"anyOf": [A, A]}, a_record(a=required(STRING))),
        ({**A, "anyOf": [{"required": ["b"]}, {"required": ["c"]}]}, a_record(a=required(STRING))),
        ({**A, "if": {}, "then": B}, a_record(a=required(STRING), b=Field(shape=STRING))),
        (
            {"anyOf": [A, {"type": "object", "properties": {"a": {"type": "integer"}}}]},
            a_record(a=Field(shape=a_union(string=STRING, integer=LONG))),
        ),
        ({"anyOf": [A_STRING, {"type": "object"}]}, a_union(string=STRING, object=TEXT)),
        ({"anyOf": [A_STRING, A]}, a_union(string=STRING, object=a_record(a=required(STRING)))),
        ({"anyOf": [A_STRING, {}]}, TEXT),
        ({"type": ["string", "array"], "items": A_STRING}, a_union(string=STRING, array=STRINGS)),
        ({"type": "array", "items": A}, text_of(a_record(a=required(STRING)))),
        ({"type": "array", "items": {"type": ["string", "null"]}}, text_of(STRING)),
        ({"type": "array", "items": {"type": "array", "items": A_STRING}}, text_of(STRINGS)),
        ({"type": "array", "prefixItems": [A_STRING], "items": A_STRING}, TEXT),
        ({"type": "array", "items": [A_STRING]}, TEXT),
        ({"anyOf": [{"type": "array", "items": A_STRING}, {"type": "array"}]}, TEXT),
        ({"additionalProperties": A_STRING, **A}, a_record(a=required(STRING))),
        ({"$ref": "#/definitions/a", "maxLength": 5}, STRING),
        ({"$ref": "#named"}, DECIMAL),
        ({"$ref": "#/$defs/o", "required": ["a"]}, a_record(a=required(STRING))),
        ({"$ref": "#/$defs/o", "properties": {"b": A_STRING}},
         a_record(a=Field(shape=STRING), b=Field(shape=STRING))),
        ({"type": "object", "properties": {"x": False}}, a_record(x=Field(shape=TEXT))),
    ],
)  # fmt: skip
def test_schemas_are_read_for_what_they_let_through(schema: Json, shape: Shape) -> None:
    root = {
        "definitions": {"a": A_STRING},
        "$defs": {
            "n": {"$anchor": "named", **A_NUMBER},
            "o": {"type": "object", "properties": {"a": A_STRING}},
        },
    }
    made = typed(schema, **root)
    by_name = {name: made.fields[name] for name in sorted(made.fields)}
    assert replace(made, fields=by_name) == shape


def test_beside_a_reference_nothing_held_before_2019() -> None:
    root = {"definitions": {"any": {}}, "$schema": "http://json-schema.org/draft-07/schema#"}

    assert typed({"$ref": "#/definitions/any", "type": "string"}, **root) == TEXT


def test_a_schema_that_is_itself_a_reference_or_a_union_has_arguments() -> None:
    assert input_shape({"$ref": "#/$defs/a", "$defs": {"a": A}}) == a_record(a=required(STRING))
    assert input_shape({"anyOf": [A, B]}).fields.keys() == {"a", "b"}
    assert input_shape({"type": "string"}) == a_record()


def test_at_the_top_keys_that_cedar_reserves_are_left_out_alone() -> None:
    made = input_shape({"properties": {"__entity": A_STRING, "a": A_STRING}})

    assert made == a_record(a=Field(shape=STRING))


def fan_out(size: int, keyword: str) -> dict[str, Json]:
    """A tiny schema that unfolds to 2^size parts."""
    definitions: dict[str, Json] = {}
    for n in range(size):
        two = [{"$ref": f"#/$defs/d{n + 1}"}, {"$ref": f"#/$defs/d{n + 1}"}]
        inner = (
            {"properties": {"l": two[0], "r": two[1]}}
            if keyword == "properties"
            else {keyword: two}
        )
        definitions[f"d{n}"] = inner
    return {"properties": {"x": {"$ref": "#/$defs/d0"}}, "$defs": {**definitions, f"d{size}": A}}


def deep(keyword: str, size: int) -> dict[str, Json]:
    schema: Json = A_STRING
    for _ in range(size):
        schema = {"allOf": [schema]} if keyword == "allOf" else {keyword: schema}
        schema = {"properties": {"x": schema["x"]}} if keyword == "x" else schema
    return {"properties": {"x": schema}}


MANY = 30_000
HOSTILE = {
    "fan-out of fields": fan_out(64, "properties"),
    "fan-out of unions": fan_out(64, "anyOf"),
    "fan-out of intersections": fan_out(64, "allOf"),
    "fan-out of items": fan_out(16, "prefixItems"),
    "deep records": deep("x", 400),
    "deep arrays": deep("items", 400),
    "deep intersections": deep("allOf", 400),
    "itself": {"$ref": "#", "allOf": [{"$ref": "#"}], "anyOf": [{"$ref": "#"}, {"$ref": "#"}]},
    "many properties": {"properties": {f"p{n}": A_STRING for n in range(MANY)}},
    "many branches": {"anyOf": [{"properties": {f"p{n}": {}}} for n in range(MANY)]},
    "a large enum often": {
        "properties": {f"p{n}": {"$ref": "#/$defs/e"} for n in range(5000)},
        "$defs": {"e": {"enum": list(range(MANY))}},
    },
    "a long type often": {
        "properties": {f"p{n}": {"$ref": "#/$defs/e"} for n in range(5000)},
        "$defs": {"e": {"type": ["string"] * MANY}},
    },
    "many needs often": {
        "properties": {f"p{n}": {"$ref": "#/$defs/e"} for n in range(5000)},
        "$defs": {"e": {"type": "object", "required": [f"r{n}" for n in range(MANY)]}},
    },
    "a long reference often": {
        "properties": {f"p{n}": {"$ref": "#/" + "a" * MANY} for n in range(5000)}
    },
    "names that are twice": {
        "properties": {f"p{n}": {"$ref": f"#{n}"} for n in range(5000)},
        "$defs": {f"d{n}": {"$anchor": "same"} for n in range(5000)},
    },
    "wide unions inside each other": {
        "properties": {"x": {"$ref": "#/$defs/u"}},
        "$defs": {
            "u": {"anyOf": [{"properties": {f"p{n}": {"$ref": "#/$defs/v"}}} for n in range(300)]},
            "v": {"anyOf": [{"properties": {f"q{n}": {"$ref": "#/$defs/u"}}} for n in range(300)]},
        },
    },
}


def size_of(shape: Shape) -> int:
    items = 0 if shape.items is None else size_of(shape.items)
    return 1 + items + sum(size_of(field.shape) for field in shape.fields.values())


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_schema_costs_little_and_makes_no_large_shape(name: str) -> None:
    before = time.process_time()

    shape = input_shape(HOSTILE[name])
    took = time.process_time() - before

    assert took < 3
    assert size_of(shape) <= 2 * (MAX_NODES + MANY)
    whole = context_shape(shape, {})
    decide(cut(whole, [("input", next(iter(shape.fields), "x"))]), None, [])


def test_the_deepest_schema_that_is_typed_is_one_that_cedar_takes() -> None:
    schema: Json = {"type": "string"}
    for _ in range(MAX_NESTING + 4):
        schema = {"anyOf": [{"type": "object", "properties": {"x": schema}}, {"type": "string"}]}

    decide(context_shape(input_shape({"properties": {"x": schema}}), {}), None, [])
