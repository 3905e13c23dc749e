"""Why a verdict is as it is, found by evaluation: each policy and clause is asked of Cedar."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cedarpy

from callgate.model import Json, Value, Verdict
from callgate.policy.account import (
    Account,
    Clause,
    ClauseAccount,
    NearMiss,
    PolicyAccount,
    State,
)
from callgate.policy.answers import Answer
from callgate.policy.expressions import Chain, chain_of, operands_of
from callgate.policy.preview import documented
from callgate.policy.source import SHADOW, Policy

MAX_VALUE_CHARACTERS = 200

_ANY = {"op": "All"}


@dataclass(frozen=True, slots=True)
class Inquiry:
    """Everything that is asked about decisions with the same policies in scope; made once."""

    active: tuple[Policy, ...]  # in scope, and decided
    shadows: tuple[Policy, ...]  # in scope, and only watched
    others: tuple[Policy, ...]  # permits for this tool that are for other principals
    clauses: Mapping[str, Sequence[Clause]]  # policy id → its clauses
    handle: cedarpy.PolicySet

    @classmethod
    def into(
        cls,
        active: tuple[Policy, ...],
        shadows: tuple[Policy, ...],
        others: tuple[Policy, ...],
    ) -> Inquiry:
        """The inquiry into some policies: each, and each of its clauses, is asked by itself."""
        clauses = {policy.id: policy.clauses for policy in (*active, *shadows)}
        probes = dict(_probes((*active, *shadows), clauses))
        probes |= {_whole(other): {**other.est, "principal": _ANY} for other in others}
        return cls(active, shadows, others, clauses, documented(probes))

    @property
    def policies(self) -> tuple[Policy, ...]:
        """All of them."""
        return (*self.active, *self.shadows, *self.others)


class Scene(Value):
    """One decision to account for."""

    verdict: Verdict
    answer: Answer  # to the inquiry's handle, in that decision's place
    context: Mapping[str, Json]  # in Cedar's JSON form
    principal: Mapping[str, Json]  # its entity: attrs, tags and parents


def account(inquiry: Inquiry, scene: Scene) -> Account:
    """The account of a decision."""
    reader = _Reader(scene)
    told = [
        _told(policy, inquiry.clauses[policy.id], scene.answer, reader)
        for policy in (*inquiry.active, *inquiry.shadows)
    ]
    told.sort(key=lambda one: (_rank(one, scene.verdict), one.effect, one.policy))
    near = () if scene.verdict.is_permitted else tuple(_near(inquiry, told, scene.answer))
    return Account(verdict=scene.verdict, policies=tuple(told), near=near)


def _rank(one: PolicyAccount, verdict: Verdict) -> int:
    """Failures come first, then what decided."""
    if one.state is State.FAILED and one.mode != SHADOW:
        return 0
    return 1 if one.policy in verdict.policies else 2


def _probes(
    policies: Sequence[Policy], taken_apart: Mapping[str, Sequence[Clause]]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each policy as a permit, and each of its clauses as another: permits are all told of."""
    for policy in policies:
        yield _whole(policy), {**policy.est, "effect": "permit"}
        for clause in taken_apart[policy.id]:
            yield _probe(policy, clause), _only(clause)


def _whole(policy: Policy) -> str:
    return f"p:{policy.id}"


def _probe(policy: Policy, clause: Clause) -> str:
    return f"c{clause.number}:{policy.id}"


def _only(clause: Clause) -> dict[str, Any]:
    """A permit for whomever the clause holds."""
    conditions = [{"kind": clause.kind, "body": clause.est}]
    return {
        "effect": "permit",
        "principal": _ANY,
        "action": _ANY,
        "resource": _ANY,
        "conditions": conditions,
    }


def _told(
    policy: Policy, clauses: Sequence[Clause], answer: Answer, reader: _Reader
) -> PolicyAccount:
    own = _whole(policy)
    state = State.UNSATISFIED
    if own in answer.reasons:
        state = State.SATISFIED
    elif own in answer.failed:
        state = State.FAILED
    told, is_over = [], False
    for clause in clauses:
        name = _probe(policy, clause)
        holds = True if name in answer.reasons else None if name in answer.failed else False
        error = answer.failed.get(name, "") if not is_over else ""
        told.append(
            ClauseAccount(clause=clause, holds=holds, values=reader.values(clause), error=error)
        )
        is_over = is_over or not holds  # Cedar looks at what comes after only in its own right
    return PolicyAccount(
        policy=policy.id,
        source=policy.source,
        line=policy.line,
        effect=policy.effect,
        mode=policy.mode,
        state=state,
        clauses=tuple(told),
    )


