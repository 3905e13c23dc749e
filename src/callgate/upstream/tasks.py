"""Background work that somebody owns: no task is lost, and all of them end with their owner."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

from callgate.pipeline.threads import Closed

__all__ = ["Closed", "Tasks", "join"]

T = TypeVar("T")
_log = logging.getLogger("callgate.upstream")


async def join(task: asyncio.Task[T]) -> T:
    """Waits for work that others may wait for too: a waiter who gives up does not end it.

    Raises what the work raises, and Closed where its owner ended it.
    """
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        waiter = asyncio.current_task()
        if task.cancelled() and (waiter is None or not waiter.cancelling()):
            raise Closed("the owner closed") from None
        raise


class Tasks:
    """The running tasks of one owner. A failure is logged once and ends nobody else."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()
        self._is_closed = False

    def start(self, work: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
        """Runs `work` until it is done or the owner closes."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._running.add(task)
        task.add_done_callback(self._ended)
        if self._is_closed:
            task.cancel()
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.debug("%s ended: %s", task.get_name(), error)

    async def close(self) -> None:
        """Cancels what still runs and waits until all of it has ended."""
        self._is_closed = True
        while self._running:
            running = tuple(self._running)
            for task in running:
                task.cancel()
            await asyncio.wait(running)
