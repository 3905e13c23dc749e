"""Ids that are counted up or guessed stand out; lists that are worked through do not."""

import secrets

from callgate.review.finding import Severity
from fakes.steps import a_step, found_in, structured


def test_ids_that_are_counted_up_are_found() -> None:
    steps = [a_step("crm___get", {"id": f"C-{n:04}", "full": True}) for n in range(17, 24)]
    (found,) = found_in("enumeration", [a_step("a___b"), *steps])

    assert found.sentence == "crm___get was called with /id counted from C-0017 to C-0023."
    assert found.severity is Severity.NOTICE
    assert {place.path for place in found.places} == {"/id"}


def test_where_most_come_to_nothing_it_is_a_warning() -> None:
    steps = [a_step("crm___get", {"id": n}, is_failed=n % 4 > 0) for n in range(40, 48)]
    (found,) = found_in("enumeration", steps)

    assert found.severity is Severity.WARNING
    assert found.sentence.endswith("6 of these calls came to nothing.")


def test_counting_down_counts_too() -> None:
    assert found_in("enumeration", [a_step("crm___get", {"id": 90 - n}) for n in range(5)])


def test_many_values_that_nothing_had_listed_are_guesses() -> None:
    steps = [a_step("crm___get", {"code": secrets.token_hex(4)}) for _ in range(25)]
    (found,) = found_in("enumeration", steps)

    assert "25 different values of /code" in found.sentence


def test_a_list_that_is_worked_through_is_none() -> None:
    ids = [f"C-{n:07}" for n in range(1, 31)]
    steps = [a_step("crm___list", {}, structured(ids=ids))]
    steps += [a_step("crm___get", {"id": one}) for one in ids]

    assert not found_in("enumeration", steps)


def test_pages_lines_and_written_texts_are_none() -> None:
    assert not found_in("enumeration", [a_step("x___y", {"page": n}) for n in range(30)])
    assert not found_in("enumeration", [a_step("x___y", {"lineOffset": n}) for n in range(30)])
    assert not found_in(
        "enumeration", [a_step("x___search", {"q": f"how to do {n * n} things"}) for n in range(30)]
    )
    assert not found_in("enumeration", [a_step("x___y", {"id": n * n}) for n in range(12)])
