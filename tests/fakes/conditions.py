"""Random policies about one random tool, and all arguments that make a difference to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import product
from typing import Any

from hypothesis import strategies as st

from callgate.model import Tool
from fakes.calls import a_tool

ABSENT: Any = object()
TEXTS = ["".join(text) for length in range(4) for text in product("abc", repeat=length)][:20]
TEXTS += ["aab", "abc", "cab", "bba", "cabc"]

Draw = st.DrawFn
Test = Callable[[Draw, str], str]


class Argument:
    """One argument: its schema, the values that are worth a try, and tests that policies make."""

    def __init__(self, schema: Mapping[str, Any], values: list[Any], test: Test) -> None:
        self.schema = dict(schema)
        self.values = values
        self.test = test


def _long(draw: Draw, at: str) -> str:
    operator = draw(st.sampled_from(["<", "<=", ">", ">=", "==", "!="]))
    number = draw(st.integers(-1, 5))
    forms = [
        f"{at} {operator} {number}",
        f"{number} {operator} {at}",
        f"[{number}, {draw(st.integers(0, 4))}].contains({at})",
    ]
    return draw(st.sampled_from(forms))


def _decimal(draw: Draw, at: str) -> str:
    number = draw(st.sampled_from(["0.5", "1.0", "1.5", "2.0"]))
    method = draw(
        st.sampled_from(["lessThan", "lessThanOrEqual", "greaterThan", "greaterThanOrEqual"])
    )
    forms = [f'{at}.{method}(decimal("{number}"))', f'decimal("{number}").{method}({at})']
    return draw(st.sampled_from([*forms, f'{at} == decimal("{number}")']))


def _text(draw: Draw, at: str) -> str:
    text = draw(st.sampled_from(["", "a", "b", "ab"]))
    pattern = draw(st.sampled_from(["a*", "*b", "*a*", "*", "ab", "*a*b*"]))
    forms = [
        f'{at} == "{text}"',
        f'{at} != "{text}"',
        f'["{text}", "ba"].contains({at})',
        f'{at} like "{pattern}"',
    ]
    return draw(st.sampled_from(forms))


def _set(draw: Draw, at: str) -> str:
    one, other = (draw(st.sampled_from("xyz")) for _ in range(2))
    forms = [
        f'{at}.contains("{one}")',
        f'{at}.containsAny(["{one}", "{other}"])',
        f'["{one}", "{other}"].containsAny({at})',
        f'{at}.containsAll(["{one}", "{other}"])',
        f"{at}.isEmpty()",
    ]
    return draw(st.sampled_from(forms))


def _depth(draw: Draw, at: str) -> str:
    inner = f"{at} has deep && {at}.deep"
    return draw(st.sampled_from([_long(draw, f"{at}.depth"), inner, f"!({inner})"]))


ARGUMENTS = {
    "amount": Argument({"type": "integer"}, [*range(-2, 7)], _long),
    "bounded": Argument(
        {"type": "integer", "minimum": 1, "exclusiveMaximum": 4}, [1, 2, 3], _long
    ),
    "level": Argument({"enum": [1, 3, None]}, [1, 3, None], _long),
    "ratio": Argument({"type": "number"}, [0, 0.5, 0.75, 1, 1.25, 1.5, 1.75, 2, 3], _decimal),
    "env": Argument({"type": "string", "enum": ["a", "b", "ab"]}, ["a", "b", "ab"], _text),
    "note": Argument({"type": "string"}, TEXTS, _text),
    "flag": Argument({"type": "boolean"}, [True, False], lambda _draw, at: at),
    "sure": Argument({"type": "boolean", "const": True}, [True], lambda _draw, at: at),
    "tags": Argument(
        {"type": "array", "items": {"type": "string", "enum": ["x", "y"]}},
        [[], ["x"], ["y"], ["x", "y"]],
        _set,
    ),
    "names": Argument(
        {"type": "array", "items": {"type": "string"}},
        [list(some) for n in range(4) for some in product("xyzw", repeat=n) if sorted(set(some)) == list(some)],
        _set,
    ),
    "options": Argument(
        {
            "type": "object",
            "properties": {"depth": {"type": "integer"}, "deep": {"type": "boolean"}},
            "required": ["depth"],
        },
        [
            {"depth": depth, **deep}
            for depth in range(-2, 7)
            for deep in ({}, {"deep": True}, {"deep": False})
        ],
        _depth,
    ),
}  # fmt: skip


def nested(tests: st.SearchStrategy[str], most: int = 6) -> st.SearchStrategy[str]:
    """Conditions made of tests that hold by themselves, one within the other."""
    return st.recursive(
        tests.map(lambda one: f"({one})"),
        lambda inner: st.one_of(
            st.lists(inner, min_size=2, max_size=4).map(lambda some: f"({' && '.join(some)})"),
            st.tuples(inner, inner).map(lambda pair: f"({pair[0]} || {pair[1]})"),
            st.tuples(inner, inner, inner).map(
                lambda of: f"(if {of[0]} then {of[1]} else {of[2]})"
            ),
            inner.map(lambda one: f"!{one}"),
        ),
        max_leaves=most,
    )


class Subject:
    """A tool with some of the arguments, and policies about it."""

    def __init__(self, tool: Tool, text: str, values: Mapping[str, list[Any]]) -> None:
        self.tool = tool
        self.text = text
        self.values = values

    def __repr__(self) -> str:
        return f"{self.tool.input_schema}\n{self.text}"

    def calls(self) -> Iterator[dict[str, Any]]:
        """Every combination of arguments that makes a difference."""
        names = list(self.values)
        for chosen in product(*self.values.values()):
            pairs = zip(names, chosen, strict=True)
            yield {name: value for name, value in pairs if value is not ABSENT}


@st.composite
def subjects(draw: Draw, most: int = 3) -> Subject:
    """Random ones."""
    names = draw(st.lists(st.sampled_from(sorted(ARGUMENTS)), min_size=1, max_size=most, unique=True))  # fmt: skip
    needed = [name for name in names if name != "level" and draw(st.booleans())]
    tool = a_tool(
        schema={
            "type": "object",
            "properties": {name: ARGUMENTS[name].schema for name in names},
            "required": needed,
        }
    )
    count = draw(st.integers(1, 4))
    text = "\n".join(_policy(draw, names, needed, is_permit=n == 0) for n in range(count))
    values = {name: ARGUMENTS[name].values + ([] if name in needed else [ABSENT]) for name in names}
    return Subject(tool, text, values)


def _policy(draw: Draw, names: list[str], needed: list[str], *, is_permit: bool) -> str:
    effect = "permit" if is_permit or draw(st.booleans()) else "forbid"
    kinds = draw(st.lists(st.sampled_from(["when", "unless"]), max_size=2))
    conditions = [f"{kind} {{ {expression(draw, names, needed, 2)} }}" for kind in kinds]
    return f"{effect}(principal, action, resource) {' '.join(conditions)};"


def expression(draw: Draw, names: list[str], needed: list[str], depth: int) -> str:
    """A condition over some arguments; those that need not be there are asked for first."""
    form = draw(st.sampled_from(["test"] * 4 + ["&&", "||", "!", "if"])) if depth else "test"
    if form == "test":
        return _test(draw, draw(st.sampled_from(names)), needed)
    count = {"!": 1, "if": 3}.get(form, 2)
    parts = [expression(draw, names, needed, depth - 1) for _ in range(count)]
    if form == "!":
        return f"!({parts[0]})"
    if form == "if":
        return f"(if {parts[0]} then {parts[1]} else {parts[2]})"
    return f"({parts[0]} {form} {parts[1]})"


def _test(draw: Draw, name: str, needed: list[str]) -> str:
    at = f"context.input.{name}"
    test = ARGUMENTS[name].test(draw, at)
    if name in needed and draw(st.integers(0, 9)):
        return f"({test})"
    asked = f"context.input has {name}"
    # Where nobody asks whether it is there, the policy fits only if something before it did.
    forms = [*[f"({asked} && {test})"] * 5, asked, asked, f"(context.input has other && {test})"]
    return draw(st.sampled_from([*forms, f"({test})", f"({asked} || {test})"]))
