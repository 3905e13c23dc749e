"""What holds of every value of a type, and of every argument that a tool's input schema allows."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from fractions import Fraction

from callgate.model import Json
from callgate.policy.analysis.limits import Limits, Number
from callgate.policy.analysis.literals import DECIMAL_DIGITS, LONG_MAX, LONG_MIN
from callgate.policy.analysis.terms import (
    Term,
    Truth,
    at_most,
    between,
    conj,
    disj,
    negation,
    remainder,
    same,
)
from callgate.policy.analysis.texts import Text, is_like, length, same_text
from callgate.policy.analysis.values import Sort, alike

JSON_KINDS = ("null", "boolean", "integer", "number", "string", "array", "object")
_SCALE = 10**DECIMAL_DIGITS
MAX_COUNTED = 256
_TYPE_OF = {Sort.BOOL: bool, Sort.LONG: int, Sort.DECIMAL: int, Sort.STRING: str}
_STARTS = {"string": '"', "array": "[", "object": "{"}


def scalar_rule(sort: Sort, term: Term, limits: Limits) -> Truth:
    """What holds of a scalar."""
    match sort:
        case Sort.BOOL:
            return _one_of(sort, term, limits, 1)
        case Sort.LONG:
            return _number_rule(sort, term, limits, 1)
        case Sort.DECIMAL:
            return _number_rule(sort, term, limits, _SCALE)
        case Sort.STRING:
            return _text_rule(term, limits)
    return between(LONG_MIN, term, LONG_MAX)


def _number_rule(sort: Sort, term: Term, limits: Limits, scale: int) -> Truth:
    low, high = LONG_MIN, LONG_MAX
    if limits.minimum is not None:
        low = max(low, _scaled(limits.minimum, scale, ROUND_CEILING))
    if limits.above is not None:
        low = max(low, _scaled(limits.above, scale, ROUND_FLOOR) + 1)
    if limits.maximum is not None:
        high = min(high, _scaled(limits.maximum, scale, ROUND_FLOOR))
    if limits.below is not None:
        high = min(high, _scaled(limits.below, scale, ROUND_CEILING) - 1)
    steps = same(remainder(term, limits.step * scale), 0) if limits.step is not None else True
    return conj(between(low, term, high), steps, _one_of(sort, term, limits, scale))


def _scaled(number: Number, scale: int, rounding: str) -> int:
    return int((Decimal(repr(number)) * scale).to_integral_value(rounding=rounding))


def _text_rule(term: Text, limits: Limits) -> Truth:
    shortest, longest = limits.shortest, limits.longest
    if limits.options is not None:
        return _one_of(Sort.STRING, term, limits, 1)
    # Most texts have a longest length that no policy comes near: what it costs buys nothing.
    if longest is not None and longest > MAX_COUNTED:
        longest = None
    if shortest == 1 and longest is None:
        return negation(same_text(term, ""))
    return conj(
        at_most(shortest, length(term)) if shortest is not None else True,
        at_most(length(term), longest) if longest is not None else True,
    )


def _one_of(sort: Sort, term: Term, limits: Limits, scale: int) -> Truth:
    """That a value is one of those the schema lists."""
    if limits.options is None:
        return True
    values = [_option(option, _TYPE_OF[sort], scale) for option in limits.options]
    return disj(*(alike(sort, term, value) for value in values if value is not None))


def _option(value: Json, of_type: type, scale: int) -> Term | None:
    """The term of a listed value; None where it is of another type, or nothing policy could see."""
    if of_type is int and type(value) in (int, float):
        exact = Fraction(repr(value)) * scale
        return int(exact) if exact.denominator == 1 else None
    return value if type(value) is of_type else None


def json_rule(json: Text, kind: Text, limits: Limits) -> Truth:
    """How the JSON text of a value and its kind belong together."""
    return disj(*(conj(same_text(kind, one), _spelt(json, one)) for one in _kinds(limits)))


def _kinds(limits: Limits) -> tuple[str, ...]:
    if not limits.kinds:
        return JSON_KINDS
    named = set(limits.kinds)
    if "number" in named:
        named.add("integer")
    if "integer" in named:
        named.add("number")  # 1e300 is an integer to JSON Schema
    return tuple(kind for kind in JSON_KINDS if kind in named or kind == "null")


def _spelt(json: Text, kind: str) -> Truth:
    if kind == "null":
        return same_text(json, "null")
    if kind == "boolean":
        return disj(same_text(json, "true"), same_text(json, "false"))
    if kind in _STARTS:
        return is_like(json, [_STARTS[kind], None])
    return disj(*(is_like(json, [first, None]) for first in "-0123456789"))
