"""The decision on one AuthZEN evaluation, and what it says to operators and to users."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from callgate.control.authzen.mapping import (
    Unknown,
    enriched_of,
    instant_of,
    place_of,
    principal_of,
    tool_at,
)
from callgate.control.authzen.reading import Evaluation
from callgate.model import Json, Principal, Tool, Value, Verdict
from callgate.pipeline.gateway import Gateway
from callgate.policy.engine import Engine, Question
from callgate.policy.schema import RESERVED_KEYS
from callgate.policy.source import Policy
from callgate.protocol.jsonrpc import find_key
from callgate.protocol.methods import METHODS

NOT_PERMITTED = "Policy does not permit this call."


class Unfit(Exception):  # noqa: N818 - a finding about the arguments
    """The tool would refuse these arguments; the decision is false."""


class Case(Value):
    """The facts besides the principal and the tool. `arguments`: None where none were given."""

    arguments: dict[str, Json] | None
    enriched: Mapping[str, Mapping[str, Json]]
    at: float  # seconds since the epoch


async def decide(asked: Evaluation, gateway: Gateway) -> dict[str, Json]:
    """The Decision (§5.5). INVARIANT: true only where the call path would permit the same call.

    Raises Unclear, where the request itself must be refused.
    """
    try:
        principal = principal_of(asked.subject, asked.context)
        place = place_of(asked.action, asked.resource, gateway)
        tool = await tool_at(place, gateway)
        case = Case(
            arguments=place.arguments or {},
            enriched=enriched_of(asked.context),
            at=instant_of(asked.context, gateway),
        )
        verdict = verdict_on(principal, tool, case, gateway)
    except Unknown as finding:
        return failed(404, str(finding))
    except Unfit as finding:
        return failed(400, str(finding))
    return _decision(verdict, gateway.engine)


def failed(status: int, message: str) -> dict[str, Json]:
    """A decision that could not be made is false (§7.2.1)."""
    return {"decision": False, "context": {"error": {"status": status, "message": message}}}


def verdict_on(principal: Principal, tool: Tool, case: Case, gateway: Gateway) -> Verdict:
    """What the call path would say, its interceptors apart. Raises Unfit."""
    engine, arguments = gateway.engine, case.arguments or {}
    if key := find_key(arguments, RESERVED_KEYS):
        raise Unfit(f"The argument key {key!r} is reserved; rename it.")
    if problem := gateway.catalog.validate(tool, arguments):
        raise Unfit(problem)
    if METHODS[tool.method].is_list:
        is_forbidden = engine.is_forbidden(principal, tool, case.at)
        reason = "the list is forbidden" if is_forbidden else "a list of what could be used"
        return Verdict(is_permitted=not is_forbidden, reason=reason, version=engine.version)
    question = Question(
        principal=principal,
        tool=tool,
        arguments=arguments,
        enriched=case.enriched,
        now=case.at,
    )
    return engine.authorize(question)


def may(principal: Principal, tool: Tool, case: Case, gateway: Gateway) -> bool:
    """Whether a search finds it: permitted as given, or, with no arguments given, with some."""
    if case.arguments is None and not METHODS[tool.method].is_list:
        return gateway.engine.is_listed(principal, tool, case.at)
    try:
        return verdict_on(principal, tool, case, gateway).is_permitted
    except Unfit:
        return False


def _decision(verdict: Verdict, engine: Engine) -> dict[str, Json]:
    policies = _by_id(engine)
    context: dict[str, Json] = {
        "reason_admin": {"200" if verdict.is_permitted else "403": verdict.reason},
        "policies": [_told(policies[name]) for name in verdict.policies],
        "policy_version": verdict.version,
    }
    if not verdict.is_permitted:
        advice = f" {verdict.advice}" if verdict.advice else ""
        context["reason_user"] = {"403": NOT_PERMITTED + advice}
    if verdict.errors:
        context["policy_errors"] = verdict.errors
    return {"decision": verdict.is_permitted, "context": context}


def _told(policy: Policy) -> dict[str, Json]:
    return {
        "id": policy.id,
        "effect": policy.effect,
        "source": policy.source,
        "line": policy.line,
    }


@lru_cache(1)
def _by_id(engine: Engine) -> Mapping[str, Policy]:
    """Of the engine in force: finding one among ten thousand would cost more than the decision."""
    return {policy.id: policy for policy in engine.policies}
