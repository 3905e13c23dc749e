"""A bounded pool of daemon threads: a call that never returns cannot keep the process alive."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Closed(Exception):  # noqa: N818 - says what is so
    """The owner closed before the work was done."""


class Job(Generic[T]):
    """One piece of blocking work. `has_begun` says whether any of it ran."""

    def __init__(self, work: Callable[[], T]) -> None:
        self.has_begun = False
        self._work = work
        self._is_abandoned = False
        self._lock = threading.Lock()
        self._context = copy_context()
        self._loop = asyncio.get_running_loop()
        self.done: asyncio.Future[T] = self._loop.create_future()

    def abandon(self) -> None:
        """Nobody waits any more: work that has not begun never does."""
        with self._lock:
            self._is_abandoned = True

    def run(self) -> None:
        """Does the work in the calling thread and hands its result to the event loop."""
        with self._lock:
            if self._is_abandoned:
                return
            self.has_begun = True
        result: T | None = None
        error: BaseException | None = None
        try:
            result = self._context.run(self._work)
        except BaseException as raised:  # noqa: BLE001 - whatever it is, it belongs to the waiter
            error = raised if _is_holdable(raised) else RuntimeError(repr(raised))
        with suppress(RuntimeError):  # the loop has closed meanwhile: nobody waits
            self._loop.call_soon_threadsafe(self._settle, result, error)

    def _settle(self, result: Any, error: BaseException | None) -> None:
        if self.done.done():
            return
        if error is not None:
            self.done.set_exception(error)
        else:
            self.done.set_result(result)


def _is_holdable(error: BaseException) -> bool:
    """Whether a future can hold it: StopIteration it refuses, and nobody would ever be answered."""
    return isinstance(error, Exception) and not isinstance(error, StopIteration)


class Threads:
    """Runs jobs in up to `most` threads, started as they are needed."""

    def __init__(self, most: int, name: str) -> None:
        self._most = most
        self._name = name
        self._jobs: SimpleQueue[Job[Any] | None] = SimpleQueue()
        self._started = 0
        self._is_closed = False
        self._busy = 0  # jobs that were handed in and are neither finished nor abandoned

    async def run(self, job: Job[T]) -> T:
        """Waits for the job. Cancelled: it goes on where it has begun, else it never begins.

        Raises what the job raises, and Closed after `close`.
        """
        if self._is_closed:
            raise Closed("the owner closed")
        self._busy += 1
        if self._busy > self._started and self._started < self._most:
            self._started += 1
            name = f"{self._name}-{self._started}"
            threading.Thread(target=self._work, name=name, daemon=True).start()
        self._jobs.put(job)
        job.done.add_done_callback(self._ended)
        try:
            return await asyncio.shield(job.done)
        except asyncio.CancelledError:
            job.abandon()
            if not job.has_begun:
                job.done.cancel()
            raise

    def _ended(self, done: asyncio.Future[Any]) -> None:
        self._busy -= 1
        if not done.cancelled():
            done.exception()  # nobody may be waiting for it any more

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job.run()

    def close(self) -> None:
        """Lets idle threads end. Those that are busy end after their work."""
        self._is_closed = True
        for _ in range(self._started):
            self._jobs.put(None)
