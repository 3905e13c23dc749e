"""Conditions before a call is made: what is known of it put to Cedar; it never permits a call."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import cedarpy
from cedarpy import _internal

from callgate.model import Json, Value
from callgate.policy.answers import Answer, answer_of
from callgate.policy.context import instant
from callgate.policy.expressions import depth_of, halved
from callgate.policy.source import MAX_LEVELS, Policy
from callgate.protocol.jsonrpc import encode

_NOW = ("system", "now")


class Situation(Value):
    """Who, which tool, when; and the arguments as far as they are known."""

    principal: dict[str, Json]  # uid
    action: dict[str, Json]  # uid
    resource: dict[str, Json]  # uid
    now: float  # seconds since the epoch
    arguments: Mapping[str, Json] = {}  # in the form that Cedar reads without a schema


def parsed(policies: Iterable[Policy]) -> cedarpy.PolicySet:
    """A handle that keeps our own policy ids, without the annotations: Cedar does not read them."""
    return documented(
        {
            policy.id: {name: part for name, part in policy.est.items() if name != "annotations"}
            for policy in policies
        }
    )


def documented(policies: Mapping[str, Json]) -> cedarpy.PolicySet:
    """A handle of policies in Cedar's JSON format, by id."""
    try:
        return _documented(policies)
    except (ValueError, RecursionError):  # deeper than Cedar's JSON form goes
        return _documented({identifier: _halved(est) for identifier, est in policies.items()})


def _documented(policies: Mapping[str, Json]) -> cedarpy.PolicySet:
    document = {"staticPolicies": policies, "templates": {}, "templateLinks": []}
    return cedarpy.PolicySet.from_json_str(encode(document).decode())


def _halved(est: dict[str, Json]) -> dict[str, Json]:
    conditions = [
        one | {"body": halved(one["body"])} if depth_of(one["body"]) > MAX_LEVELS else one
        for one in est["conditions"]
    ]
    return est | {"conditions": conditions}


def reads_arguments(policy: Policy) -> bool:
    """Whether a policy reads more of the context than the time."""
    return any(chain != _NOW for chain in policy.chains)


def is_satisfied(
    handle: cedarpy.PolicySet, entities: cedarpy.Entities, situation: Situation
) -> bool:
    """Whether one of the policies applies, or fails; they read no arguments. Evaluated for real."""
    answer = _evaluated(handle, entities, situation)
    return bool(answer.reasons or answer.failed)


def satisfied(
    handle: cedarpy.PolicySet, entities: cedarpy.Entities, situation: Situation
) -> frozenset[str]:
    """Which of some permits without conditions apply. Evaluated for real."""
    return _evaluated(handle, entities, situation).reasons


def holds(
    handle: cedarpy.PolicySet, entities: cedarpy.Entities, situation: Situation
) -> bool | None:
    """Whether the condition of a lone `probe` is true; None where its evaluation fails."""
    answer = _evaluated(handle, entities, situation)
    return None if answer.failed else bool(answer.reasons)


def probe(expression: Json) -> cedarpy.PolicySet:
    """A permit for everything with one condition."""
    scope = {"op": "All"}
    policy = {
        "effect": "permit",
        "principal": scope,
        "action": scope,
        "resource": scope,
        "conditions": [{"kind": "when", "body": expression}],
    }
    return documented({"probe": policy})


def _evaluated(
    handle: cedarpy.PolicySet, entities: cedarpy.Entities, situation: Situation
) -> Answer:
    now = {"__extn": {"fn": "datetime", "arg": instant(situation.now)}}
    context = {"system": {"now": now}, "input": situation.arguments}
    request = {
        "principal": situation.principal,
        "action": situation.action,
        "resource": situation.resource,
        "context": encode(context).decode(),
    }
    return answer_of(_internal.is_authorized(request, handle, entities._inner, None, False))
