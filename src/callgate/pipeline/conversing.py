"""One request to a target, with what it asks meanwhile, until there is an answer."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec.structs import replace

from callgate.model import CALL_TOOL, Call, Era, FollowUp, Json, Ran, Refused, Reply
from callgate.pipeline.asking import Asking, Deferred
from callgate.pipeline.attaching import RESULT
from callgate.pipeline.gateway import Gateway
from callgate.pipeline.interception import AboutResult, ask_about_result
from callgate.pipeline.locating import shown_task
from callgate.pipeline.sealing import digest_of
from callgate.pipeline.wishes import Copies
from callgate.ports import Caller, TargetRequest
from callgate.protocol.bridge import url_required
from callgate.protocol.jsonrpc import encode
from callgate.protocol.methods import METHODS, TASKS_EXTENSION, method_tool
from callgate.protocol.refusals import misanswered

MAX_ROUNDS = 16  # of questions in one call, before the target is given up
MAX_REQUESTS = 32  # in one round
STATE = "state"  # the purpose of the tokens that a client repeats a call with
STATE_SECONDS = 3600.0

_decode = msgspec.json.Decoder().decode


async def converse(call: Call, gateway: Gateway, asking: Asking) -> Reply:
    """The target's answer. Raises TargetError, Refused.

    What a modern target asks is put to a legacy client at once and the request repeated with the
    answers; a modern client gets the questions, and repeats the call itself.
    """
    assert call.tool is not None  # noqa: S101 - stage order
    asking, beyond = asking.during(call), asking.beyond
    request = request_for(call, gateway, beyond.at(call.tool.target) if beyond else None)
    connector = gateway.catalog.connector(request.tool.target)
    for _ in range(MAX_ROUNDS):
        reply = await connector.call(request, asking)
        if reply.kind == "task" or call.method.startswith("tasks/"):
            return await _with_shown_task(call, gateway, asking, request, reply)
        if (demand := url_required(reply)) is not None:
            reviewed = await _reviewed(call, gateway, asking, demand)
            takes_urls = call.era is Era.MODERN and _takes_urls(call)
            return reviewed if takes_urls else reply
        if reply.kind != "input_required":
            return reply
        if call.era is Era.MODERN:
            return await _reviewed(call, gateway, asking, reply)
        request = await _repeated(call, asking, request, reply)
    raise _lies(call, f"it asked for input {MAX_ROUNDS} times")


def _takes_urls(call: Call) -> bool:
    elicitation = call.client.capabilities.get("elicitation")
    return isinstance(elicitation, dict) and "url" in elicitation


def request_for(call: Call, gateway: Gateway, beyond: Caller | None) -> TargetRequest:
    """What goes to the target: exactly the arguments that were authorized."""
    tool, principal, sealed = call.tool, call.principal, call.sealed
    assert tool is not None and principal is not None and sealed is not None  # noqa: S101 - stages
    level = call.client.log_level
    if level is not None:
        setting = method_tool(tool.target, "logging/setLevel")
        level = level if gateway.engine.may_permit(principal, setting).is_permitted else None
    is_call = tool.method == CALL_TOOL
    item = METHODS[tool.method].item
    return TargetRequest(
        call_id=call.id,
        era=call.era,
        tool=tool,
        params=_params(call, sealed, call.follow_up),
        item=tool.name if is_call else call.arguments[item] if item is not None else None,
        arguments=sealed if is_call else b"{}",
        meta=call.meta,
        headers=call.onward,
        wants_progress=call.progress_token is not None,
        progress_token=call.progress_token,
        session_key=call.client.key,
        principal_key=principal.key,
        offer=gateway.offer(principal, call.client, tool.target),
        log_level=level,
        beyond=beyond,
        timeout_seconds=gateway.target_timeouts.get(tool.target, 60.0),
    )


def _params(call: Call, sealed: bytes, follow_up: FollowUp | None) -> bytes:
    assert call.tool is not None  # noqa: S101 - stage order
    params = sealed
    if call.tool.method == CALL_TOOL:
        params = b'{"name":%b,"arguments":%b}' % (encode(call.tool.name), sealed)
    if follow_up is None:
        return params
    more: dict[str, Json] = {}
    if follow_up.responses is not None:
        more["inputResponses"] = follow_up.responses
    if follow_up.state is not None:
        more["requestState"] = follow_up.state
    if not more:
        return params
    return encode({**_decode(params), **more})


async def _reviewed(call: Call, gateway: Gateway, asking: Asking, reply: Reply) -> Reply:
    """The questions as the client may see them, and a state that only it can repeat them with."""
    body = _read(call, reply)
    asked = body.get("inputRequests")
    if asked is not None:
        body["inputRequests"] = await _permitted(call, asking, asked)
    state = body.get("requestState")
    if asked is None and not isinstance(state, str):
        raise _lies(call, "it wants input and does not say which")
    assert call.principal is not None  # noqa: S101 - stage order
    body["requestState"] = gateway.seal.close(
        [state, _fingerprint(call), gateway.clock.now() + STATE_SECONDS],
        STATE,
        call.principal.key,
    )
    return replace(reply, body=encode(body))


async def _permitted(call: Call, asking: Asking, asked: Json) -> dict[str, Json]:
    found: dict[str, Json] = {}
    for key, (method, params) in _requests(call, asked).items():
        try:
            outcome = await asking.ask_of(Deferred(), method, params)
        except Refused as refused:
            raise _asking_refused(call, method, refused) from None
        found[key] = {**asked[key], "params": {**params, **outcome.call.arguments}}
    return found


def _requests(call: Call, asked: Json) -> dict[str, tuple[str, dict[str, Json]]]:
    """The questions in `inputRequests`: key → method and params. Raises Refused."""
    if not isinstance(asked, dict) or len(asked) > MAX_REQUESTS:
        raise _lies(call, "its inputRequests are no object, or too many")
    found: dict[str, tuple[str, dict[str, Json]]] = {}
    for key, request in asked.items():
        method = request.get("method") if isinstance(request, dict) else None
        params = request.get("params", {}) if isinstance(request, dict) else None
        known = METHODS.get(method) if isinstance(method, str) else None
        if known is None or not known.is_asked_by_target or not isinstance(params, dict):
            raise _lies(call, f"it asks for {str(method)[:40]!r}, which no client answers")
        if known.capability not in call.client.capabilities:
            raise _lies(call, f"it asks for {method}, which the client did not offer")
        found[key] = (known.name, params)
    return found


async def _repeated(
    call: Call, asking: Asking, request: TargetRequest, reply: Reply
) -> TargetRequest:
    """The same request with the answers of a client that was asked at once."""
    body = _read(call, reply)
    answers: dict[str, Json] = {}
    for key, (method, params) in _requests(call, body.get("inputRequests") or {}).items():
        if params.get("mode") == "url" and "elicitationId" not in params:
            params = {**params, "elicitationId": f"{call.id}-{key}"}  # legacy clients need one
        try:
            answer = await asking.ask(method, params)
        except Refused as refused:
            raise _asking_refused(call, method, refused) from None
        answers[key] = _answered(call, method, answer)
    state = body.get("requestState")
    follow_up = FollowUp(responses=answers or None, state=state if isinstance(state, str) else None)
    assert call.sealed is not None  # noqa: S101 - stage order
    return replace(request, params=_params(call, call.sealed, follow_up))


def _read(call: Call, reply: Reply) -> dict[str, Json]:
    try:
        body: dict[str, Json] = _decode(reply.body)
    except (msgspec.DecodeError, RecursionError):
        raise _lies(call, "what it answers cannot be read") from None
    return body


def _answered(call: Call, method: str, answer: Reply) -> Json:
    if not answer.is_error:
        return _decode(answer.body)
    if method == "elicitation/create":
        return {"action": "cancel"}  # nobody decided: 2026-07-28 has no errors among the answers
    said = _decode(answer.body).get("message")
    reason = f"The client answered {method} with an error: {str(said)[:200]}"
    raise Refused("unanswered", reason, call=replace(call, ran=Ran.UNKNOWN))


async def _with_shown_task(
    call: Call, gateway: Gateway, asking: Asking, request: TargetRequest, reply: Reply
) -> Reply:
    """A task under the id that only its owner can use; what it asks for is governed too."""
    if reply.is_error:
        return reply
    extensions = request.offer.capabilities.get("extensions", {})
    if reply.kind == "task" and TASKS_EXTENSION not in extensions:
        raise _lies(call, "it made a task for a client that knows none")
    body = _read(call, reply)
    task_id = body.get("taskId")
    if isinstance(task_id, str):
        body["taskId"] = shown_task(
            gateway.seal, request.principal_key, request.tool.target, task_id
        )
    if body.get("inputRequests"):
        body["inputRequests"] = await _permitted(call, asking, body["inputRequests"])
    return replace(reply, body=encode(body))


def opened(call: Call, gateway: Gateway) -> Call:
    """The call with the state that its target gave. Raises Refused where it is not this caller's,
    or was given for something else.
    """
    follow_up, principal = call.follow_up, call.principal
    if follow_up is None or follow_up.state is None:
        return call
    assert principal is not None  # noqa: S101 - stage order
    said = gateway.seal.open(follow_up.state, STATE, principal.key)
    if not isinstance(said, list) or said[1] != _fingerprint(call):
        raise invalid_state(call)
    if said[2] < gateway.clock.now():
        raise invalid_state(call)
    return replace(call, follow_up=replace(follow_up, state=said[0]))


async def with_seen_answers(call: Call, gateway: Gateway) -> Call:
    """The call with its client's answers as the interceptors leave them. Raises Refused."""
    follow_up, tool = call.follow_up, call.tool
    assert follow_up is not None and tool is not None  # noqa: S101 - asked only then
    seen: dict[str, Json] = {}
    for key, answer in (follow_up.responses or {}).items():
        method = method_tool(tool.target, _method_of(answer))
        for attachment in gateway.chain.select(RESULT, method):
            if not attachment.is_asked_about(call):
                continue
            body = Reply(body=encode(answer))
            one = replace(call, tool=method, method=method.name, reply=body, ran=Ran.YES)
            about = AboutResult(call.arguments, Copies(answer))
            one, answer = await ask_about_result(one, attachment, about, gateway.clock)
            call = replace(call, changes=one.changes, labels=one.labels)
        seen[key] = answer
    return replace(call, follow_up=replace(follow_up, responses=seen))


