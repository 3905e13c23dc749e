"""MCP method → what we do with it: one table; what is not in it is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import msgspec

from callgate.downstream.sessions import Session, Sessions
from callgate.model import Call, Era, Json, Outcome, Principal, Proof, Refused, split_name
from callgate.pipeline.gateway import Gateway
from callgate.pipeline.listing import visible_tools
from callgate.pipeline.pipeline import govern, record_refusal
from callgate.ports import Caller
from callgate.protocol import headers as routing
from callgate.protocol.eras import negotiate
from callgate.protocol.jsonrpc import (
    INVALID_PARAMS,
    METHOD_NOT_FOUND,
    Malformed,
    Message,
    encode,
    error_response,
    response,
)
from callgate.protocol.mcp import (
    LIST_TTL_MS,
    Envelope,
    deliverable,
    discover_result,
    initialize_result,
    list_result,
    read_tool_call,
)
from callgate.protocol.refusals import (
    META_KEY,
    refusal_data,
    refusal_of,
    refusal_response,
)


@dataclass(slots=True)
class Answer:
    """What goes back for one message: no body means it was only taken note of."""

    status: int = 200
    body: bytes | None = None
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class Inbound:
    """One message from an agent, read, with who sent it and over what."""

    message: Message
    envelope: Envelope
    era: Era
    route: str | None
    proof: Proof
    principal: Principal
    caller: Caller
    session: Session | None = None
    headers: Mapping[str, list[str]] | None = None  # None: not over HTTP


@dataclass(slots=True)
class Dispatcher:
    """Answers messages for whichever gateway is current."""

    current: Callable[[], Gateway]
    sessions: Sessions
    version: str
    is_stopping: bool = False
    active: set[asyncio.Task[object]] = field(default_factory=set)

    async def answer(self, inbound: Inbound) -> Answer:
        """The answer to one request. Raises Malformed for what cannot be answered properly."""
        method = inbound.message.method or ""
        entry = METHODS.get((inbound.era, method))
        if entry is None:
            other = Era.MODERN if inbound.era is Era.LEGACY else Era.LEGACY
            why = f"The method {method[:64]!r} is not offered here."
            if (other, method) in METHODS:
                why = f"{method} does not exist in protocol version {inbound.envelope.version}."
            status = 404 if inbound.era is Era.MODERN else 200
            return Answer(status, error_response(inbound.message.id, METHOD_NOT_FOUND, why))
        return await entry(self, inbound)

    def take_note(self, message: Message, session: Session | None) -> None:
        """A notification: cancellation ends a call, everything else needs nothing of us."""
        if message.method == "notifications/cancelled" and session is not None:
            session.in_flight.cancel(message.params.get("requestId"))

    async def drain(self, seconds: float) -> None:
        """Refuses new calls, waits for those in flight, then cancels what is left."""
        self.is_stopping = True
        active = set(self.active)
        if active:
            _, late = await asyncio.wait(active, timeout=seconds)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=5)


async def _initialize(dispatcher: Dispatcher, inbound: Inbound) -> Answer:
    params = inbound.message.params
    session = inbound.session  # over stdio the pipe is the session
    if session is None:
        client = params.get("clientInfo", {})
        version = negotiate(params.get("protocolVersion"))
        session = dispatcher.sessions.open(
            inbound.principal, version, client if isinstance(client, dict) else {}
        )
    result = initialize_result(
        session.version, dispatcher.version, dispatcher.current().instructions
    )
    return Answer(
        body=response(inbound.message.id, result), headers=(("mcp-session-id", session.id),)
    )


async def _discover(dispatcher: Dispatcher, inbound: Inbound) -> Answer:
    result = discover_result(dispatcher.version, dispatcher.current().instructions)
    return Answer(body=response(inbound.message.id, result))


async def _ping(_dispatcher: Dispatcher, inbound: Inbound) -> Answer:
    return Answer(body=response(inbound.message.id, {}))


async def _list_tools(dispatcher: Dispatcher, inbound: Inbound) -> Answer:
    if inbound.message.params.get("cursor") is not None:
        raise Malformed(
            INVALID_PARAMS, "There is one page only; ask without a cursor.",
            message_id=inbound.message.id,
        )  # fmt: skip
    gateway = dispatcher.current()
    tools, varies = await visible_tools(inbound.principal, gateway, inbound.route)
    result = list_result(tools, inbound.era, 0 if varies else LIST_TTL_MS)
    return Answer(body=response(inbound.message.id, result))


async def _call_tool(dispatcher: Dispatcher, inbound: Inbound) -> Answer:
    gateway = dispatcher.current()
    message = inbound.message
    name, arguments = read_tool_call(message)
    _check_params(gateway, inbound, name)
    call = _call(gateway, inbound, name, arguments)
    if dispatcher.is_stopping:
        refusal = Refused("shutting_down", "The gateway is stopping; try again later.")
        outcome = record_refusal(call, refusal, gateway)
        return _answer(message.id, outcome, gateway, inbound.era)
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - we are in a coroutine
    dispatcher.active.add(task)
    session = inbound.session
    if session is not None:
        session.in_flight.begin(message.id, task)
    try:
        outcome = await govern(call, gateway, inbound.caller)
    finally:
        dispatcher.active.discard(task)
        if session is not None:
            session.in_flight.end(message.id)
    return _answer(message.id, outcome, gateway, inbound.era)


def _call(gateway: Gateway, inbound: Inbound, name: str, arguments: dict[str, Json]) -> Call:
    envelope = inbound.envelope
    return Call(
        id=gateway.new_call_id(),
        received_at=gateway.clock.now(),
        era=inbound.era,
        protocol_version=envelope.version,
        proof=inbound.proof,
        requested_name=name,
        route=inbound.route,
        session_id=inbound.session.id if inbound.session else None,
        arguments=arguments,
        meta=envelope.meta,
        progress_token=envelope.progress_token,
        client=envelope.client,
        principal=inbound.principal,
    )


def _check_params(gateway: Gateway, inbound: Inbound, name: str) -> None:
    if inbound.era is not Era.MODERN or inbound.headers is None:
        return
    names = split_name(inbound.route, name)
    tool = gateway.catalog.find(*names) if names is not None else None
    if tool is not None:
        routing.check_params(inbound.message, tool.mirrored, inbound.headers)


def _answer(message_id: Json, outcome: Outcome, gateway: Gateway, era: Era) -> Answer:
    code = outcome.refusal_code
    if code is not None:
        body = refusal_response(message_id, outcome, as_error=gateway.refuses_as_error)
        return Answer(_status(code, era), body)
    reply = outcome.call.reply
    assert reply is not None  # noqa: S101 - a call that is not refused has its reply
    raw = msgspec.Raw(deliverable(reply, era))
    if reply.is_error:
        return Answer(body=encode({"jsonrpc": "2.0", "id": message_id, "error": raw}))
    return Answer(body=response(message_id, raw))


def _status(code: str, era: Era) -> int:
    """2026-07-28 maps -32602 to 400; the handshake era answers requests with 200."""
    refusal = refusal_of(code)
    is_invalid = refusal.error_code == INVALID_PARAMS
    return 400 if era is Era.MODERN and is_invalid else refusal.http_status


def malformed_answer(malformed: Malformed, era: Era | None) -> Answer:
    """The answer to a message that cannot be taken."""
    data = getattr(malformed, "data", None)
    body = error_response(malformed.message_id, malformed.code, malformed.reason, data)
    is_answerable = era is Era.LEGACY and malformed.code in (METHOD_NOT_FOUND, INVALID_PARAMS)
    return Answer(200 if is_answerable else 400, body)


def unidentified_answer(refused: Refused, message_id: Json) -> Answer:
    """The answer to a caller whose proof is missing or does not hold."""
    refusal = refusal_of(refused.code)
    data = {META_KEY: refusal_data(refused.code, refused.reason, None)}
    body = error_response(message_id, refusal.error_code or -32603, refused.reason, data)
    headers: tuple[tuple[str, str], ...] = ()
    if refusal.http_status == 401:
        headers = (("www-authenticate", 'Bearer realm="callgate"'),)
    return Answer(refusal.http_status, body, headers)


Answerer = Callable[[Dispatcher, Inbound], Awaitable[Answer]]

METHODS: Mapping[tuple[Era, str], Answerer] = {
    (Era.LEGACY, "initialize"): _initialize,
    (Era.LEGACY, "ping"): _ping,
    (Era.LEGACY, "tools/list"): _list_tools,
    (Era.LEGACY, "tools/call"): _call_tool,
    (Era.MODERN, "server/discover"): _discover,
    (Era.MODERN, "tools/list"): _list_tools,
    (Era.MODERN, "tools/call"): _call_tool,
}
# INVARIANT: nothing passes through unseen. A method that is not in this table never reaches a
# target; to govern another, give it a row here.
