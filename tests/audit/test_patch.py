"""What changed is told briefly, exactly, and without what stood there before."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.audit.patch import MAX_OPERATIONS, patch, paths_of


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"a": 1}, {"a": 1}, ()),
        ({"a": 1}, {"a": 2}, ({"op": "replace", "path": "/a", "value": 2},)),
        ({"a": 1}, {}, ({"op": "remove", "path": "/a"},)),
        ({}, {"a": [1]}, ({"op": "add", "path": "/a", "value": [1]},)),
        ({"a/b~c": 1}, {"a/b~c": 2}, ({"op": "replace", "path": "/a~1b~0c", "value": 2},)),
        ([1, 2], [1, 3], ({"op": "replace", "path": "/1", "value": 3},)),
        ([1], [1, 2], ({"op": "replace", "path": "", "value": [1, 2]},)),
        ({"a": 1}, {"a": True}, ({"op": "replace", "path": "/a", "value": True},)),
        (
            {"t": "mail ada@example.com now"},
            {"t": "mail [redacted:email] now"},
            ({"op": "replace", "path": "/t", "at": [5, 20], "value": "[redacted:email]"},),
        ),
    ],
)
def test_each_difference_is_one_operation(before: Any, after: Any, expected: Any) -> None:
    assert patch(before, after) == expected


def test_many_and_long_differences_are_cut() -> None:
    many = patch({}, {str(i): i for i in range(1000)})
    (long,) = patch({"a": "x"}, {"a": "y" * 10_000})

    assert len(many) == MAX_OPERATIONS
    assert long["value"] == "y" * 200 + "… (10000 characters)"
    assert paths_of(many)[:2] == ("/0", "/1")


TEXTS = st.text("ab ", max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


def applied(value: Any, operation: dict[str, Any]) -> Any:
    """The patch, applied as RFC 6902 says; `at` names the part of a text that is replaced."""
    path = operation["path"]
    if path == "":
        if "at" in operation:
            start, end = operation["at"]
            return value[:start] + operation["value"] + value[end:]
        return operation["value"]
    step, _, rest = path[1:].partition("/")
    step = step.replace("~1", "/").replace("~0", "~")
    inner = {**operation, "path": f"/{rest}" if "/" in path[1:] else ""}
    if isinstance(value, list):
        index = int(step)
        return [*value[:index], applied(value[index], inner), *value[index + 1 :]]
    if inner["path"] == "" and operation["op"] == "remove":
        return {key: item for key, item in value.items() if key != step}
    if inner["path"] == "" and operation["op"] == "add":
        return {**value, step: operation["value"]}
    return {**value, step: applied(value[step], inner)}


@given(VALUES, VALUES)
def test_a_patch_leads_from_one_value_to_the_other(before: Any, after: Any) -> None:
    found = before
    for operation in patch(before, after):
        found = applied(found, operation)

    assert found == after
