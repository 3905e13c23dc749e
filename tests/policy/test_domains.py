"""A domain holds what passed every test, and is gone where nothing does."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.policy.domains import OPPOSITES, Numbers, Sets, Texts
from callgate.policy.wildcards import Pattern, fits

NUMBERS = range(-3, 8)
NUMBER = st.integers(-3, 7)
NUMBER_TEST = st.one_of(
    st.tuples(st.sampled_from(["<=", ">="]), NUMBER),
    st.tuples(st.sampled_from(["in", "not in"]), st.frozensets(NUMBER, max_size=4)),
)
TEXTS = ["", "a", "b", "ab", "ba", "aab"]
PATTERNS: list[Pattern] = [("a", None), (None, "b"), (None,), ("a", "b")]
TEXT_TEST = st.one_of(
    st.tuples(st.sampled_from(["in", "not in"]), st.frozensets(st.sampled_from(TEXTS), max_size=4)),
    st.tuples(st.sampled_from(["like", "unlike"]), st.sampled_from(PATTERNS)),
)
ITEMS = ["x", "y", "z"]
SETS = [frozenset(item for n, item in enumerate(ITEMS) if mask >> n & 1) for mask in range(8)]
SET_TEST = st.one_of(
    st.tuples(st.sampled_from(["holds", "lacks"]), st.sampled_from(ITEMS)),
    st.tuples(st.sampled_from(["empty", "filled"]), st.none()),
)
PASSES: dict[str, Callable[[Any, Any], bool]] = {
    "<=": lambda value, operand: value <= operand,
    ">=": lambda value, operand: value >= operand,
    "in": lambda value, operand: value in operand,
    "not in": lambda value, operand: value not in operand,
    "like": fits,
    "unlike": lambda value, operand: not fits(value, operand),
    "holds": lambda value, operand: operand in value,
    "lacks": lambda value, operand: operand not in value,
    "empty": lambda value, _: not value,
    "filled": lambda value, _: bool(value),
}


def left(values: Iterable[Any], tests: list[tuple[str, Any]]) -> list[Any]:
    return [value for value in values if all(PASSES[op](value, operand) for op, operand in tests)]


def met(domain: Any, tests: list[tuple[str, Any]]) -> Any:
    for operator, operand in tests:
        domain = domain.met(operator, operand) if domain is not None else None
    return domain


@given(st.lists(NUMBER_TEST, max_size=5))
def test_numbers(tests: list[tuple[str, Any]]) -> None:
    domain = met(Numbers(-3, 7), tests)

    assert [n for n in NUMBERS if domain is not None and domain.has(n)] == left(NUMBERS, tests)
    assert (domain is None) is (not left(NUMBERS, tests))


@given(st.lists(TEXT_TEST, max_size=5))
def test_texts(tests: list[tuple[str, Any]]) -> None:
    domain = met(Texts(frozenset(TEXTS)), tests)
    unbounded = met(Texts(), tests)

    found = left(TEXTS, tests)
    assert [text for text in TEXTS if domain is not None and domain.has(text)] == found
    assert (domain is None) is (not found)
    assert [text for text in TEXTS if unbounded is not None and unbounded.has(text)] == found
    assert not found or unbounded.is_settled


@given(st.lists(SET_TEST, max_size=5), st.frozensets(st.sampled_from(ITEMS), min_size=1))
def test_sets(tests: list[tuple[str, Any]], allowed: frozenset[str]) -> None:
    domain = met(Sets(Texts(allowed)), tests)

    possible = left([one for one in SETS if one <= allowed], tests)
    assert (domain is None) is (not possible)


@pytest.mark.parametrize("operator", OPPOSITES)
def test_opposites_leave_nothing_together(operator: str) -> None:
    domain: Any = Sets(Texts()) if operator in ("holds", "lacks", "empty", "filled") else Texts()
    operand: Any = {"in": frozenset({"a"}), "not in": frozenset({"a"}), "like": ("a",)}.get(
        operator, ("a",) if operator == "unlike" else "a"
    )

    both = met(domain, [(operator, operand), (OPPOSITES[operator], operand)])

    assert both is None or not both.is_settled
