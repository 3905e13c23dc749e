"""The decision on one AuthZEN evaluation, and what it says to operators and to users."""

from __future__ import annotations

from collections.abc import Mapping

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
from callgate.policy.account import brief
from callgate.policy.decisions import verdict_on
from callgate.policy.engine import Question
from callgate.policy.schema import RESERVED_KEYS
from callgate.protocol.jsonrpc import find_key
from callgate.protocol.methods import METHODS

EXPLAIN = "explain"  # in the context: true asks for the account, too, which takes about 1 ms
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
        question = fitting(principal, tool, case, gateway)
    except Unknown as finding:
        return failed(404, str(finding))
    except Unfit as finding:
        return failed(400, str(finding))
    answer = _decision(verdict_on(gateway.engine, question))
    if asked.context.get(EXPLAIN) is True and not METHODS[tool.method].is_list:
        answer["context"]["account"] = brief(gateway.engine.examine(question))
    return answer


def failed(status: int, message: str) -> dict[str, Json]:
    """A decision that could not be made is false (§7.2.1)."""
    return {"decision": False, "context": {"error": {"status": status, "message": message}}}


def fitting(principal: Principal, tool: Tool, case: Case, gateway: Gateway) -> Question:
    """The question that the call path would put, its interceptors apart. Raises Unfit."""
    arguments = case.arguments or {}
    if key := find_key(arguments, RESERVED_KEYS):
        raise Unfit(f"The argument key {key!r} is reserved; rename it.")
    if problem := gateway.catalog.validate(tool, arguments):
        raise Unfit(problem)
    return Question(
        principal=principal,
        tool=tool,
        arguments=arguments,
        enriched=case.enriched,
        now=case.at,
    )


def may(principal: Principal, tool: Tool, case: Case, gateway: Gateway) -> bool:
    """Whether a search finds it: permitted as given, or, with no arguments given, with some."""
    engine = gateway.engine
    if case.arguments is None and not METHODS[tool.method].is_list:
        if not engine.is_enforced:  # it would list everything
            return engine.may_permit(principal, tool).is_permitted
        return engine.is_listed(principal, tool, case.at)
    try:
        return verdict_on(engine, fitting(principal, tool, case, gateway)).is_permitted
    except Unfit:
        return False


def _decision(verdict: Verdict) -> dict[str, Json]:
    # INVARIANT: what policy says, also in a gateway that only observes: an enforcement point asks
    # in order to enforce.
    status = "200" if verdict.is_permitted else "403"
    context: dict[str, Json] = {
        "reason_admin": {status: verdict.reason},
        "policies": [
            {"id": policy, "place": place}
            for policy, place in zip(verdict.policies, verdict.places, strict=True)
        ],
        "policy_version": verdict.version,
    }
    if not verdict.is_permitted:
        advice = f" {verdict.advice}" if verdict.advice else ""
        context["reason_user"] = {status: NOT_PERMITTED + advice}
    if verdict.errors:
        context["policy_errors"] = verdict.errors
    if verdict.flips:
        context["shadow_policies"] = verdict.flips
    return {"decision": verdict.is_permitted, "context": context}
