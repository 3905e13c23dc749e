"""Blocking work that may hang for ever, in a thread that nobody has to wait for."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress


class Hanging(Exception):  # noqa: N818 - says what is so
    """What was begun has not come back in time."""


class Apart:
    """One piece of work at a time. One that hangs costs one thread, and no exit waits for it."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._ended = threading.Event()
        self._ended.set()

    async def run(self, work: Callable[[], None], timeout_seconds: float) -> None:
        """Raises what the work raises, and Hanging, also where the one before still hangs."""
        if not self._ended.is_set():
            raise Hanging
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()

        def run() -> None:
            problem: Exception | None = None
            try:
                work()
            except Exception as error:  # noqa: BLE001 - handed to who waits
                problem = error
            ended.set()
            with suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(_tell, done, problem)

        ended = self._ended = threading.Event()
        threading.Thread(target=run, name=self._name, daemon=True).start()
        try:
            async with asyncio.timeout(timeout_seconds):
                await done
        except TimeoutError:
            if done.done() and not done.cancelled():
                raise  # the work's own
            raise Hanging from None


def _tell(done: asyncio.Future[None], problem: Exception | None) -> None:
    if done.done():
        return
    if problem is None:
        done.set_result(None)
    else:
        done.set_exception(problem)
