"""Erases what has been kept long enough, again and again, beside the calls."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from callgate.audit.record import Entry
from callgate.ports import Clock, StoreError
from callgate.storage.retention.erasing import BusyError, Eraser, StoppedError
from callgate.storage.settings import StoreSettings

EVERY_SECONDS = 900.0
AFTER_FAULT_SECONDS = 60.0
FIRST_SECONDS = 5.0  # the gateway has other things to do when it starts
APPEND_SECONDS = 60.0

_log = logging.getLogger("callgate.storage")


class Retention:
    """No fault here refuses a call; what could not be erased is erased later."""

    def __init__(
        self,
        settings: StoreSettings,
        clock: Clock,
        append: Callable[[Entry], Awaitable[None]],
        first_seconds: float = FIRST_SECONDS,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._append = append
        self._first_seconds = first_seconds
        self._rules = [(one.rule, one.rule.in_words(one.keep)) for one in settings.retention]
        self._fault: str | None = None

    async def run(self) -> None:
        """Until it is cancelled. Also without rules: what others have begun is finished."""
        await asyncio.sleep(self._first_seconds)
        while True:
            fault = await self._turn()
            if fault != self._fault:
                if fault is not None:
                    _log.warning("retention does not go on: %s", fault)
                else:
                    _log.info("retention goes on")
            self._fault = fault
            await asyncio.sleep(EVERY_SECONDS if fault is None else AFTER_FAULT_SECONDS)

    async def _turn(self) -> str | None:
        """What went wrong, if anything did."""
        stop = threading.Event()
        append = appending(self._append, asyncio.get_running_loop())
        eraser = Eraser(self._settings, self._clock, append, stop)
        work = asyncio.ensure_future(asyncio.to_thread(self._work, eraser))
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            stop.set()
            await asyncio.wait([work])  # it uses what is closed next
            raise

    def _work(self, eraser: Eraser) -> str | None:
        try:
            with eraser.at_work():
                eraser.retain(self._rules)
        except (BusyError, StoppedError):
            return None  # another process sees to it
        except StoreError as error:
            return str(error)
        except Exception as error:  # noqa: BLE001 - it must not end here, whatever it was
            return f"{type(error).__name__}: {error}"
        return None


def appending(
    append: Callable[[Entry], Coroutine[Any, Any, None] | Awaitable[None]],
    loop: asyncio.AbstractEventLoop,
) -> Callable[[Entry], None]:
    """The same for another thread than the loop's. StoreError."""

    async def appended(entry: Entry) -> None:
        await append(entry)

    def blocking(entry: Entry) -> None:
        waiting = asyncio.run_coroutine_threadsafe(appended(entry), loop)
        try:
            waiting.result(APPEND_SECONDS)
        except TimeoutError:
            waiting.cancel()
            raise StoreError("the event of a deletion was not recorded in time") from None

    return blocking
