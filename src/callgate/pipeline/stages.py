"""The stages of one call, top to bottom in running order."""

from __future__ import annotations

import hashlib

import msgspec
from msgspec.structs import replace

from callgate.audit.record import in_microseconds
from callgate.model import (
    CALL_TOOL,
    Call,
    Json,
    Ran,
    Refused,
    Reply,
    Tool,
    split_name,
)
from callgate.pipeline.asking import Asking
from callgate.pipeline.attaching import ERROR, REQUEST, RESULT
from callgate.pipeline.consulting import NOTHING, begin
from callgate.pipeline.conversing import converse, opened, with_seen_answers
from callgate.pipeline.gateway import Gateway
from callgate.pipeline.interception import AboutRequest, AboutResult, after_request, after_result
from callgate.pipeline.locating import Route, locate, unknown
from callgate.pipeline.recording import in_run, keep_intent
from callgate.pipeline.wishes import Copies
from callgate.policy.account import brief
from callgate.policy.decisions import verdict_on
from callgate.policy.engine import Question
from callgate.policy.schema import RESERVED_KEYS
from callgate.ports import Caller, StoreError, TargetError, Unanswerable
from callgate.protocol.jsonrpc import encode, find_key
from callgate.protocol.mcp import is_tool_error
from callgate.protocol.methods import METHODS, method_tool
from callgate.protocol.outbound import WireError, read_once
from callgate.protocol.refusals import misanswered

_decode = msgspec.json.Decoder().decode


async def identify(call: Call, gateway: Gateway, _caller: Caller) -> Call:
    """Who is calling?"""
    if call.principal is None:  # else the session layer has asked already
        call = replace(call, principal=await gateway.identified(call.proof))
    return in_run(call, gateway)


async def resolve(call: Call, gateway: Gateway, _caller: Caller) -> Call:
    """Which tool, or what else of which target: one that exists, with arguments that fit?"""
    catalog = gateway.catalog
    if call.method == CALL_TOOL:
        tool = call.tool or _known_tool(call, gateway) or await _listed_tool(call, gateway)
    else:
        place = locate(call, Route(target=call.route, targets=catalog.targets()), gateway.seal)
        tool = method_tool(place.target, call.method)
        call = replace(call, arguments=place.arguments)
    if tool is not call.tool:
        call = replace(call, tool=tool)
    problem = catalog.validate(tool, call.arguments)
    if problem is not None:
        raise Refused("invalid_arguments", problem, call=call)
    return opened(call, gateway) if call.follow_up is not None else call


def _known_tool(call: Call, gateway: Gateway) -> Tool | None:
    """None where the target has to be asked first. Raises Refused where there is no target."""
    catalog = gateway.catalog
    names = split_name(call.route, call.requested_name)
    if names is None or not catalog.has_target(names[0]):
        raise unknown(call)
    target, name = names
    assert call.principal is not None  # noqa: S101 - stage order
    return catalog.find(target, name, gateway.offer(call.principal, call.client, target))


async def _listed_tool(call: Call, gateway: Gateway) -> Tool:
    catalog, names = gateway.catalog, split_name(call.route, call.requested_name)
    assert call.principal is not None and names is not None  # noqa: S101 - looked for before
    target = names[0]
    await catalog.ensure(target, gateway.offer(call.principal, call.client, target))
    tool = _known_tool(call, gateway)
    if tool is None:
        status = catalog.connector(target).status
        if not status.is_ready and status.tools == 0:
            reason = f"The target {target} cannot be reached now; try again later."
            raise Refused("target_unavailable", reason, detail=status.detail)
        raise unknown(call)
    return tool


async def admit(call: Call, gateway: Gateway, _caller: Caller) -> Call:
    """The coarse boundary: could any policy let this principal call this tool at all?"""
    assert call.principal is not None and call.tool is not None  # noqa: S101 - stage order
    if METHODS[call.method].is_list:
        return call  # who may use nothing is shown nothing: `authorize` and the listing see to it
    verdict = gateway.engine.may_permit(call.principal, call.tool)
    if not verdict.lets_through:
        raise _not_permitted(replace(call, verdict=verdict), gateway)
    return call


async def intercept_request(call: Call, gateway: Gateway, _caller: Caller) -> Call:
    """Runtime scrutiny: enrich, rewrite, refuse, answer. What was rewritten is validated again."""
    tool, arguments = call.tool, call.arguments
    assert tool is not None  # noqa: S101 - stage order
    about = AboutRequest(arguments)
    for attachment in gateway.chain.select(REQUEST, tool):
        if attachment.condition is not None and not attachment.condition.holds(call):
            continue
        if attachment.may_skip and attachment.interceptor.may_skip(about.text_of(call)):
            continue
        question = attachment.interceptor.on_request(about.view(call, attachment))
        told = begin(attachment, question, gateway.clock)
        if told is NOTHING:
            continue  # mostly: it costs no more
        call = await after_request(call, attachment, told)
        if call.is_answered:
            return call
    if call.arguments is not arguments:
        call = replace(call, given=arguments)
        problem = gateway.catalog.validate(tool, call.arguments)
        if problem is not None:
            reason = f"After the interceptors changed the arguments: {problem}"
            raise Refused("invalid_arguments", reason, call=call)
    if call.follow_up is not None and call.follow_up.responses:
        return await with_seen_answers(call, gateway)
    return call


