"""Could any arguments be permitted? Partial evaluation, for lists only: it never permits a call."""

from __future__ import annotations

import re
from collections.abc import Iterable

import cedarpy

from callgate.model import Json, Value
from callgate.policy.context import instant
from callgate.policy.source import Policy
from callgate.protocol.jsonrpc import encode

_PLAIN_ID = re.compile(r"[A-Za-z0-9 _.,:;@/|+=~*()<>&%$#!?\[\]{}^-]*")
_UNKNOWN = {
    name: {"__extn": {"fn": "unknown", "arg": name}} for name in ("input", "meta", "enriched")
}


class Situation(Value):
    """Who, which tool, when; everything but the arguments."""

    principal: dict[str, Json]  # uid
    action: dict[str, Json]  # uid
    resource: dict[str, Json]  # uid
    now: float  # seconds since the epoch


def parsed(policies: Iterable[Policy]) -> cedarpy.PolicySet:
    """A handle that keeps our own policy ids."""
    document = {
        "staticPolicies": {policy.id: policy.est for policy in policies},
        "templates": {},
        "templateLinks": [],
    }
    return cedarpy.PolicySet.from_json_str(encode(document).decode())


def reads_only_time(policy: Policy) -> bool:
    """Whether `context.system` is all of the context that a policy reads."""
    return bool(policy.chains) and all(chain[:1] == ("system",) for chain in policy.chains)


def could_be_permitted(
    policies: tuple[Policy, ...],
    handle: cedarpy.PolicySet,
    entities: cedarpy.Entities,
    situation: Situation,
) -> bool:
    """Whether some arguments could be permitted now. Where in doubt: yes.

    Policies on time alone are evaluated for real; the partial evaluator would leave them open,
    because it does not look past an unknown beside a datetime.
    """
    timed = [policy for policy in policies if reads_only_time(policy)]
    if timed:
        forbids = [policy for policy in timed if policy.effect == "forbid"]
        permits = [policy for policy in timed if policy.effect == "permit"]
        if _satisfied(forbids, entities, situation):
            return False
        holding = _satisfied(permits, entities, situation)
        rest = [policy for policy in policies if policy not in timed]
        if holding and not any(policy.effect == "forbid" for policy in rest):
            return True
        handle = parsed((*rest, *(policy for policy in permits if policy.id in holding)))
    return _partially(handle, entities, situation)


def _satisfied(
    policies: list[Policy], entities: cedarpy.Entities, situation: Situation
) -> frozenset[str]:
    if not policies:
        return frozenset()
    answer = cedarpy.is_authorized(
        {
            "principal": situation.principal,
            "action": situation.action,
            "resource": situation.resource,
            "context": encode({"system": _system(situation.now)}).decode(),
        },
        parsed(policies),
        entities,
    )
    return frozenset(answer.diagnostics.reasons)


def _partially(handle: cedarpy.PolicySet, entities: cedarpy.Entities, situation: Situation) -> bool:
    uids = (situation.principal, situation.action, situation.resource)
    if not all(_PLAIN_ID.fullmatch(uid["id"]) for uid in uids):
        return True  # the partial evaluator takes uids as Cedar text only: do not risk an escape
    principal, action, resource = (f'{uid["type"]}::"{uid["id"]}"' for uid in uids)
    result = cedarpy.is_authorized_partial(
        {
            "principal": principal,
            "action": action,
            "resource": resource,
            "context": {**_UNKNOWN, "system": _system(situation.now)},
        },
        handle,
        entities,
    )
    return result.decision is not cedarpy.Decision.Deny


def _system(now: float) -> dict[str, Json]:
    return {"now": {"__extn": {"fn": "datetime", "arg": instant(now)}}}
