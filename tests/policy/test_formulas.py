"""What the search says cannot be, cannot be; and in bounded time it says something."""

from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callgate.policy.domains import Numbers
from callgate.policy.formulas import (
    All,
    Check,
    Formula,
    Presence,
    Some,
    State,
    both,
    checks_in,
    either,
    is_satisfiable,
)
from callgate.policy.leaves import Leaf
from callgate.policy.shapes import Kind

START = Numbers(0, 3)
PATHS = [("input", "a"), ("input", "b")]
OUTER = ("input", "o")
INNER = (*OUTER, "i")
LEAVES = {path: Leaf(path, Kind.LONG, None, (), START) for path in PATHS}
TEST = st.one_of(
    st.tuples(st.sampled_from(PATHS), st.sampled_from(["<=", ">="]), st.integers(-1, 4)),
    st.tuples(st.sampled_from(PATHS), st.sampled_from(["in", "not in"]), st.frozensets(st.integers(0, 3), max_size=3)),
).map(lambda parts: Check(LEAVES[parts[0]], START, parts[1], parts[2]))  # fmt: skip
PRESENCE = st.tuples(st.sampled_from([(OUTER, ()), (INNER, (OUTER,))]), st.booleans()).map(
    lambda parts: Presence(parts[0][0], parts[0][1], parts[1])
)
FORMULA = st.recursive(
    st.one_of(st.booleans(), TEST, PRESENCE),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map(lambda parts: both(*parts)),
        st.lists(inner, max_size=4).map(lambda parts: either(*parts)),
    ),
    max_leaves=12,
)


def holds(formula: Formula, values: dict[Any, int], there: dict[Any, bool]) -> bool:
    if isinstance(formula, bool):
        return formula
    if isinstance(formula, All):
        return all(holds(part, values, there) for part in formula.parts)
    if isinstance(formula, Some):
        return any(holds(option, values, there) for option in formula.options)
    if isinstance(formula, Presence):
        return there[formula.gate] is formula.is_there and all(there[g] for g in formula.outer)
    domain = formula.start.met(formula.operator, formula.operand)
    return isinstance(domain, Numbers) and domain.has(values[formula.leaf.path])


@settings(max_examples=500)
@given(st.lists(FORMULA, max_size=4))
def test_a_formula_is_satisfiable_just_where_some_values_satisfy_it(goals: list[Formula]) -> None:
    found = any(
        all(holds(goal, dict(zip(PATHS, numbers, strict=True)), there) for goal in goals)
        for numbers in product(range(4), repeat=2)
        for there in ({OUTER: o, INNER: i and o} for o in (True, False) for i in (True, False))
    )

    assert is_satisfiable(goals) is found


def test_a_state_to_start_from_is_kept_to_and_not_changed() -> None:
    state = State({PATHS[0]: Numbers(2, 3)}, {OUTER: False})

    assert is_satisfiable([Check(LEAVES[PATHS[0]], START, ">=", 3)], state)
    assert not is_satisfiable([Check(LEAVES[PATHS[0]], START, "<=", 1)], state)
    assert not is_satisfiable([Presence(INNER, (OUTER,), True)], state)
    assert (state.values, state.there) == ({PATHS[0]: Numbers(2, 3)}, {OUTER: False})


def test_where_it_takes_too_long_it_is_said_to_be_satisfiable() -> None:
    """Pigeons: more of them than holes, which takes a search of every arrangement."""
    leaves = [Leaf(("input", str(n)), Kind.BOOL, None, (), Numbers(0, 1)) for n in range(72)]

    def at(pigeon: int, hole: int, *, is_there: bool) -> Check:
        leaf = leaves[pigeon * 8 + hole]
        return Check(leaf, Numbers(0, 1), "in" if is_there else "not in", frozenset({1}))

    goals: list[Formula] = [either(*(at(p, h, is_there=True) for h in range(8))) for p in range(9)]
    goals += [
        either(at(p, h, is_there=False), at(q, h, is_there=False))
        for h in range(8)
        for p in range(9)
        for q in range(p)
    ]

    assert is_satisfiable(goals, steps=2_000)


@pytest.mark.parametrize(
    ("made", "expected"),
    [(both(), True), (either(), False), (both(True, False), False), (either(True, False), True)],
)
def test_constants_fold(made: Formula, expected: bool) -> None:
    assert made is expected


def test_each_test_of_a_formula_is_named_once_though_parts_are_shared() -> None:
    one, other = (Check(LEAVES[path], START, "<=", 1) for path in PATHS)
    shared = either(one, other)

    found = checks_in(both(shared, either(both(shared, one), other)))
    paths = [check.leaf.path for check in found if isinstance(check, Check)]
    assert sorted(paths) == [PATHS[0], PATHS[0], PATHS[1], PATHS[1]]
