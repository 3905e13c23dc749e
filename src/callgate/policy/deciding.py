"""What of the policies in scope can still turn a decision at one tool, once its types are known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from callgate.model import Json, Value
from callgate.policy.expressions import Chain, Expression, chain_of, context_chains, operands_of
from callgate.policy.hoisting import raised
from callgate.policy.schema import Kind, Shape
from callgate.policy.source import Policy

_EVERYTHING: dict[str, Json] = {"op": "All"}
_SAFE = frozenset(
    ("Value", "Var", "Set", "&&", "||", "!", "==", "!=", "<", "<=", ">", ">=", "in", "is", "has",
     ".", "like", "contains", "containsAll", "containsAny", "isEmpty", "if-then-else", "decimal",
     "ip", "lessThan", "lessThanOrEqual", "greaterThan", "greaterThanOrEqual", "isInRange")
)  # fmt: skip
_OF_TEXT = frozenset({"decimal", "ip"})  # of a literal only: then validation has read it

DecidingKey = tuple[str, frozenset[tuple[int, int]], frozenset[Chain]]


class Deciding(Value):
    """A policy at one tool: what is left to evaluate of it, and what that reads."""

    policy: Policy
    conditions: tuple[dict[str, Json], ...]
    chains: frozenset[Chain]
    dropped: frozenset[tuple[int, int]] = frozenset()  # (condition, conjunct): always true ones
    records: frozenset[Chain] = frozenset()  # of the context, without which it reads it

    @classmethod
    def whole(cls, policy: Policy) -> Deciding:
        """All of a policy but its scope."""
        conditions = tuple(policy.est["conditions"])
        return cls(policy=policy, conditions=conditions, chains=frozenset(policy.chains))

    @property
    def key(self) -> DecidingKey:
        """The same for the same policy where the same is left of it."""
        return self.policy.id, self.dropped, self.records

    @property
    def est(self) -> dict[str, Json]:
        """In Cedar's JSON format, for requests that its scope is known to match."""
        return {
            "effect": self.policy.effect,
            "principal": _EVERYTHING,
            "action": _EVERYTHING,
            "resource": _EVERYTHING,
            "conditions": list(self.conditions),
        }


def deciding(policies: Iterable[Policy], context: Shape) -> tuple[Deciding, ...]:
    """The policies that can be satisfied or fail at a tool with this context.

    Each request is held to the tool's schema, by Cedar or as it is read, and records are closed. So
    `has` is true of an attribute that is required, and false of one that is not declared; and what
    stands behind a false conjunct is not evaluated.
    """
    found = (_at(policy, context) for policy in policies)
    return tuple(one for one in found if one is not None)


def without_levels(one: Deciding, records: frozenset[Chain]) -> Deciding:
    """The same for a context without these records."""
    conditions = tuple(
        condition | {"body": raised(_body(condition), records)} for condition in one.conditions
    )
    return replace(one, conditions=conditions, records=records)


def scopes_of(policies: Iterable[Policy]) -> Mapping[str, Json]:
    """Permits with the scopes of the policies and no condition, by id."""
    return {
        policy.id: {
            "effect": "permit",
            **{name: policy.est[name] for name in ("principal", "action", "resource")},
            "conditions": [],
        }
        for policy in policies
    }


def _at(policy: Policy, context: Shape) -> Deciding | None:
    """None where it is never satisfied, and never fails."""
    conditions: list[dict[str, Json]] = []
    dropped: list[tuple[int, int]] = []
    for number, condition in enumerate(policy.est["conditions"]):
        if condition["kind"] != "when":
            conditions.append(condition)
            continue
        left: list[Expression] = []
        for place, conjunct in enumerate(_conjuncts(condition["body"])):
            is_there = _is_there(conjunct, context)
            if is_there is False and _is_safe(conditions, left):
                return None
            if is_there:
                dropped.append((number, place))
            else:
                left.append(conjunct)
        if left:
            conditions.append({"kind": "when", "body": _joined(left)})
    if not dropped:
        return Deciding.whole(policy)
    return Deciding(
        policy=policy,
        conditions=tuple(conditions),
        chains=frozenset(chain for one in conditions for chain in context_chains(_body(one))),
        dropped=frozenset(dropped),
    )


def _is_safe(conditions: list[dict[str, Json]], conjuncts: list[Expression]) -> bool:
    """Whether nothing that is evaluated before a conjunct can fail."""
    before = [*map(_body, conditions), *conjuncts]
    return all(_cannot_fail(one) for one in before)


def _cannot_fail(expression: Expression) -> bool:
    """Whether no request of a tool for which it type-checks makes its evaluation fail.

    Only what is known here counts: no arithmetic, nothing that is made of a text, no attribute of
    an entity that a policy names.
    """
    open_ones = [expression]
    while open_ones:
        one = open_ones.pop()
        operator = next(iter(one))
        if operator not in _SAFE:
            return False
        if operator == "." and chain_of(one) is None:
            return False
        if operator in _OF_TEXT and any("Value" not in operand for operand in operands_of(one)):
            return False
        open_ones += operands_of(one)
    return True


def _body(condition: dict[str, Json]) -> Expression:
    body = condition["body"]
    assert isinstance(body, dict)  # noqa: S101 - Cedar's own format
    return body


def _conjuncts(expression: Expression) -> list[Expression]:
    """The parts of `a && b && c`, however it is bracketed, in the order of evaluation."""
    found: list[Expression] = []
    open_ones = [expression]
    while open_ones:
        one = open_ones.pop()
        operands = one.get("&&")
        if isinstance(operands, dict):
            open_ones += (operands["right"], operands["left"])
        else:
            found.append(one)
    return found


def _joined(conjuncts: list[Expression]) -> Expression:
    joined = conjuncts[0]
    for conjunct in conjuncts[1:]:
        joined = {"&&": {"left": joined, "right": conjunct}}
    return joined


def _is_there(conjunct: Expression, context: Shape) -> bool | None:
    """What `context.a.b has c` is of every request of the tool; None where that depends on it."""
    operands = conjunct.get("has")
    if not isinstance(operands, dict):
        return None
    chain = chain_of(conjunct)
    if chain is None:
        return None
    shape = context
    for name in chain[:-1]:
        field = shape.fields.get(name) if shape.kind is Kind.RECORD else None
        if field is None or not field.is_required:
            return None
        shape = field.shape
    if shape.kind is not Kind.RECORD:
        return None
    field = shape.fields.get(chain[-1])
    if field is None:
        return False
    return True if field.is_required else None
