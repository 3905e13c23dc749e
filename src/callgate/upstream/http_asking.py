"""Requests of a legacy target that wait for the agent's client, each in a task of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from callgate.protocol.jsonrpc import INTERNAL_ERROR, error_response
from callgate.protocol.outbound import Message, WireError, read_params
from callgate.upstream.tasks import Tasks

CANCELLED = "notifications/cancelled"
MAX_ASKS = 16  # of one call, or of one session outside any call, at a time


class Asks:
    """Those of one call, or of one session outside any call. `deliver` sends an answer."""

    def __init__(self, tasks: Tasks, deliver: Callable[[bytes], Coroutine[Any, Any, None]]) -> None:
        self._tasks = tasks
        self._deliver = deliver
        self._asking: dict[int | str, asyncio.Task[None]] = {}
        self._delivering = 0

    def begin(self, message: Message, answer: Callable[[], Awaitable[bytes]]) -> None:
        """Has a request answered beside the reading. Raises WireError."""
        request_id = message.id
        assert request_id is not None  # noqa: S101 - that is what makes it a request
        if request_id in self._asking:
            raise WireError(f"two requests of the target with the id {str(request_id)[:40]!r}")
        if len(self._asking) + self._delivering >= MAX_ASKS:
            raise WireError(f"more than {MAX_ASKS} requests of the target at a time")
        work = self._answer(request_id, answer)
        self._asking[request_id] = self._tasks.start(work, "answering the target")

    async def _answer(self, request_id: int | str, answer: Callable[[], Awaitable[bytes]]) -> None:
        try:
            body = await answer()
        finally:
            self._asking.pop(request_id, None)
        self._delivering += 1
        try:
            await self._deliver(body)
        finally:
            self._delivering -= 1

    def hear_cancelled(self, message: Message) -> None:
        """The target wants no answer any more to a request of its own."""
        request_id = read_params(message).get("requestId")
        if isinstance(request_id, int | str) and request_id is not True:
            task = self._asking.get(request_id)
            if task is not None:
                task.cancel()

    def end(self, reason: str | None = None) -> None:
        """Nobody is asked any more; the target is told why, if a reason is given."""
        asking = tuple(self._asking.items())
        for request_id, task in asking:
            task.cancel()
            if reason is not None:
                body = error_response(request_id, INTERNAL_ERROR, reason)
                self._tasks.start(self._deliver(body), "telling why there is no answer")
