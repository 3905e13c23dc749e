"""Paths find exactly the fields they name, and replacing one leaves every other alone."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.interceptors.fields import (
    MAX_TEXTS,
    FieldError,
    TooManyFieldsError,
    read_path,
    replaced,
    shown,
    texts,
)

VALUE = {
    "a": {"b": [{"c": "x", "d": 1}, {"c": "y"}], "c": "z"},
    "a b": {"it's": "q"},
    "list": ["p", ["r"], {"k": True}, None, 1.5],
}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("$", {(): VALUE}),
        ("$.a.c", {("a", "c"): "z"}),
        ("$['a'][\"c\"]", {("a", "c"): "z"}),
        ("$['a b']['it\\'s']", {("a b", "it's"): "q"}),
        ("$.a.b[*].c", {("a", "b", 0, "c"): "x", ("a", "b", 1, "c"): "y"}),
        ("$.a.b[1].c", {("a", "b", 1, "c"): "y"}),
        ("$.a.b[2].c", {}),
        ("$.a.*", {("a", "b"): VALUE["a"]["b"], ("a", "c"): "z"}),  # type: ignore[index]
        ("$..c", {("a", "c"): "z", ("a", "b", 0, "c"): "x", ("a", "b", 1, "c"): "y"}),
        ("$.a..d", {("a", "b", 0, "d"): 1}),
        ("$.list[0].x", {}),
        ("$.none", {}),
        ("$.a[0]", {}),
        ("$.list.a", {}),
    ],
)
def test_a_path_leads_to_what_it_names(path: str, found: dict[Any, Any]) -> None:
    assert dict(read_path(path).find(VALUE)) == found


def test_deep_wildcards_reach_every_node_below() -> None:
    nodes = dict(read_path("$..*").find({"a": [1, {"b": 2}]}))

    assert nodes == {
        ("a",): [1, {"b": 2}],
        ("a", 0): 1,
        ("a", 1): {"b": 2},
        ("a", 1, "b"): 2,
    }


@pytest.mark.parametrize(
    "text",
    ["", "a", "a.b", "$.", "$a", "$..", "$.a[", "$.a[-1]", "$.a[01]", "$.a[0:2]", "$[?(@.a)]",
     "$['a','b']", "$.a b", "$['']", "$.a." + "b." * 40, "$" + ".a" * 33, "$..a..b..c"],
)  # fmt: skip
def test_what_is_no_path_is_refused_with_what_would_be_one(text: str) -> None:
    with pytest.raises(FieldError, match=r"starts with `\$`|a step is one of|more than 2"):
        read_path(text)


def test_lists_objects_and_numbers_under_a_field_count_as_the_field() -> None:
    found = texts((read_path("$.list"), read_path("$.a.c"), read_path("$.list[0]")), VALUE)

    assert found == {
        ("list", 0): "p",
        ("list", 1, 0): "r",
        ("list", 2, "k"): "true",
        ("list", 4): "1.5",
        ("a", "c"): "z",
    }


def test_a_value_with_too_many_texts_is_not_looked_at_in_part() -> None:
    value = {"a": ["x"] * (MAX_TEXTS + 1)}

    with pytest.raises(TooManyFieldsError, match="more than 10000 texts"):
        texts((read_path("$"),), value)


def test_places_are_shown_as_paths_of_bounded_length() -> None:
    assert shown(("a", 0, "b c", "d")) == "$.a[0]['b c'].d"
    assert len(shown(("k" * 500,) * 50)) == 120


KEYS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=5)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text("ab", max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=12,
)


def at(value: Any, place: tuple[Any, ...]) -> Any:
    for key in place:
        value = value[key]
    return value


@given(JSON)
def test_every_node_has_a_path_that_leads_to_it_alone(value: Any) -> None:
    for place, node in [((), value), *read_path("$..*").find(value)]:
        steps = (
            f"[{key}]"
            if isinstance(key, int)
            else "['" + key.replace("\\", "\\\\").replace("'", "\\'") + "']"
            for key in place
        )

        assert list(read_path("$" + "".join(steps)).find(value)) == [(place, node)]
        assert at(value, place) is node


@given(JSON, st.data())
def test_replacing_changes_the_named_places_and_nothing_else(value: Any, data: Any) -> None:
    before = copy.deepcopy(value)
    found = texts((read_path("$"),), value)
    chosen = data.draw(st.sets(st.sampled_from(sorted(found, key=str)))) if found else set()

    changed = replaced(value, {place: "new" for place in chosen}) if chosen else value

    assert value == before
    now = texts((read_path("$"),), changed)
    assert now == {place: "new" if place in chosen else text for place, text in found.items()}
