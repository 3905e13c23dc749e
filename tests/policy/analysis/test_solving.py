"""The solver: yes with a request, no with a reason, or no answer in time."""

from callgate.policy.analysis.solving import Answer, Solver
from callgate.policy.analysis.terms import (
    at_most,
    between,
    less,
    negation,
    number_variable,
    same,
    truth_variable,
)

N, M, K = (number_variable(name) for name in "nmk")


def test_a_yes_comes_with_what_is_unknown() -> None:
    solver = Solver([at_most(0, N)], 5.0)

    assert solver.ask([less(N, 1)]) is Answer.YES
    assert solver.found().value(N) == 0
    assert solver.found().holds(less(N, 5))
    assert solver.queries == 1


def test_a_no_names_what_ruled_it_out() -> None:
    solver = Solver([at_most(0, N)], 5.0)
    named = {"negative": less(N, 0), "small": less(N, 100), "other": truth_variable("other")}

    assert solver.ask([], named) is Answer.NO
    assert solver.core == {"negative"}
    assert solver.ask([], {"never": False, "small": less(N, 100)}) is Answer.NO
    assert solver.core == {"never"}


def test_questions_do_not_stay_with_the_solver() -> None:
    solver = Solver([], 5.0)

    assert solver.ask([same(N, 1)]) is Answer.YES
    assert solver.ask([same(N, 2)]) is Answer.YES
    assert solver.ask([same(N, 1), same(N, 2)]) is Answer.NO


def test_a_question_that_takes_too_long_stays_open() -> None:
    cubes = N * N * N + M * M * M + K * K * K
    solver = Solver([between(-100_000, one, 100_000) for one in (N, M, K)], 0.1)

    assert solver.ask([same(cubes, 33)]) is Answer.OPEN


def test_wishes_that_cannot_come_true_are_left_out() -> None:
    solver = Solver([at_most(10, N)], 5.0)

    found = solver.plainest([negation(same(N, 12))], [less(N, 5), same(M, 7), at_most(N, 10)])

    assert found is not None
    assert (found.value(N), found.value(M)) == (10, 7)


def test_nothing_is_found_where_there_is_nothing() -> None:
    assert Solver([same(N, 1)], 5.0).plainest([same(N, 2)], []) is None