def _near(inquiry: Inquiry, told: Sequence[PolicyAccount], answer: Answer) -> Iterator[NearMiss]:
    """What would flip a refusal: one clause of a permit, one forbid, or another group.

    Where nothing failed, a permit decides once all its clauses hold and no forbid does; and one
    forbid alone stands against a permit that applies.
    """
    active = [one for one in told if one.mode != SHADOW]
    if any(one.state is State.FAILED for one in active):
        return
    applying = [one for one in active if one.state is State.SATISFIED]
    forbids = [one for one in applying if one.effect == "forbid"]
    if not forbids:
        yield from _missing(active)
        for policy in inquiry.others:
            if _whole(policy) in answer.reasons:
                yield NearMiss(policy=policy.id, change=_other_principal(policy))
    elif len(forbids) == 1 and len(applying) > 1:
        yield from _not_forbidden(forbids[0])


def _missing(active: Sequence[PolicyAccount]) -> Iterator[NearMiss]:
    """Permits that a single clause keeps from applying."""
    for one in active:
        missing = [part.clause for part in one.clauses if part.holds is not True]
        if one.effect == "permit" and len(missing) == 1:
            yield NearMiss(policy=one.policy, change=_needed(missing[0]), clause=missing[0])


def _needed(clause: Clause) -> str:
    return clause.text if clause.kind == "when" else f"not ({clause.text})"


def _not_forbidden(one: PolicyAccount) -> Iterator[NearMiss]:
    """Any clause of a forbid, turned round, keeps it from applying."""
    for part in one.clauses:
        clause = part.clause
        change = f"not ({clause.text})" if clause.kind == "when" else clause.text
        yield NearMiss(policy=one.policy, change=change, clause=clause)
    if not one.clauses:
        yield NearMiss(policy=one.policy, change=f"the forbid {one.policy} were not there")


def _other_principal(policy: Policy) -> str:
    scope = policy.principal
    within = " or ".join(f'{kind}::"{identifier}"' for kind, identifier in scope.uids)
    if scope.op == "is":
        return f"principal is {scope.entity_type}" + (f" in {within}" if within else "")
    return f"principal {scope.op} {within}"


class _Reader:
    """Finds the values that a clause read."""

    def __init__(self, scene: Scene) -> None:
        self._context = scene.context
        self._principal = scene.principal

    def values(self, clause: Clause) -> dict[str, Json]:
        """Text of what was read → its value; what was not there is left out."""
        found: dict[str, Json] = {}
        open_ones = [clause.est]
        while open_ones:
            one = open_ones.pop()
            chain = chain_of(one)
            if chain is not None and chain:
                self._note(found, "context", chain, self._context)
            elif not self._of_principal(one, found):
                open_ones.extend(operands_of(one))
        return dict(sorted(found.items()))

    def _of_principal(self, one: Mapping[str, Any], found: dict[str, Json]) -> bool:
        """Notes an attribute, a tag or the groups of the principal. Whether it was one."""
        operator, operands = next(iter(one.items()))
        if not isinstance(operands, dict) or operands.get("left") != {"Var": "principal"}:
            return False
        if operator in (".", "has"):
            self._note(found, "principal", (operands["attr"],), self._principal.get("attrs", {}))
        elif operator in ("getTag", "hasTag"):
            name = operands["right"].get("Value")
            tags = self._principal.get("tags", {})
            if isinstance(name, str) and name in tags:
                found[f'principal.getTag("{name}")'] = _shown(tags[name])
        elif operator == "in":
            parents = self._principal.get("parents", ())
            found["principal's groups"] = _shown([parent["id"] for parent in parents])
        else:
            return False
        return True

    @staticmethod
    def _note(found: dict[str, Json], root: str, chain: Chain, values: Mapping[str, Json]) -> None:
        value: Json = values
        for name in chain:
            if not isinstance(value, Mapping) or name not in value:
                return
            value = value[name]
        if value is not values:
            found[".".join((root, *chain))] = _shown(value)


def _shown(value: Json) -> Json:
    """A value short enough to keep."""
    if isinstance(value, str) and len(value) > MAX_VALUE_CHARACTERS:
        return f"{value[:MAX_VALUE_CHARACTERS]}… ({len(value)} characters)"
    if isinstance(value, (list, dict)) and len(str(value)) > MAX_VALUE_CHARACTERS:
        return f"{str(value)[:MAX_VALUE_CHARACTERS]}…"
    return value
