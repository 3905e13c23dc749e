"""Asking one interceptor: how long, how many at once, and what counts as its failure."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import Any

from callgate.model import Value
from callgate.pipeline.attaching import Attachment
from callgate.ports import Clock
from callgate.scrutiny import Asked, Decision


class Told(Value):
    """What came of asking: a decision, nothing, or a failure."""

    decision: Decision | None = None
    failure: str = ""  # what went wrong, in words; "" where nothing did
    detail: str = ""
    seconds: float = 0.0
    at: float = 0.0  # ticks when it was over


NOTHING = Told()


async def consult(attachment: Attachment, question: Asked, clock: Clock) -> Told:
    """Asks, within the bounds of the attachment. Raises nothing but cancellation.

    A decision counts as success for the breaker only once it has proved not to be junk: see
    `wishes.applied`.
    """
    started = clock.ticks()
    gate = attachment.gate
    breaker = gate.breaker
    try:
        breaker.admit(started)
        if gate.try_enter():
            try:
                decision = await _in_place(attachment, question)
            finally:
                gate.leave()
        else:
            decision = await _in_turn(attachment, question)
        if decision is not None and not isinstance(decision, Decision):
            raise TypeError(f"returned {type(decision).__name__}; return a Decision or None")
    except asyncio.CancelledError:
        breaker.gave_up()
        raise
    except Exception as error:  # noqa: BLE001 - whatever fails in foreign code is its failure
        now = clock.ticks()
        breaker.failed(now)
        return _failed(error, started, now)
    finally:
        question.close()  # a no-op where it ran to its end
    if decision is None:
        breaker.succeeded()
        return NOTHING
    now = clock.ticks()
    return Told(decision=decision, seconds=now - started, at=now)


def _failed(error: Exception, started: float, now: float) -> Told:
    what = f"failed ({type(error).__name__})"
    if isinstance(error, TimeoutError):
        what = "took too long"
    return Told(failure=what, detail=str(error)[:200], seconds=now - started, at=now)


async def _in_place(attachment: Attachment, question: Asked) -> object:
    """The answer. What answers without waiting for anything needs no timeout: it is over."""
    try:
        waits_for = question.send(None)
    except StopIteration as done:
        return done.value
    async with asyncio.timeout(attachment.timeout_seconds):
        return await _Begun(question, waits_for)


async def _in_turn(attachment: Attachment, question: Asked) -> object:
    """The answer, once there is a place."""
    async with asyncio.timeout(attachment.timeout_seconds):
        await attachment.gate.enter()
        try:
            return await question
        finally:
            attachment.gate.leave()


class _Begun:
    """A coroutine that has taken its first step, and is waiting."""

    __slots__ = ("_coroutine", "_waits_for")

    def __init__(self, coroutine: Asked, waits_for: object) -> None:
        self._coroutine = coroutine
        self._waits_for = waits_for

    def __await__(self) -> Generator[Any, Any, Decision | None]:
        waits_for = self._waits_for
        while True:
            try:
                try:
                    sent = yield waits_for
                except BaseException as error:  # noqa: BLE001 - it is the coroutine's to handle
                    waits_for = self._coroutine.throw(error)
                else:
                    waits_for = self._coroutine.send(sent)
            except StopIteration as done:
                return done.value  # type: ignore[no-any-return] # checked by who asked
