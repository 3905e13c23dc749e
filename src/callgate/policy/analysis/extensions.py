"""Cedar's extension functions (decimal, datetime, duration, ipaddr) over unknown values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from callgate.policy.analysis.literals import (
    DAY,
    LONG_MAX,
    LONG_MIN,
    UNITS,
    Malformed,
    address,
    decimal,
    duration,
    instant,
)
from callgate.policy.analysis.terms import (
    Number,
    Truth,
    Unsayable,
    at_most,
    between,
    conj,
    disj,
    floor_divided,
    less,
    negation,
    remainder,
    same,
    truncated,
)
from callgate.policy.analysis.values import Address, Scalar, Sort, Value

Outcome: TypeAlias = tuple[Value, Truth]  # the value, and whether there is an error instead


def constructed(function: str, text: str) -> Value | None:
    """The value of `decimal("1.5")` and the like; None where there is no such constructor."""
    try:
        match function:
            case "decimal":
                return Scalar(Sort.DECIMAL, decimal(text))
            case "datetime":
                return Scalar(Sort.DATETIME, instant(text))
            case "duration":
                return Scalar(Sort.DURATION, duration(text))
            case "ip":
                return known_address(*address(text))
    except Malformed as error:
        raise Unsayable(f"{function}: {error}") from None
    return None


def applied(function: str, values: list[Value]) -> Outcome:
    """What a function says of values. Raises Unsayable."""
    first, *rest = values
    if isinstance(first, Address):
        return _of_address(function, first, rest)
    if isinstance(first, Scalar) and all(isinstance(one, Scalar) for one in rest):
        others = [one for one in rest if isinstance(one, Scalar)]
        if first.sort is Sort.DATETIME:
            return _of_instant(function, first.term, others)
        if first.sort is Sort.DURATION and function in _UNIT_OF:
            return Scalar(Sort.LONG, truncated(first.term, UNITS[_UNIT_OF[function]])), False
        if first.sort is Sort.DECIMAL and function in _OF_DECIMALS and len(others) == 1:
            return _truth(_OF_DECIMALS[function](first.term, others[0].term)), False
    raise Unsayable(f"the function {function} is not known to the analysis")


def _of_address(function: str, first: Address, rest: list[Value]) -> Outcome:
    if function in _OF_ADDRESS:
        return _truth(_OF_ADDRESS[function](first)), False
    if function == "isInRange" and isinstance(rest[0], Address):
        return _truth(_is_in_range(first, rest[0])), False
    raise Unsayable(f"the function {function} is not known to the analysis")


def _of_instant(function: str, at: Number, rest: list[Scalar]) -> Outcome:
    match function, rest:
        case "offset", [Scalar(sort=Sort.DURATION, term=by)]:
            return checked(Sort.DATETIME, at + by)
        case "durationSince", [Scalar(sort=Sort.DATETIME, term=other)]:
            return checked(Sort.DURATION, at - other)
        case "toDate", []:
            return checked(Sort.DATETIME, floor_divided(at, DAY) * DAY)
        case "toTime", []:
            return Scalar(Sort.DURATION, remainder(at, DAY)), False
    raise Unsayable(f"the function {function} is not known to the analysis")


def checked(sort: Sort, number: Number) -> Outcome:
    """A number that is an error beyond 64 bits."""
    return Scalar(sort, number), negation(between(LONG_MIN, number, LONG_MAX))


def _truth(truth: Truth) -> Scalar:
    return Scalar(Sort.BOOL, truth)


_UNIT_OF = {
    "toDays": "d",
    "toHours": "h",
    "toMinutes": "m",
    "toSeconds": "s",
    "toMilliseconds": "ms",
}
_OF_DECIMALS: Mapping[str, Callable[[Number, Number], Truth]] = {
    "lessThan": less,
    "lessThanOrEqual": at_most,
    "greaterThan": lambda left, right: less(right, left),
    "greaterThanOrEqual": lambda left, right: at_most(right, left),
}


def known_address(is_v6: bool, number: int, prefix: int) -> Address:
    """An address that is known, and its range."""
    size = 2 ** ((128 if is_v6 else 32) - prefix)
    low = number // size * size
    return Address(is_v6=is_v6, number=number, prefix=prefix, low=low, high=low + size - 1)


def _is_in_range(inner: Address, outer: Address) -> Truth:
    return conj(
        same(inner.is_v6, outer.is_v6),
        at_most(outer.low, inner.low),
        at_most(inner.high, outer.high),
    )


def _within(v4: str, v6: str) -> Callable[[Address], Truth]:
    ranges = [constructed("ip", text) for text in (v4, v6)]
    return lambda one: disj(
        *(_is_in_range(one, outer) for outer in ranges if isinstance(outer, Address))
    )


_OF_ADDRESS: Mapping[str, Callable[[Address], Truth]] = {
    "isIpv4": lambda one: negation(one.is_v6),
    "isIpv6": lambda one: one.is_v6,
    "isLoopback": _within("127.0.0.0/8", "::1/128"),
    "isMulticast": _within("224.0.0.0/4", "ff00::/8"),
}
