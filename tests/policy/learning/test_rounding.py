"""Rounding outwards takes in all that it is given, and little more."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.policy.exact import DECIMAL_MAX, LONG_MAX, LONG_MIN
from callgate.policy.learning.rounding import down, number, outwards, up
from callgate.policy.learning.summaries import Range
from callgate.policy.shapes import Kind

LONGS = st.integers(LONG_MIN, LONG_MAX)
DECIMALS = st.decimals(-DECIMAL_MAX, DECIMAL_MAX, places=4)


@pytest.mark.parametrize(
    ("value", "below", "above"),
    [("0", "0", "0"), ("1", "1", "1"), ("3", "2", "5"), ("7", "5", "10"), ("480", "200", "500"),
     ("0.3", "0.2", "0.5"), ("-3", "-5", "-2"), ("-10", "-10", "-10")],
)  # fmt: skip
def test_ends_are_one_two_or_five_times_a_power_of_ten(value: str, below: str, above: str) -> None:
    assert (down(Decimal(value)), up(Decimal(value))) == (Decimal(below), Decimal(above))


@given(st.one_of(st.lists(LONGS, min_size=1), st.lists(DECIMALS, min_size=1)))
def test_a_rounded_range_has_all_that_was_seen_and_fits_cedar(values: list[Decimal | int]) -> None:
    kind = Kind.LONG if isinstance(values[0], int) else Kind.DECIMAL
    seen = Range()
    for value in values:
        seen.add(value)

    low, high = outwards(kind, seen)

    assert low <= min(values) and max(values) <= high
    limits = (LONG_MIN, LONG_MAX) if kind is Kind.LONG else (-DECIMAL_MAX, DECIMAL_MAX)
    assert limits[0] <= low and high <= limits[1]


def test_numbers_are_written_as_their_kind_is() -> None:
    assert number(Kind.LONG, Decimal("1E+2")) == "100"
    assert number(Kind.DECIMAL, Decimal("1E+2")) == 'decimal("100.0")'
    assert number(Kind.DECIMAL, Decimal("0.0001")) == 'decimal("0.0001")'
