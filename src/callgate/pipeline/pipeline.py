"""The call path: the stages in their order, and what holds for every call whatever happens."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from operator import sub
from typing import Any

from msgspec.structs import replace

from callgate.model import Call, Outcome, Ran, Refused
from callgate.pipeline.asking import Asking, Outside
from callgate.pipeline.gateway import Gateway
from callgate.pipeline.recording import in_run, keep_outcome, sent_traceparent
from callgate.pipeline.stages import (
    admit,
    authorize,
    forward,
    identify,
    intercept_request,
    intercept_response,
    record_intent,
    resolve,
)
from callgate.ports import Caller
from callgate.protocol.methods import METHODS

Stage = Callable[[Call, Gateway, Caller], Coroutine[Any, Any, Call]]

STAGES: tuple[Stage, ...] = (
    identify,  # who is calling?
    resolve,  # which tool; well-formed arguments for a tool that exists?
    admit,  # the coarse boundary: could any policy let this principal call this tool?
    intercept_request,  # runtime scrutiny: enrich, rewrite, refuse, answer
    authorize,  # the full decision, on the arguments exactly as they will be sent
    record_intent,  # written before any side effect
    forward,  # the only stage that reaches a target
    intercept_response,  # filter, redact, withhold
)
DRY: tuple[Stage, ...] = (
    resolve,
    admit,
    authorize,
)  # what decides without effect: replay asks the engine itself, and is held against these

_NAMES = tuple(stage.__name__ for stage in STAGES)
_log = logging.getLogger("callgate.calls")


async def govern(
    call: Call, gateway: Gateway, caller: Caller, beyond: Outside | None = None
) -> Outcome:
    """Takes one call through all stages. Never raises but for cancellation; always records.

    `caller` is the agent; a request of a target goes to it, every other call to a target, which
    meets it as `Asking` lets it, and outside of the call as `beyond` does.
    """
    if not METHODS[call.method].is_asked_by_target:
        caller = Asking(caller, call, gateway, govern, beyond)
    span = gateway.telemetry.begin(call)
    if span.traceparent is not None:
        call = replace(
            call,
            meta={**call.meta, "traceparent": span.traceparent},
            sent_traceparent=sent_traceparent(call),
        )
    ticks = gateway.clock.ticks
    refused: Refused | None = None
    instants = [ticks()]
    stage: Stage = identify
    try:
        for stage in STAGES:
            call = await stage(call, gateway, caller)
            instants.append(ticks())
    except Refused as refusal:
        refused = refusal
    except asyncio.CancelledError:
        ran = Ran.UNKNOWN if stage is forward else call.ran
        call = replace(call, ran=ran)
        refused = Refused("cancelled", "The caller cancelled the call.")
        raise
    except Exception as error:  # noqa: BLE001 - any failure of ours refuses the call
        _log.exception("stage %s failed in call %s", stage.__name__, call.id)
        ran = Ran.UNKNOWN if stage is forward else call.ran
        refused = Refused(
            "internal_error",
            "The gateway failed on this call, so it is refused.",
            detail=f"{stage.__name__}: {type(error).__name__}: {error}",
            call=replace(call, ran=ran),
        )
    finally:
        if refused is not None:
            instants.append(ticks())
            call = refused.call or call
        outcome = _outcome(call, _timings(instants), refused, caller)
        _record(outcome, gateway)
        span.end(outcome)
    return outcome


def _timings(instants: list[float]) -> dict[str, float]:
    """How long each stage took, of the instants between them."""
    return dict(zip(_NAMES, map(sub, instants[1:], instants), strict=False))


def _outcome(
    call: Call, timings: dict[str, float], refused: Refused | None, caller: Caller
) -> Outcome:
    if refused is None:
        return Outcome(call=call, timings=timings, is_delivered=not caller.is_gone)
    return Outcome(
        call=call,
        timings=timings,
        refusal_code=refused.code,
        reason=refused.reason,
        detail=refused.detail,
        data=refused.data,
        is_delivered=False,
    )


def _record(outcome: Outcome, gateway: Gateway) -> None:
    """Queues the outcome. Calls of nobody are logged and counted only: anybody can make them."""
    if outcome.call.principal is None:
        _log.info("refused %s: %s", outcome.refusal_code, outcome.detail or outcome.reason)
        return
    keep_outcome(outcome, gateway)


def record_list(call: Call, gateway: Gateway, shown: int) -> Outcome:
    """The outcome of a list that was made without a target; recorded and counted."""
    span = gateway.telemetry.begin(call)
    call = in_run(call, gateway)
    outcome = Outcome(call=call, detail=f"{shown} shown", is_delivered=True)
    _record(outcome, gateway)
    span.end(outcome)
    return outcome


def record_refusal(call: Call, refused: Refused, gateway: Gateway) -> Outcome:
    """The outcome of a call that is refused before it enters the stages; recorded and counted."""
    span = gateway.telemetry.begin(call)
    outcome = Outcome(
        call=in_run(call, gateway),
        refusal_code=refused.code,
        reason=refused.reason,
        detail=refused.detail,
    )
    _record(outcome, gateway)
    span.end(outcome)
    return outcome
