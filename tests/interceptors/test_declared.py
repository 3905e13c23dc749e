"""What a schema does not name is found, and taken out, and nothing else is."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.interceptors.declared import Declared, Undeclarable

NAMED = {
    "type": "object",
    "properties": {"a": {"type": "integer"}, "b": {"type": "object", "properties": {"c": {}}}},
}


@pytest.mark.parametrize(
    ("schema", "value", "undeclared"),
    [
        (NAMED, {"a": 1, "b": {"c": 2}}, []),
        (NAMED, {"a": 1, "x": 2}, [("x",)]),
        (NAMED, {"A": 1, "a ": 2}, [("A",), ("a ",)]),
        (NAMED, {"b": {"c": 1, "d": 2}, "x": {"y": 1}}, [("x",), ("b", "d")]),
        (NAMED, {"b": {"c": {"free": 1}}}, []),
        (NAMED, [{"x": 1}], []),
        ({"type": "object"}, {"x": 1}, []),
        ({"type": "object", "additionalProperties": False}, {"x": 1}, [("x",)]),
        ({**NAMED, "additionalProperties": True}, {"x": 1}, []),
        ({**NAMED, "additionalProperties": {}}, {"x": 1}, []),
        ({**NAMED, "additionalProperties": {"properties": {"k": {}}}}, {"x": {"k": 1, "l": 2}}, [("x", "l")]),
        ({**NAMED, "patternProperties": {"^x": {}}}, {"x": 1}, []),
        ({"items": NAMED}, [{"a": 1}, {"x": 1}], [(1, "x")]),
        ({"prefixItems": [NAMED], "items": {"properties": {"z": {}}}}, [{"z": 1}, {"z": 1}], [(0, "z")]),
        ({"items": [NAMED], "additionalItems": {"properties": {"z": {}}}}, [{"a": 1}, {"a": 1}], [(1, "a")]),
        ({"allOf": [NAMED, {"properties": {"d": {}}}]}, {"a": 1, "d": 2, "e": 3}, [("e",)]),
        ({"oneOf": [NAMED, {"properties": {"d": {}}}]}, {"a": 1, "d": 2}, []),
        ({"anyOf": [{"type": "null"}, NAMED]}, {"x": 1}, [("x",)]),
        ({"$defs": {"n": NAMED}, "$ref": "#/$defs/n"}, {"a": 1, "x": 2}, [("x",)]),
        ({"$ref": "#/$defs/t", "$defs": {"t": {"properties": {"next": {"$ref": "#/$defs/t"}, "v": {}}}}},
         {"next": {"next": {"v": 1, "w": 2}}}, [("next", "next", "w")]),
        ({"if": {"properties": {"k": {"const": 1}}}, "then": {"properties": {"l": {}}}}, {"k": 1, "l": 2, "m": 3}, [("m",)]),
        ({"not": {"properties": {"k": {}}}, "properties": {"l": {}}}, {"k": 1}, [("k",)]),
        ({"dependentSchemas": {"a": {"properties": {"b": {}}}}, "properties": {"a": {}}}, {"a": 1, "b": 2}, []),
        (True, {"x": 1}, []),
    ],
)  # fmt: skip
def test_members_that_no_schema_names_are_found(
    schema: Any, value: Any, undeclared: list[tuple[Any, ...]]
) -> None:
    declared = Declared(schema)

    assert list(declared.undeclared(value)) == undeclared
    assert list(declared.undeclared(declared.project(value))) == []
    assert (declared.project(value) == value) is not bool(undeclared)


def test_an_object_that_names_nothing_declares_nothing() -> None:
    assert not Declared({"type": "object"}).is_closed
    assert not Declared({**NAMED, "additionalProperties": True}).is_closed
    assert Declared(NAMED).is_closed
    assert Declared({"additionalProperties": False}).is_closed


@pytest.mark.parametrize(
    "schema",
    [{"$ref": "https://example.com/s.json"}, {"$ref": "file:///etc/passwd"}, {"$ref": "#/none"}, {"$ref": 5},
     {"allOf": [{"properties": {}}] * 1 + [{"title": str(n)} for n in range(3000)]}],
)  # fmt: skip
def test_a_schema_that_leads_elsewhere_or_is_endless_is_refused(schema: Any) -> None:
    with pytest.raises(Undeclarable):
        Declared(schema)


def test_many_members_of_an_open_object_are_not_remembered_for_ever() -> None:
    declared = Declared({"additionalProperties": {"properties": {"k": {}}}})

    found = list(declared.undeclared({str(n): {"k": 1, "l": 2} for n in range(12_000)}))

    assert len(found) == 12_000


NAMES = st.sampled_from("abcd")
VALUES = st.recursive(
    st.integers(0, 3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=10,
)
SCHEMAS = st.recursive(
    st.just({"type": "integer"}),
    lambda inner: (
        st.dictionaries(NAMES, inner, max_size=3).map(lambda p: {"properties": p})
        | inner.map(lambda i: {"items": i})
        | st.lists(inner, min_size=1, max_size=2).map(lambda i: {"anyOf": i})
    ),
    max_leaves=6,
)


@given(SCHEMAS, VALUES)
def test_projecting_takes_out_just_what_is_undeclared(schema: Any, value: Any) -> None:
    declared = Declared(schema)
    kept = declared.project(value)

    assert list(declared.undeclared(kept)) == []
    assert declared.project(kept) == kept
    for place in declared.undeclared(value):
        *way, last = place
        at = kept
        for key in way:
            at = at[key]
        assert last not in at
