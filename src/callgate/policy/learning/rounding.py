"""Numbers as Cedar writes them, and ranges that are rounded outwards, never inwards."""

from __future__ import annotations

from decimal import Decimal

from callgate.policy.exact import DECIMAL_MAX, LONG_MAX, LONG_MIN
from callgate.policy.learning.quoting import literal
from callgate.policy.learning.summaries import Range
from callgate.policy.shapes import Kind


def number(kind: Kind, value: Decimal | int) -> str:
    """A literal of the kind."""
    if kind is Kind.LONG:
        return literal(kind, int(value))
    text = format(Decimal(value), "f")
    return literal(kind, text if "." in text else f"{text}.0")


def outwards(kind: Kind, seen: Range) -> tuple[Decimal | int, Decimal | int]:
    """The range with its ends rounded to 1, 2 or 5 times a power of ten, away from each other."""
    assert seen.least is not None and seen.most is not None  # noqa: S101 - the caller has looked
    low, high = down(Decimal(seen.least)), up(Decimal(seen.most))
    if kind is Kind.LONG:
        return max(int(low), LONG_MIN), min(int(high), LONG_MAX)
    return max(low, -DECIMAL_MAX), min(high, DECIMAL_MAX)


def up(value: Decimal) -> Decimal:
    """The next such number from there on."""
    if value <= 0:
        return -down(-value)
    power = Decimal(1).scaleb(value.adjusted())
    return next(step * power for step in (1, 2, 5, 10) if step * power >= value)


def down(value: Decimal) -> Decimal:
    """The last such number up to there."""
    if value <= 0:
        return -up(-value) if value else value
    power = Decimal(1).scaleb(value.adjusted())
    return next(step * power for step in (5, 2, 1) if step * power <= value)
