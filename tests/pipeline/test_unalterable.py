"""What is shown like this reads as any JSON value, and does not change."""

import copy
import json
import pickle
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from callgate.pipeline.unalterable import (
    FixedDict,
    FixedList,
    UnalterableError,
    fixed,
    fixed_principal,
    fixed_tool,
)
from fakes.calls import a_principal, a_tool

VALUE = {"a": {"b": [1, {"c": None}]}, "d": [], "e": "text"}

CHANGES: list[Callable[[Any], Any]] = [
    lambda value: value.update(x=1),
    lambda value: value.pop("a"),
    lambda value: value.popitem(),
    lambda value: value.clear(),
    lambda value: value.setdefault("x", 1),
    lambda value: value.__setitem__("x", 1),
    lambda value: value.__delitem__("a"),
    lambda value: value.__ior__({"x": 1}),
    lambda value: value["a"].update(x=1),
    lambda value: value["a"]["b"][1].clear(),
    lambda value: value["d"].append(1),
    lambda value: value["d"].extend([1]),
    lambda value: value["d"].insert(0, 1),
    lambda value: value["d"].__iadd__([1]),
    lambda value: value["d"].__imul__(2),
    lambda value: value["a"]["b"].pop(),
    lambda value: value["a"]["b"].remove(1),
    lambda value: value["a"]["b"].clear(),
    lambda value: value["a"]["b"].sort(),
    lambda value: value["a"]["b"].reverse(),
    lambda value: value["a"]["b"].__setitem__(0, 2),
    lambda value: value["a"]["b"].__delitem__(0),
]


def test_every_method_that_changes_a_dict_or_a_list_is_known_here() -> None:
    reading = {
        *dir(object), "__class_getitem__", "__contains__", "__getitem__", "__iter__", "__len__",
        "__reversed__", "__or__", "__ror__", "__add__", "__mul__", "__rmul__", "copy", "count",
        "fromkeys", "get", "index", "items", "keys", "values",
    }  # fmt: skip

    for kind, fixed_kind in ((dict, FixedDict), (list, FixedList)):
        changing = set(dir(kind)) - reading
        assert changing == {
            name for name in changing if getattr(fixed_kind, name) is not getattr(kind, name)
        }


@pytest.mark.parametrize("change", CHANGES)
def test_no_change_gets_through(change: Callable[[Any], Any]) -> None:
    value = fixed(copy.deepcopy(VALUE))

    with pytest.raises(UnalterableError, match="return a Decision"):
        change(value)
    assert value == VALUE


def test_it_reads_like_the_value_itself() -> None:
    value = fixed(VALUE)

    assert value == VALUE and isinstance(value["a"]["b"], list) and isinstance(value, dict)
    assert json.loads(json.dumps(value)) == VALUE
    assert msgspec.json.decode(msgspec.json.encode(value)) == VALUE
    assert {**value, "x": 1}["x"] == 1 and [*value["a"]["b"], 2][-1] == 2
    assert (value | {"x": 1})["x"] == 1


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_a_copy_is_ordinary_to_its_depths(copied: Callable[[Any], Any]) -> None:
    value = copied(fixed(VALUE))

    assert value == VALUE
    assert {type(value), type(value["a"])} == {dict}
    assert {type(value["d"]), type(value["a"]["b"])} == {list}


def test_the_original_may_change_and_what_was_made_of_it_is_kept() -> None:
    tool, principal = a_tool(), a_principal(claims={"roles": ["a"]})

    assert (fixed_tool(tool), fixed_principal(principal)) == (tool, principal)
    assert fixed_tool(tool) is fixed_tool(tool)
    assert fixed_principal(principal) is not fixed_principal(a_principal(claims={"roles": ["a"]}))
    principal.claims["roles"].append("b")
    assert fixed_principal(principal).claims["roles"] == ["a"]
