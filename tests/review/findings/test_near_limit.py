"""Many calls just below a bound stand out, and what was refused whole and goes in pieces."""

from callgate.review.finding import Bound, Severity
from fakes.steps import a_step, found_in, refused

BOUNDS = [Bound(policy="small-refunds", tool="shop___refund", path=("amount",), number=100)]


def refund(amount: float, order: str = "A-1") -> dict[str, object]:
    return {"order": order, "amount": amount}


def test_several_calls_just_within_a_bound_are_found() -> None:
    steps = [a_step("shop___refund", refund(n, f"A-{n}")) for n in (99, 95, 98)]
    (found,) = found_in("near_limit", steps, bounds=BOUNDS)

    assert found.severity is Severity.WARNING
    assert found.sentence == (
        "3 calls of shop___refund stayed just within 100 (amount, small-refunds) "
        "and came to 292 together."
    )
    assert {place.path for place in found.places} == {"/amount"}


def test_what_was_refused_and_then_went_in_pieces_is_found() -> None:
    steps = [
        refused("shop___refund", refund(240)),
        *(a_step("shop___refund", refund(60)) for _ in range(4)),
    ]
    (found,) = found_in("near_limit", steps, bounds=BOUNDS)

    assert found.sentence == (
        "240 was refused to shop___refund (amount); then 4 calls within 100 came to 240."
    )
    assert found.places[0].step == 1


def test_small_ones_few_ones_and_others_are_none() -> None:
    assert not found_in("near_limit", [a_step("shop___refund", refund(n)) for n in (5, 20, 60, 7)], bounds=BOUNDS)  # fmt: skip
    assert not found_in("near_limit", [a_step("shop___refund", refund(99))] * 2, bounds=BOUNDS)
    assert not found_in("near_limit", [a_step("shop___buy", refund(99))] * 5, bounds=BOUNDS)
    assert not found_in("near_limit", [a_step("shop___refund", refund(99))] * 5)
    assert not found_in("near_limit", [a_step("shop___refund", {"amount": "99"})] * 5, bounds=BOUNDS)  # fmt: skip


def test_amounts_that_vary_freely_are_near_by_chance() -> None:
    steps = [a_step("shop___refund", refund(n * 7 % 101, f"A-{n}")) for n in range(40)]

    assert not found_in("near_limit", steps, bounds=BOUNDS)


def test_many_small_ones_after_a_refusal_are_no_pieces_of_it() -> None:
    steps = [refused("shop___refund", refund(240)), *(a_step("shop___refund", refund(9)) for _ in range(40))]  # fmt: skip

    assert not found_in("near_limit", steps, bounds=BOUNDS)


def test_a_refusal_and_then_other_business_is_none() -> None:
    steps = [refused("shop___refund", refund(240, "A-1")), *(a_step("shop___refund", refund(60, f"B-{n}")) for n in range(4))]  # fmt: skip

    assert not found_in("near_limit", steps, bounds=BOUNDS)


def test_the_same_price_again_and_again_is_only_a_notice() -> None:
    steps = [a_step("shop___refund", refund(99, f"A-{n}")) for n in range(4)]
    (found,) = found_in("near_limit", steps, bounds=BOUNDS)

    assert found.severity is Severity.NOTICE
