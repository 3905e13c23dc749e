"""A document has the places of all leaves, and edits change nothing else."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.interceptors.redacting.document import Edits, Leaf, document, edited, leaves
from callgate.interceptors.redacting.spans import Span, merged
from callgate.protocol.jsonrpc import encode

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_every_leaf_stands_where_it_says(value: Any) -> None:
    text = document(encode(value))

    for leaf in leaves(value, text):
        assert text[leaf.start : leaf.end] == leaf.text


def test_keys_strings_and_numbers_are_leaves() -> None:
    value = {"a": ["x\n", 12], "b": True}

    assert leaves(value, document(encode(value))) == [
        Leaf(2, "a", ("a",), "key"),
        Leaf(7, "x\n", ("a", 0), "string"),
        Leaf(11, "12", ("a", 1), "number"),
        Leaf(16, "b", ("b",), "key"),
    ]


def test_a_document_of_another_value_is_an_error() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        leaves({"a": 1}, document(encode({"a": 12})))


@given(VALUES)
def test_no_edit_changes_nothing(value: Any) -> None:
    assert edited(value, Edits.none()) == value


def test_edits_replace_rename_and_drop() -> None:
    value = {"a": 1, "b": [1, 2, 3], "c": {"d": 1}, "e": 5}
    edits = Edits(values={("a",): "x", ("c", "d"): "y"}, keys={("e",): "f"}, dropped={("b", 1)})

    assert edited(value, edits) == {"a": "x", "b": [1, 3], "c": {"d": "y"}, "f": 5}
    assert value == {"a": 1, "b": [1, 2, 3], "c": {"d": 1}, "e": 5}


def test_keys_that_become_the_same_lose_no_member() -> None:
    value = {"one": 1, "k": 2, "two": 3}
    edits = Edits(values={}, keys={("one",): "k", ("two",): "k"}, dropped=set())

    assert edited(value, edits) == {"k-2": 1, "k": 2, "k-3": 3}


@given(VALUES, st.lists(st.tuples(st.integers(0, 60), st.integers(1, 9)), max_size=3))
def test_only_the_leaves_that_spans_touch_are_made(
    value: Any, places: list[tuple[int, int]]
) -> None:
    text = document(encode(value))
    spans = merged(Span(start, start + size, "x") for start, size in places)

    some = leaves(value, text, spans)

    assert some == [
        leaf
        for leaf in leaves(value, text)
        if any(span.start < leaf.end and leaf.start < span.end for span in spans)
    ]


def test_what_is_not_edited_is_shared() -> None:
    value: Any = {"a": {"b": [1]}, "c": {"d": [2]}}
    edits = Edits(values={("a", "b", 0): 3}, keys={}, dropped=set())

    made = edited(value, edits)

    assert made == {"a": {"b": [3]}, "c": {"d": [2]}}
    assert made["c"] is value["c"] and value["a"] == {"b": [1]}
