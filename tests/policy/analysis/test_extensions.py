"""Extension functions: what is unknown to the analysis is said, never guessed."""

import pytest

from callgate.policy.analysis.extensions import applied, checked, constructed, known_address
from callgate.policy.analysis.literals import LONG_MAX
from callgate.policy.analysis.terms import Unsayable
from callgate.policy.analysis.values import Scalar, Sort


def test_constructors_make_values_of_texts() -> None:
    assert constructed("decimal", "1.5") == Scalar(Sort.DECIMAL, 15_000)
    assert constructed("duration", "1s") == Scalar(Sort.DURATION, 1000)
    assert constructed("datetime", "1970-01-02") == Scalar(Sort.DATETIME, 86_400_000)
    assert constructed("ip", "10.1.2.3/8") == known_address(False, 0x0A010203, 8)
    assert constructed("lessThan", "1.5") is None


@pytest.mark.parametrize("function", ["decimal", "datetime", "duration", "ip"])
def test_a_text_that_is_no_value_cannot_be_analysed(function: str) -> None:
    with pytest.raises(Unsayable, match=function):
        constructed(function, "nonsense")


def test_a_range_has_its_first_and_last_address() -> None:
    found = known_address(False, 0x0A010203, 16)

    assert (found.low, found.high) == (0x0A010000, 0x0A01FFFF)


def test_dates_are_floored_and_durations_truncated() -> None:
    before = Scalar(Sort.DATETIME, -1)

    assert applied("toDate", [before]) == (Scalar(Sort.DATETIME, -86_400_000), False)
    assert applied("toTime", [before]) == (Scalar(Sort.DURATION, 86_399_999), False)
    assert applied("toSeconds", [Scalar(Sort.DURATION, -1999)]) == (Scalar(Sort.LONG, -1), False)


def test_what_leaves_64_bits_is_an_error() -> None:
    last = Scalar(Sort.DATETIME, LONG_MAX)

    assert applied("offset", [last, Scalar(Sort.DURATION, 1)])[1] is True
    assert applied("durationSince", [last, Scalar(Sort.DATETIME, -1)])[1] is True
    assert checked(Sort.LONG, LONG_MAX)[1] is False


@pytest.mark.parametrize("value", [Scalar(Sort.DECIMAL, 1), known_address(True, 1, 128)])
def test_a_function_that_is_not_known_cannot_be_analysed(value: Scalar) -> None:
    with pytest.raises(Unsayable, match="toMoon"):
        applied("toMoon", [value])
