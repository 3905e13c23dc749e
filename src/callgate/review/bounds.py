"""The greatest numbers that policies let through: what calls may stay just within."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal

from callgate.model import Tool
from callgate.policy.candidates import STEP, Said
from callgate.policy.expressions import Expression, chain_of, operands_of
from callgate.policy.names import Names
from callgate.policy.source import SHADOW, Policy
from callgate.review.finding import Bound

_TESTS = {  # whether what is left of it is the less, and whether both may be the same
    "<": (True, False),
    "<=": (True, True),
    ">": (False, False),
    ">=": (False, True),
    "lessThan": (True, False),
    "lessThanOrEqual": (True, True),
    "greaterThan": (False, False),
    "greaterThanOrEqual": (False, True),
}
_LONGS = ("<", "<=", ">", ">=")


def bounds_of(policies: Iterable[Policy], names: Names, tools: Iterable[Tool]) -> tuple[Bound, ...]:
    """Of arguments of these tools: each number once, with the first policy that says it."""
    found: dict[tuple[str, tuple[str, ...], float], Bound] = {}
    known = list(tools)
    for policy in policies:
        maxima = list(_maxima(policy)) if policy.mode != SHADOW else []
        for tool in known if maxima else ():
            if not names.action_of(tool).meets(policy.action):
                continue
            for path, number in maxima:
                key = (tool.qualified_name, path, number)
                found.setdefault(
                    key,
                    Bound(policy=policy.id, tool=tool.qualified_name, path=path, number=number),
                )
    return tuple(found.values())


def _maxima(policy: Policy) -> Iterator[tuple[tuple[str, ...], float]]:
    """What must be at most so much for a permit to apply, or a forbid not to."""
    for condition in policy.est["conditions"]:
        wanted = (policy.effect == "permit") is (condition["kind"] == "when")
        yield from _in(condition["body"], wanted)


def _in(expression: Expression, wanted: bool) -> Iterator[tuple[tuple[str, ...], float]]:
    """`wanted`: whether the expression must be true for the call to go through."""
    open_ones = [(expression, wanted)]
    while open_ones:
        one, is_wanted = open_ones.pop()
        operator = next(iter(one))
        if operator == "!":
            open_ones.append((one["!"]["arg"], not is_wanted))
        elif operator in ("&&", "||"):
            open_ones.extend((part, is_wanted) for part in operands_of(one))
        else:
            found = _maximum(one, is_wanted)
            if found is not None:
                yield found


def _maximum(atom: Expression, is_wanted: bool) -> tuple[tuple[str, ...], float] | None:
    """The argument and the greatest value that passes; None where the test sets no maximum."""
    operator, operands = next(iter(atom.items()))
    if operator not in _TESTS:
        return None
    left, right = operands.values() if isinstance(operands, dict) else operands
    is_below, includes = _TESTS[operator]
    if not chain_of(left):
        left, right, is_below = right, left, not is_below
    chain, number = chain_of(left), _number(right)
    if not chain or chain[0] != "input" or number is None or is_below is not is_wanted:
        return None
    if includes is not is_wanted:
        number -= Decimal(1) if operator in _LONGS else STEP
    return chain[1:], float(number)


def _number(expression: Expression) -> Decimal | None:
    """A number as it stands in a policy; None where it is computed, or something else."""
    if next(iter(expression)) not in ("Value", "decimal"):
        return None
    said = Said()
    said.read(expression)
    return next(iter(said.numbers), None)
