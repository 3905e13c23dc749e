"""Conditions before a call is made: what is known of it put to Cedar; it never permits a call."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain, combinations
from typing import Any

import cedarpy
from cedarpy import _internal
from msgspec.structs import replace

from callgate.model import Json, Value
from callgate.policy.answers import Answer, answer_of
from callgate.policy.context import convert, instant
from callgate.policy.expressions import chain_of
from callgate.policy.schema import Kind, Shape
from callgate.policy.source import Policy
from callgate.protocol.jsonrpc import encode

MAX_OPEN = 3  # optional arguments of unknown value: each is tried as absent and as present

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
    document = {"staticPolicies": policies, "templates": {}, "templateLinks": []}
    return cedarpy.PolicySet.from_json_str(encode(document).decode())


def timed(policies: Iterable[Policy], now: float) -> cedarpy.PolicySet:
    """A handle of the policies as they read at one time.

    The partial evaluator does not look past an unknown beside a datetime in the context, so that
    the time has to stand in the policies.
    """
    literal = {"datetime": [{"Value": instant(now)}]}
    return parsed(replace(policy, est=_at(policy.est, literal)) for policy in policies)


def _at(expression: Any, literal: Json) -> Any:
    """The expression with `context.system.now` replaced."""
    if isinstance(expression, list):
        return [_at(item, literal) for item in expression]
    if not isinstance(expression, dict):
        return expression
    if expression.keys() == {"."} and chain_of(expression) == _NOW:
        return literal
    if expression.keys() == {"has"} and chain_of(expression) in (_NOW[:1], _NOW):
        return {"Value": True}
    return {name: _at(item, literal) for name, item in expression.items()}


def reads_arguments(policy: Policy) -> bool:
    """Whether a policy reads more of the context than the time."""
    return any(chain != _NOW for chain in policy.chains)


def with_unknowns(shape: Shape, known: Mapping[str, Json]) -> list[dict[str, Json]] | None:
    """All forms that arguments can have of which only some are known, as partial Cedar JSON.

    None where they are too many to try. Raises Unrepresentable.
    """
    fixed: dict[str, Json] = {}
    maybe: list[str] = []
    for name, field in shape.fields.items():
        if known.get(name) is not None and _is_plain(field.shape):
            fixed[name] = convert(field.shape, known[name], f"/input/{name}")
        elif field.is_required or known.get(name) is not None:
            fixed[name] = _unknown(f"input.{name}")
        elif name not in known:
            maybe.append(name)
    if len(maybe) > MAX_OPEN:
        return None
    present = chain.from_iterable(combinations(maybe, n) for n in range(len(maybe) + 1))
    return [{**fixed, **{name: _unknown(f"input.{name}") for name in names}} for names in present]


def _is_plain(shape: Shape) -> bool:
    """Whether the partial evaluator takes values of this shape: it reads no decimals."""
    inner = [field.shape for field in shape.fields.values()]
    inner += [shape.items] if shape.items is not None else []
    return shape.kind is not Kind.DECIMAL and all(_is_plain(item) for item in inner)


def _unknown(name: str) -> Json:
    return {"__extn": {"fn": "unknown", "arg": name}}


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
