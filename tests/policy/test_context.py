"""Each argument reaches policy exactly, or the call does not go on."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.policy.context import Census, Unrepresentable, build, census, convert
from callgate.policy.schema import Kind, Shape, context_shape, cut, input_shape

LONG, DECIMAL = Shape(kind=Kind.LONG), Shape(kind=Kind.DECIMAL)


def of(schema: Any) -> Shape:
    return input_shape({"properties": {"x": schema}}).fields["x"].shape


@pytest.mark.parametrize(
    ("schema", "value", "cedar"),
    [
        ({"type": "integer"}, 5, 5),
        ({"type": "integer"}, 5.0, 5),
        ({"type": "integer"}, 2**53 - 1, 2**53 - 1),
        ({"type": "number"}, 5, "5.0"),
        ({"type": "number"}, 1.5, "1.5"),
        ({"type": "number"}, 0.0001, "0.0001"),
        ({"type": "number"}, -1e3, "-1000.0"),
        ({"type": "number"}, 1e-4, "0.0001"),
        ({"type": "array", "items": {"type": "integer"}}, [1, 2, 2], [1, 2, 2]),
        ({"type": "object"}, {"b": 1, "a": None}, {"json": '{"a":null,"b":1}', "kind": "object"}),
        ({}, [1], {"json": "[1]", "kind": "array"}),
        ({"anyOf": [{"type": "string"}, {"type": "integer"}]}, 7, {"integer": 7}),
        ({"anyOf": [{"type": "string"}, {"type": "integer"}]}, 7.0, {"integer": 7}),
        ({"anyOf": [{"type": "string"}, {"type": "number"}]}, 7, {"number": "7.0"}),
        ({"anyOf": [{"type": "string"}, {"type": "integer"}]}, "7", {"string": "7"}),
    ],
)
def test_values_take_their_exact_cedar_form(schema: Any, value: Any, cedar: Any) -> None:
    assert convert(of(schema), value, "/x") == cedar


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "integer"}, "500"),
        ({"type": "integer"}, True),
        ({"type": "integer"}, 5.5),
        ({"type": "integer"}, 2**63),
        ({"type": "number"}, True),
        ({"type": "number"}, 0.00001),
        ({"type": "number"}, 1e15),
        ({"type": "number"}, "1.5"),
        ({"type": "boolean"}, 1),
        ({"type": "string"}, None),
        ({"type": "string"}, {"__entity": {"type": "Role", "id": "admin"}}),
        ({"type": "string"}, {"__extn": {"fn": "unknown", "arg": "x"}}),
        ({"type": "array", "items": {"type": "string"}}, "a"),
        ({"anyOf": [{"type": "string"}, {"type": "integer"}]}, []),
    ],
)
def test_a_value_without_an_exact_form_is_refused_by_name(schema: Any, value: Any) -> None:
    with pytest.raises(Unrepresentable) as caught:
        convert(of(schema), value, "/input/x")

    assert caught.value.path.startswith("/input/x")


@given(st.decimals(-922337203685477, 922337203685477, places=4))
def test_decimals_with_four_digits_are_exact_where_a_double_holds_them(value: Any) -> None:
    number = float(value)
    if format(number, ".4f") != format(value, ".4f"):
        return  # the double is not this decimal
    try:
        text = convert(DECIMAL, number, "/x")
    except Unrepresentable:
        return  # the double's shortest form has more digits
    assert float(text) == number


def test_nulls_and_undeclared_keys_are_visible_to_policy() -> None:
    shape = input_shape(
        {"properties": {"a": {"type": ["string", "null"]}, "o": {"properties": {"p": {}}}}}
    )
    arguments = {"a": None, "o": {"p": 1, "q": 2}, "z": None}

    assert census(shape, arguments) == Census(nulls=("a",), extra=("o.q", "z"))
    assert convert(shape, arguments, "") == {"o": {"p": {"json": "1", "kind": "integer"}}}


def test_the_context_holds_input_facts_and_time() -> None:
    arguments = input_shape({"properties": {"n": {"type": "integer"}}})
    shape = context_shape(arguments, {"geo": {"country": "string"}})

    assert build(shape, arguments, {"n": 1, "m": 2}, {"geo": {"country": "DE"}}, 0.5) == {
        "input": {"n": 1},
        "derived": {},
        "meta": {"nulls": (), "extra": ("m",)},
        "system": {"now": "1970-01-01T00:00:00.500Z"},
        "enriched": {"geo": {"country": "DE"}},
    }


def test_nulls_and_undeclared_keys_are_named_inside_unions_and_arrays_too() -> None:
    item = {"type": "object", "properties": {"a": {"type": ["string", "null"]}}}
    shape = input_shape(
        {
            "properties": {
                "either": {"anyOf": [{"type": "string"}, item]},
                "items": {"type": "array", "items": item},
                "rows": {"type": "array", "items": {"type": ["integer", "null"]}},
            }
        }
    )
    arguments = {
        "either": {"a": None, "z": 1},
        "items": [{"a": None}, {"y": None}, {"a": None, "y": 2}],
        "rows": [1, None],
    }

    assert census(shape, arguments) == Census(
        nulls=("either.a", "items[].a", "rows[]"), extra=("either.z", "items[].y")
    )


def test_of_a_union_a_policy_is_not_refused_for_what_it_does_not_read() -> None:
    arguments = input_shape({"properties": {"x": {"type": ["string", "number"]}}})
    shape = context_shape(arguments, {})
    reads_text = cut(shape, [("input", "x", "string")])

    assert build(reads_text, arguments, {"x": 1e-9}, {}, 0.0) == {"input": {"x": {}}}
    assert build(reads_text, arguments, {"x": "a"}, {}, 0.0) == {"input": {"x": {"string": "a"}}}
    with pytest.raises(Unrepresentable):
        build(shape, arguments, {"x": 1e-9}, {}, 0.0)