async def authorize(call: Call, gateway: Gateway, _caller: Caller) -> Call:
    """The full decision, on the arguments exactly as they will be sent."""
    assert call.principal is not None and call.tool is not None  # noqa: S101 - stage order
    sealed = encode(call.arguments)
    if sealed.find(b'"__e') >= 0:
        key = find_key(call.arguments, RESERVED_KEYS)
        if key is not None:
            reason = f"The argument key {key!r} is reserved; rename it."
            raise Refused("invalid_arguments", reason, call=call)
    now = in_microseconds(gateway.clock.now())  # as the record has it, to decide again by it
    verdict = verdict_on(gateway.engine, _question(call, call.tool, now))
    digest = hashlib.sha256(sealed).hexdigest()
    call = replace(call, verdict=verdict, decided_at=now, sealed=sealed, sealed_digest=digest)
    if not verdict.lets_through:
        raise _not_permitted(call, gateway)
    return call


def _question(call: Call, tool: Tool, now: float) -> Question:
    assert call.principal is not None  # noqa: S101 - stage order
    return Question(
        principal=call.principal,
        tool=tool,
        arguments=call.arguments,
        enriched=call.enriched,
        now=now,
    )


def _not_permitted(call: Call, gateway: Gateway) -> Refused:
    verdict, tool = call.verdict, call.tool
    assert verdict is not None and tool is not None  # noqa: S101 - set
    if not METHODS[call.method].is_list:
        now = gateway.clock.now() if call.decided_at is None else call.decided_at
        examined = gateway.engine.examine(_question(call, tool, now))
        call = replace(call, account=brief(examined))
    reason = "Policy does not permit this call."
    if verdict.advice:
        reason += f" {verdict.advice}"
    code = "policy_error" if verdict.errors else "not_permitted"
    return Refused(code, reason, detail=verdict.reason, call=call)


async def record_intent(call: Call, gateway: Gateway, _caller: Caller) -> Call:
    """Written before any side effect. The store is full or gone: refuse, never forget."""
    if call.is_answered or METHODS[call.method].is_list:
        return call  # nothing will be executed; the outcome alone tells it
    try:
        await keep_intent(call, gateway)
    except StoreError as error:
        reason = "The call cannot be recorded now, so it is not made; try again later."
        raise Refused("record_unavailable", reason, detail=str(error)) from None
    return call


async def forward(call: Call, gateway: Gateway, caller: Caller) -> Call:
    """The only stage that reaches a target, or the agent's client where the target asks for it."""
    if call.is_answered:
        return call
    assert call.tool is not None and call.sealed is not None  # noqa: S101 - stage order
    # INVARIANT: what is sent is what was authorized, to the byte.
    if hashlib.sha256(call.sealed).hexdigest() != call.sealed_digest:
        raise Refused("internal_error", "The arguments changed after they were authorized.")
    try:
        if isinstance(caller, Asking):
            reply = await converse(call, gateway, caller)
        else:
            reply = await caller.ask(call.method, call.arguments)
    except TargetError as error:
        call = replace(_noted(call, caller), ran=error.ran)
        raise Refused(error.code, error.reason, detail=error.detail, call=call) from None
    except Unanswerable as error:
        call = replace(_noted(call, caller), ran=Ran.UNKNOWN)
        raise Refused("unanswered", str(error), call=call) from None
    return replace(_noted(call, caller), reply=reply, ran=Ran.YES)


def _noted(call: Call, caller: Caller) -> Call:
    """The call with what interceptors did to messages while it was on its way."""
    return caller.noted(call) if isinstance(caller, Asking) else call


async def intercept_response(call: Call, gateway: Gateway, _caller: Caller) -> Call:
    """Filter, redact, withhold: what came back, also where it is an error or an answer."""
    assert call.tool is not None and call.reply is not None  # noqa: S101 - stage order
    is_error = gateway.chain.tells_errors_apart and is_tool_error(call.reply)
    chosen = gateway.chain.select(ERROR if is_error else RESULT, call.tool)
    if not chosen:
        return call
    reply, about = call.reply, None
    for attachment in chosen:
        if attachment.condition is not None and not attachment.condition.holds(call):
            continue
        if attachment.may_skip and attachment.interceptor.may_skip(reply.body):
            continue
        if about is None:
            reply, parsed = _read_once(call, reply)
            if reply is not call.reply:
                call = replace(call, reply=reply)
            about = AboutResult(call.arguments, _copies(reply, parsed))
        question = attachment.interceptor.on_result(about.view(call, attachment))
        told = begin(attachment, question, gateway.clock)
        if told is NOTHING:
            continue
        call, result = await after_result(call, attachment, about, told)
        if result is not about.result.value:
            is_error = reply.is_error and set(result) == {"error"}
            reply = Reply(body=encode(result["error"] if is_error else result), is_error=is_error)
            call = replace(call, reply=reply)
            about.result = _copies(reply, _decode(reply.body))
    return call


def _copies(reply: Reply, parsed: Json) -> Copies:
    """What interceptors see of a reply."""
    return Copies({"error": parsed}) if reply.is_error else Copies(parsed, reply.body)


def _read_once(call: Call, reply: Reply) -> tuple[Reply, Json]:
    """What came back, and what it says. Raises Refused where it cannot be read.

    INVARIANT: they see all that the agent gets: no key hides behind its double.
    """
    assert call.tool is not None  # noqa: S101 - stage order
    try:
        parsed, body = read_once(reply.body)
    except WireError as error:
        reason = misanswered(call.tool.target)
        call = replace(call, reply=None)
        raise Refused("target_protocol_error", reason, detail=str(error), call=call) from None
    return (reply if body is reply.body else replace(reply, body=body)), parsed
