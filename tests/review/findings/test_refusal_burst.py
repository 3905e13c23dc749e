"""Many refusals close together stand out; single ones and slips do not."""

from callgate.review.finding import Severity
from fakes.steps import a_step, found_in, refused


def test_five_refusals_within_two_minutes_are_a_burst() -> None:
    steps = [refused("shop___refund", {"amount": 900 - n}) for n in range(6)]
    (found,) = found_in("refusal_burst", [a_step("a___b"), *steps, a_step("a___b")])

    assert found.severity is Severity.NOTICE
    assert found.sentence == "6 calls were refused within 50 seconds: shop___refund (6)."
    assert [place.step for place in found.places] == [2, 3, 4, 5, 6, 7]


def test_of_many_tools_it_is_a_search_for_an_open_door() -> None:
    (found,) = found_in("refusal_burst", [refused(f"x___t{n % 4}") for n in range(8)])

    assert found.severity is Severity.WARNING
    assert len(found.places) == 8


def test_two_bursts_are_two_findings() -> None:
    far = [a_step("a___b") for _ in range(30)]
    steps = [refused("x___y") for _ in range(5)]

    assert [len(one.places) for one in found_in("refusal_burst", [*steps, *far, *steps])] == [5, 5]


def test_few_or_slow_refusals_and_slips_are_none() -> None:
    assert not found_in("refusal_burst", [refused("x___y") for _ in range(4)])
    assert not found_in("refusal_burst", [refused("x___y") for _ in range(8)], every=60)
    assert not found_in(
        "refusal_burst", [refused("x___y", code="invalid_arguments") for _ in range(9)]
    )
