"""After a result was kept back, other ways to the same are told."""

from callgate.review.finding import Severity
from fakes.steps import a_step, found_in

KEPT = a_step("db___query", {"sql": "select ssn"}, code="result_withheld", is_delivered=False)


def test_variations_after_a_result_was_kept_back_are_found() -> None:
    steps = [
        KEPT,
        a_step("db___query", {"sql": "select reverse(ssn)"}),
        a_step("db___query", {"sql": "select hex(ssn)"}, code="result_withheld"),
    ]
    (found,) = found_in("retries_after_withholding", steps)

    assert found.severity is Severity.WARNING
    assert found.sentence == (
        "After a result of db___query was kept back, it was called 2 times with other arguments; "
        "1 of the results were delivered."
    )
    assert [place.step for place in found.places] == [1, 2, 3]


def test_where_none_came_through_it_is_a_notice() -> None:
    others = [a_step("db___query", {"sql": f"select {n}"}, code="result_withheld") for n in range(3)]  # fmt: skip
    (found,) = found_in("retries_after_withholding", [KEPT, *others])

    assert found.severity is Severity.NOTICE


def test_the_same_again_other_tools_and_what_came_before_are_none() -> None:
    assert not found_in("retries_after_withholding", [KEPT, KEPT, KEPT])
    assert not found_in("retries_after_withholding", [KEPT, *[a_step("db___tables", {"n": n}) for n in range(4)]])  # fmt: skip
    assert not found_in("retries_after_withholding", [*[a_step("db___query", {"sql": str(n)}) for n in range(4)], KEPT])  # fmt: skip
