"""What the gateway says of itself: initialize, server/discover, ping, the level of logging."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable

from callgate.downstream.inbound import Answer, Desk, Inbound
from callgate.downstream.sessions import declared
from callgate.downstream.using import answer
from callgate.model import Era, Features, Json, Refused
from callgate.pipeline.gateway import Gateway
from callgate.pipeline.offering import relayed
from callgate.pipeline.pipeline import govern
from callgate.protocol.eras import negotiate
from callgate.protocol.jsonrpc import INVALID_PARAMS, Malformed, response
from callgate.protocol.mcp import discover_result, initialize_result
from callgate.protocol.methods import LEVELS, TASKS_EXTENSION

_log = logging.getLogger("callgate.calls")


async def initialize(desk: Desk, inbound: Inbound) -> Answer:
    """Opens a session of the handshake era."""
    params = inbound.message.params
    session = inbound.session  # over stdio the pipe is the session
    if session is None:
        session = inbound.session = desk.sessions.open(
            inbound.principal,
            negotiate(params.get("protocolVersion")),
            *declared(inbound.message),
        )
    desk.outside(inbound)
    offered = await _offered(desk, inbound)
    return Answer(
        body=response(
            inbound.message.id, initialize_result(session.version, desk.version, offered)
        ),
        headers=(("mcp-session-id", session.id),),
    )


async def discover(desk: Desk, inbound: Inbound) -> Answer:
    """Says what a modern client may use here."""
    result = discover_result(desk.version, await _offered(desk, inbound))
    return Answer(body=response(inbound.message.id, result))


async def ping(_desk: Desk, inbound: Inbound) -> Answer:
    """Answered here: the other side of the gateway is another connection."""
    return Answer(body=response(inbound.message.id, {}))


async def set_level(desk: Desk, inbound: Inbound) -> Answer:
    """From now on, only log messages that are as severe; for all targets of the route."""
    level = inbound.message.params.get("level")
    if level not in LEVELS:
        reason = f"`params.level` must be one of {', '.join(LEVELS)}."
        raise Malformed(INVALID_PARAMS, reason, message_id=inbound.message.id)
    session, outside = inbound.session, desk.outside(inbound)
    if session is not None and outside is not None:
        session.log_level = level
        outside.set_level(level)
    gateway = desk.current()
    if inbound.route is not None and await _is_told(gateway, inbound):
        call = desk.call(inbound, gateway, "logging/setLevel", {"level": level})
        with desk.on_its_way(inbound):
            outcome = await govern(call, gateway, inbound.caller, outside)
        return answer(inbound, outcome, gateway)
    return Answer(body=response(inbound.message.id, {}))


async def _is_told(gateway: Gateway, inbound: Inbound) -> bool:
    """Whether the target keeps a level: a modern one is told it with each request instead."""
    features = await _features(gateway, inbound, (inbound.route or "",))
    return any(one.era is Era.LEGACY and one.has("logging") for one in features)


async def _offered(desk: Desk, inbound: Inbound) -> Features:
    """What can be used on this route: what its targets have, as far as we pass it on."""
    gateway = desk.current()
    targets = desk.route(inbound).names()
    found = await _features(gateway, inbound, targets)
    instructions = gateway.instructions
    if instructions is None and inbound.route is not None and found:
        instructions = found[0].instructions
    return Features(
        capabilities=_capabilities(found, inbound.era, inbound.client.capabilities),
        instructions=instructions,
    )


async def _features(gateway: Gateway, inbound: Inbound, targets: Iterable[str]) -> list[Features]:
    """What the targets say of themselves. Down, slow or lying: left out, and logged."""

    async def of(target: str) -> Features | None:
        try:
            return await gateway.features(inbound.principal, inbound.client, target)
        except Refused as refused:
            _log.info("target %s did not say what it can do: %s", target, refused.detail)
            return None

    said = await asyncio.gather(*(of(target) for target in targets))
    return [features for features in said if features is not None]


def _capabilities(found: list[Features], era: Era, client: dict[str, Json]) -> dict[str, Json]:
    offered: dict[str, Json] = {"tools": {"listChanged": True}}
    if any(one.has("resources") for one in found):
        has_updates = any(one.has("resources", "subscribe") for one in found)
        offered["resources"] = {"subscribe": has_updates, "listChanged": True}
    if any(one.has("prompts") for one in found):
        offered["prompts"] = {"listChanged": True}
    for simple in ("completions", "logging"):
        if any(one.has(simple) for one in found):
            offered[simple] = {}
    extensions: dict[str, Json] = {}
    for one in found:
        extensions |= relayed(one.capabilities)
    if era is Era.LEGACY:  # tasks are an extension of 2026-07-28; others need the client's word
        extensions.pop(TASKS_EXTENSION, None)
        extensions = {name: said for name, said in extensions.items() if name in relayed(client)}
    if extensions:
        offered["extensions"] = extensions
    return offered
