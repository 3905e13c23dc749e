"""What is known folds: the solver gets only what is open."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callgate.policy.analysis import terms
from callgate.policy.analysis.solving import Answer, Solver


def test_truths_fold() -> None:
    open_one = terms.truth_variable("open")

    assert terms.conj(True, open_one, False) is False
    assert terms.disj(False, True, open_one) is True
    assert terms.conj(True, open_one) is open_one
    assert terms.conj() is True and terms.disj() is False
    assert terms.implies(False, open_one) is True
    assert terms.same(open_one, open_one) is True
    assert terms.same(3, 3) is True and terms.same(3, 4) is False
    assert terms.pick(True, 1, 2) == 1
    assert terms.pick(open_one, 5, 5) == 5


@settings(deadline=None)
@given(st.integers(-1000, 1000), st.integers(1, 50))
def test_division_rounds_as_machines_and_calendars_do(number: int, by: int) -> None:
    unknown = terms.number_variable("number")
    for function in (terms.floor_divided, terms.remainder, terms.truncated):
        known = function(number, by)
        solver = Solver([terms.same(unknown, number)], 5.0)
        assert solver.ask([terms.negation(terms.same(function(unknown, by), known))]) is Answer.NO
    assert terms.truncated(number, by) == int(number / by)
    assert terms.floor_divided(number, by) == number // by


def test_what_the_solver_leaves_open_is_not_taken_for_a_value() -> None:
    with pytest.raises(terms.Unsayable):
        terms.known(terms.number_variable("open"))
