"""Why a verdict is as it is, found by evaluation: each policy and clause is asked of Cedar."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
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

MAX_TRIALS = 24  # evaluations spent on finding what would flip a verdict
MAX_VALUE_CHARACTERS = 200

_ANY = {"op": "All"}
Ask = Callable[[cedarpy.PolicySet], Answer]


class Scene(Value):
    """One decision to account for: what was in scope, and what the policies could read."""

    verdict: Verdict
    active: tuple[Policy, ...]  # in scope, and decided
    shadows: tuple[Policy, ...]  # in scope, and only watched
    others: tuple[Policy, ...]  # permits for this tool that are for other principals
    context: Mapping[str, Json]  # in Cedar's JSON form
    principal: Mapping[str, Json]  # its entity: attrs and tags


def account(scene: Scene, ask: Ask) -> Account:
    """The account of a decision. `ask` puts policies to Cedar in that decision's place."""
    policies = (*scene.active, *scene.shadows)
    taken_apart = {policy.id: policy.clauses for policy in policies}
    answer = ask(documented(dict(_probes(policies, taken_apart))))
    reader = _Reader(scene)
    told = [_told(policy, taken_apart[policy.id], answer, reader) for policy in policies]
    told.sort(key=lambda one: (_rank(one, scene.verdict), one.effect, one.policy))
    near = () if scene.verdict.is_permitted else tuple(_near(scene, told, ask))
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
        yield f"p:{policy.id}", {**policy.est, "effect": "permit"}
        for clause in taken_apart[policy.id]:
            yield _probe(policy, clause), _only(clause)


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
    own = f"p:{policy.id}"
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


class _Trials:
    """Evaluations of changed policy sets, up to a bound."""

    def __init__(self, policies: Sequence[Policy], ask: Ask) -> None:
        self._whole = {policy.id: policy.est for policy in policies}
        self._ask = ask
        self._left = MAX_TRIALS

    def permits(self, changed: Mapping[str, dict[str, Any]], without: str = "") -> bool:
        """Whether the call would be permitted; False, too, where enough has been tried."""
        self._left -= 1
        if self._left < 0:
            return False
        policies = {name: est for name, est in self._whole.items() if name != without}
        found = self._ask(documented({**policies, **changed}))
        return found.decision == "Allow" and not found.failed


def _near(scene: Scene, told: Sequence[PolicyAccount], ask: Ask) -> Iterator[NearMiss]:
    """What would flip a refusal: one clause of a permit, one forbid, or another group."""
    by_id = {policy.id: policy for policy in scene.active}
    trials = _Trials(scene.active, ask)
    for one in told:
        policy = by_id.get(one.policy)
        if policy is None:
            continue
        if one.effect == "permit":
            yield from _unmet(one, policy, trials)
        elif one.state is not State.UNSATISFIED and trials.permits({}, without=policy.id):
            yield from _not_forbidden(one)
    for policy in scene.others:
        if trials.permits({policy.id: {**policy.est, "principal": _ANY}}):
            yield NearMiss(policy=policy.id, change=_other_principal(policy))


def _unmet(one: PolicyAccount, policy: Policy, trials: _Trials) -> Iterator[NearMiss]:
    """The only clause that keeps a permit from applying."""
    missing = [part.clause for part in one.clauses if part.holds is not True]
    if one.state is State.SATISFIED or len(missing) != 1:
        return
    if trials.permits({policy.id: _without(policy, missing[0])}):
        yield NearMiss(policy=policy.id, change=_needed(missing[0]), clause=missing[0])


def _without(policy: Policy, clause: Clause) -> dict[str, Any]:
    """The policy, without one of its clauses."""
    conditions = [
        {"kind": other.kind, "body": other.est}
        for other in policy.clauses
        if other.number != clause.number
    ]
    return {**policy.est, "conditions": conditions}


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
