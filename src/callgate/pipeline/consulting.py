"""Asking one interceptor: how long, how many at once, and what counts as its failure."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import suppress
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
MAX_DETAIL_CHARACTERS = 200
TIDY_SECONDS = 1.0  # for who is told to stop, before it is left where it is


class EndedError(Exception):
    """It ended as nothing ends that is asked for an answer."""


async def consult(attachment: Attachment, question: Asked, clock: Clock) -> Told:
    """Asks, within the bounds of the attachment. Raises nothing but cancellation.

    A decision counts as success for the breaker only once it has proved not to be junk: see
    `wishes.applied`.
    """
    told = begin(attachment, question, clock)
    return await told.rest() if isinstance(told, Waiting) else told


def begin(attachment: Attachment, question: Asked, clock: Clock) -> Told | Waiting:
    """Asks as far as that goes without waiting; most are done then, and cost no more.

    What is Waiting must be awaited. Raises nothing.
    """
    started = clock.ticks()
    gate = attachment.gate
    try:
        gate.breaker.admit(started)
        if not gate.try_enter():
            return Waiting(attachment, question, clock, started, None)
        try:
            # What answers without waiting for anything needs no timeout: it is over.
            waits_for = question.send(None)
        except StopIteration as done:
            gate.leave()
            decision = done.value
        except BaseException:
            gate.leave()
            raise
        else:
            return Waiting(attachment, question, clock, started, _Begun(question, waits_for))
        if decision is not None:
            return _decided(decision, started, clock)
    except BaseException as error:  # noqa: BLE001 - whatever fails in foreign code is its failure
        return _failed(attachment, question, error, started, clock)
    gate.breaker.succeeded()
    return NOTHING


class Waiting:
    """A question that has not been answered at once."""

    def __init__(
        self,
        attachment: Attachment,
        question: Asked,
        clock: Clock,
        started: float,
        begun: _Begun | None,
    ) -> None:
        self._attachment = attachment
        self._question = question
        self._clock = clock
        self._started = started
        self._begun = begun  # None: it waits for a place

    async def rest(self) -> Told:
        """The answer. Raises nothing but cancellation."""
        attachment = self._attachment
        seconds = attachment.timeout_seconds
        try:
            async with asyncio.timeout(seconds + TIDY_SECONDS), asyncio.timeout(seconds):
                decision = await self._answer()
            if decision is not None:
                return _decided(decision, self._started, self._clock)
        except GeneratorExit:
            raise  # whoever waited for us is no more
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError) and _is_cancelled():
                _end(self._question)
                attachment.gate.breaker.gave_up()
                raise
            return _failed(attachment, self._question, error, self._started, self._clock)
        attachment.gate.breaker.succeeded()
        return NOTHING

    async def _answer(self) -> object:
        gate, begun = self._attachment.gate, self._begun
        if begun is None:
            await gate.enter()
            begun = _Begun(self._question)
        try:
            return await begun
        finally:
            gate.leave()


def said(error: BaseException) -> str:
    """What an exception of foreign code says, as a record can hold it."""
    try:
        text = str(error)[:MAX_DETAIL_CHARACTERS]
    except BaseException:  # noqa: BLE001 - even this is foreign code
        text = "it does not say why"
    return text.encode("utf-8", "replace").decode()


def _decided(decision: object, started: float, clock: Clock) -> Told:
    if not isinstance(decision, Decision):
        raise TypeError(f"returned {type(decision).__name__}; return a Decision or None")
    now = clock.ticks()
    return Told(decision=decision, seconds=now - started, at=now)


def _failed(
    attachment: Attachment, question: Asked, error: BaseException, started: float, clock: Clock
) -> Told:
    _end(question)
    now = clock.ticks()
    attachment.gate.breaker.failed(now)
    what = f"failed ({type(error).__name__})"
    if isinstance(error, TimeoutError):
        what = "took too long"
    return Told(failure=what, detail=said(error), seconds=now - started, at=now)


def _is_cancelled() -> bool:
    """Whether the call is, rather than something that the interceptor waited for."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


def _end(question: Asked) -> None:
    """Nobody waits for it any more. Nothing happens where it ran to its end."""
    with suppress(BaseException):  # it may raise what it likes, or not even end then
        question.close()


_NOT_YET = object()


class _Begun:
    """A coroutine, driven from its first step on or from where it waits; it may do what it likes.

    Told to stop, it has time to tidy up; told again, it is left where it is.
    """

    __slots__ = ("_coroutine", "_waits_for")

    def __init__(self, coroutine: Asked, waits_for: object = _NOT_YET) -> None:
        self._coroutine = coroutine
        self._waits_for = waits_for

    def __await__(self) -> Generator[Any, Any, Decision | None]:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - something awaits this
        waits_for, before = self._waits_for, task.cancelling()
        while True:
            sent: object = None
            thrown: BaseException | None = None
            if waits_for is not _NOT_YET:
                try:
                    sent = yield waits_for
                except BaseException as error:  # noqa: BLE001 - it is the coroutine's to handle
                    thrown = error
            if isinstance(thrown, asyncio.CancelledError) and task.cancelling() > before + 1:
                raise thrown
            try:
                waits_for = self._step(sent, thrown)
            except StopIteration as done:
                if task.cancelling() > before:  # it was told to stop, and made as if it was not
                    raise asyncio.CancelledError from None
                return done.value  # type: ignore[no-any-return] # checked by who asked

    def _step(self, sent: object, thrown: BaseException | None) -> object:
        try:
            if thrown is None:
                return self._coroutine.send(sent)
            return self._coroutine.throw(thrown)
        except GeneratorExit as left:
            if left is thrown:
                raise
            raise EndedError("it raised GeneratorExit") from left
