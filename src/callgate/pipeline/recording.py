"""Writing calls down: before the entry that refers to something, what it refers to."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

from msgspec.structs import replace

from callgate.audit.definitions import tool_defined, tool_id
from callgate.audit.principals import describe
from callgate.audit.record import Entry
from callgate.audit.telling import Ended, Intended
from callgate.model import Call, Outcome
from callgate.pipeline.gateway import Gateway
from callgate.ports import StoreError

_log = logging.getLogger("callgate.calls")


def in_run(call: Call, gateway: Gateway) -> Call:
    """The call, with the run that it belongs to."""
    if call.run is not None or call.principal is None:
        return call
    return replace(call, run=gateway.runs.of(call))


def sent_traceparent(call: Call) -> str:
    """What the caller itself said of its trace, for when telemetry says something else there."""
    if call.sent_traceparent is not None:
        return call.sent_traceparent
    sent = call.meta.get("traceparent")
    return sent if isinstance(sent, str) else ""


async def keep_intent(call: Call, gateway: Gateway) -> None:
    """Returns when the intent is durable, and what it refers to. Raises StoreError."""
    at, definitions = gateway.clock.now(), gateway.definitions
    try:
        if not definitions.covers(call.principal, call.tool):
            await _define(call, at, gateway)
        await gateway.store.append(Intended(call=call, at=at, keeping=gateway.keeping))
    except StoreError:
        definitions.forget()  # another file may lie there when it works again
        raise


async def _define(call: Call, at: float, gateway: Gateway) -> None:
    """Returns when all that the call refers to is durable. Raises StoreError."""
    definitions, identifiers = gateway.definitions, []
    if definitions.standing is not None:
        await definitions.define(*definitions.standing, gateway.store)
    for identifier, make in _references(call, at):
        await definitions.define(identifier, make, gateway.store)
        identifiers.append(identifier)
    definitions.cover(call.principal, call.tool, identifiers)


def keep_outcome(ended: Outcome, gateway: Gateway) -> None:
    """Queues the outcome, and before it what it refers to. Never raises."""
    at, call, definitions = gateway.clock.now(), ended.call, gateway.definitions
    try:
        if not definitions.covers(call.principal, call.tool):
            for identifier, make in _references(call, at):
                definitions.define_soon(identifier, make, gateway.store)
        gateway.store.append_soon(Ended(outcome=ended, at=at, keeping=gateway.keeping))
    except StoreError as error:
        # The intent, where there was one, is durable; recovery will mark it as interrupted.
        _log.error("the outcome of call %s could not be recorded: %s", ended.call.id, error)
    except Exception:  # noqa: BLE001 - a fault of ours in telling must not change how a call ends
        _log.exception("the outcome of call %s could not be told", ended.call.id)


def _references(call: Call, at: float) -> Iterator[tuple[str, Callable[[], Entry]]]:
    """What an entry of this call names by digest, and how that is written down."""
    if call.principal is not None:
        described = describe(call.principal)
        if described.identifier is not None:
            yield described.identifier, lambda: described.entry(at)
    tool = call.tool
    if tool is not None:
        yield tool_id(tool.digest), lambda: tool_defined(tool, at)
