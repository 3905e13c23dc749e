"""Requests that use something of a target: a tool, a resource, a prompt, a task."""

from __future__ import annotations

import msgspec

from callgate.downstream.inbound import Answer, Desk, Inbound
from callgate.downstream.parking import asking_response
from callgate.model import CALL_TOOL, Call, Era, Json, Outcome, Refused, Tool, split_name
from callgate.pipeline.gateway import Gateway
from callgate.pipeline.offering import can_be_asked
from callgate.pipeline.pipeline import govern, record_refusal
from callgate.protocol import headers as routing
from callgate.protocol.bridge import deliverable, modern_status
from callgate.protocol.jsonrpc import INVALID_PARAMS, encode, response
from callgate.protocol.mcp import check_extension, read_use
from callgate.protocol.methods import METHODS
from callgate.protocol.refusals import refusal_of, refusal_response


async def use(desk: Desk, inbound: Inbound) -> Answer:
    """Takes one request through the call path."""
    gateway = desk.current()
    check_extension(inbound.message, inbound.envelope)
    name, arguments, follow_up = read_use(inbound.message, inbound.era)
    tool = _checked(gateway, inbound, name)
    call = desk.call(inbound, gateway, name, arguments, follow_up, tool)
    try:
        if desk.is_stopping:
            raise Refused("shutting_down", "The gateway is stopping; try again later.")
        if inbound.era is Era.MODERN:
            desk.note_used(call.client, call.received_at)
        if inbound.era is Era.MODERN and _may_be_asked(gateway, call):
            return await _in_turns(desk, inbound, gateway, call)
    except Refused as refused:
        outcome = record_refusal(call, refused, gateway)
        return answer(inbound, outcome, gateway)
    with desk.on_its_way(inbound):
        outcome = await govern(call, gateway, inbound.caller, desk.outside(inbound))
    return answer(inbound, outcome, gateway)


def _may_be_asked(gateway: Gateway, call: Call) -> bool:
    """Whether the target may turn to the client in the middle of this call: only one that is not
    known to be modern does, and only to a client that takes questions.
    """
    if not METHODS[call.method].may_need_input or not can_be_asked(call.client.capabilities):
        return False
    names = split_name(call.route, call.requested_name)
    if names is None or not gateway.catalog.has_target(names[0]):
        return True
    return gateway.catalog.connector(names[0]).status.era != Era.MODERN.value


async def _in_turns(desk: Desk, inbound: Inbound, gateway: Gateway, call: Call) -> Answer:
    """One turn of a call: until it ends, or has a question for the client."""
    parking = desk.parking
    parked = parking.find(call, gateway.seal)
    if parked is None:
        if not parking.has_room(inbound.principal.key):
            raise Refused("overloaded", "Too many calls wait for their clients; try again later.")
        parked = parking.new(call)
        parking.begin(call, govern(call, gateway, parked, None), parked)
    else:
        responses = call.follow_up.responses if call.follow_up is not None else None
        parked.answered(responses or {})
    with desk.on_its_way(inbound):
        outcome = await parking.turn(parked, inbound.caller, call.progress_token)
    if outcome is not None:
        return answer(inbound, outcome, gateway)
    key = inbound.principal.key
    return Answer(body=asking_response(inbound.message.id, parked, gateway.seal, key))


def _checked(gateway: Gateway, inbound: Inbound, name: str) -> Tool | None:
    """Refuses mirrored headers that differ from the arguments. Raises Malformed.

    Returns the tool where it had to be found for that, and is known.
    """
    headers = inbound.headers
    if inbound.era is not Era.MODERN or headers is None or inbound.message.method != CALL_TOOL:
        return None
    names = split_name(inbound.route, name)
    if names is None:
        return None
    offer = gateway.offer(inbound.principal, inbound.client, names[0])
    tool = gateway.catalog.find(*names, offer)
    if tool is not None and tool.mirrored:
        routing.check_params(inbound.message, tool.mirrored, headers)
    return tool


def answer(inbound: Inbound, outcome: Outcome, gateway: Gateway) -> Answer:
    """What goes back for a call that has ended."""
    message_id, era = inbound.message.id, inbound.era
    if outcome.refusal_code is not None:
        body = refusal_response(message_id, outcome, as_error=gateway.refuses_as_error)
        return Answer(status_of(outcome.refusal_code, era), body)
    call = outcome.call
    assert call.reply is not None  # noqa: S101 - a call that is not refused has its reply
    reply = deliverable(call, call.reply)
    raw = msgspec.Raw(reply.body)
    if reply.is_error:
        status = modern_status(reply.body) if era is Era.MODERN else 200
        return Answer(status, encode({"jsonrpc": "2.0", "id": message_id, "error": raw}))
    return Answer(body=response(message_id, raw))


def status_of(code: str, era: Era) -> int:
    """2026-07-28 maps -32602 to 400; the handshake era answers requests with 200."""
    refusal = refusal_of(code)
    is_invalid = refusal.error_code == INVALID_PARAMS
    return 400 if era is Era.MODERN and is_invalid else refusal.http_status


def as_object(value: Json) -> dict[str, Json]:
    """The value where it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}