def _method_of(answer: dict[str, Json]) -> str:
    """What an answer answers: 2026-07-28 does not repeat the question, and its shape tells."""
    if "action" in answer:
        return "elicitation/create"
    return "roots/list" if "roots" in answer else "sampling/createMessage"


def invalid_state(call: Call) -> Refused:
    """The state is not what was given to this caller for this call."""
    reason = "`requestState` does not belong to this call; make the call again without it."
    return Refused("invalid_state", reason, call=call)


def _fingerprint(call: Call) -> str:
    assert call.tool is not None  # noqa: S101 - stage order
    given: Mapping[str, Json] = call.arguments if call.given is None else call.given
    return digest_of(call.tool.target, call.tool.method, call.tool.name, given)


def _asking_refused(call: Call, method: str, refused: Refused) -> Refused:
    reason = f"The target asked for {method}, which is refused: {refused.reason}"
    code = "unanswered" if refused.code == "unanswered" else "asking_refused"
    return Refused(code, reason, detail=refused.detail, call=replace(call, ran=Ran.UNKNOWN))


def _lies(call: Call, detail: str) -> Refused:
    assert call.tool is not None  # noqa: S101 - stage order
    reason = misanswered(call.tool.target)
    call = replace(call, ran=Ran.UNKNOWN)
    return Refused("target_protocol_error", reason, detail=detail, call=call)
