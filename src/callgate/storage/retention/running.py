"""Erases what has been kept long enough, again and again, beside the calls."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

from callgate.audit.record import Entry
from callgate.ports import Clock, StoreError
from callgate.storage.retention.erasing import BusyError, Eraser, StoppedError
from callgate.storage.retention.reading import descriptions_went
from callgate.storage.retention.settings import RetentionRule
from callgate.storage.rows.opening import Source, heads
from callgate.storage.settings import StoreSettings

EVERY_SECONDS = 900.0
AFTER_FAULT_SECONDS = 60.0
FIRST_SECONDS = 5.0  # the gateway has other things to do when it starts
APPEND_SECONDS = 60.0
WATCH_SECONDS = 30.0  # between two looks for other rules, and for what other gateways erase

_log = logging.getLogger("callgate.storage")


class Retention:
    """No fault here refuses a call; what could not be erased is erased later."""

    def __init__(
        self,
        settings: StoreSettings,
        clock: Clock,
        append: Callable[[Entry], Awaitable[None]],
        rules: Callable[[], Sequence[RetentionRule]],
        forget: Callable[[], None] = lambda: None,
    ) -> None:
        """`rules`: those in force now. `forget`: see Eraser; in the loop."""
        self.first_seconds = FIRST_SECONDS
        self._settings = settings
        self._clock = clock
        self._append = append
        self._rules = rules
        self._forget = forget
        self._source = Source(settings)
        # Log → seq: what was said before that does not count.
        self._seen: dict[int, int] | None = None
        self._fault: str | None = None

    async def run(self) -> None:
        """Until it is cancelled. Also without rules: what others have begun is finished."""
        await self._look()
        await asyncio.sleep(self.first_seconds)
        while True:
            rules = self._rules()
            fault = await self._turn()
            if fault != self._fault:
                if fault is not None:
                    _log.warning("retention does not go on: %s", fault)
                else:
                    _log.info("retention goes on")
            self._fault = fault
            await self._rest(EVERY_SECONDS if fault is None else AFTER_FAULT_SECONDS, rules)

    async def _rest(self, seconds: float, rules: Sequence[RetentionRule]) -> None:
        """Until it is time, or other rules are in force."""
        while self._rules() == rules:
            await asyncio.sleep(min(WATCH_SECONDS, seconds))
            seconds -= WATCH_SECONDS
            if seconds <= 0:
                return
            if await self._look():
                self._forget()

    async def _look(self) -> bool:
        """Whether a description of a principal was erased, by whatever gateway, since the last."""
        try:
            return await asyncio.to_thread(self._descriptions_went)
        except StoreError:
            return False  # who writes and who erases says so

    def _descriptions_went(self) -> bool:
        with self._source.reading() as connection:
            if self._seen is None:
                self._seen = heads(connection)
            return descriptions_went(connection, self._seen)

    async def _turn(self) -> str | None:
        """What went wrong, if anything did. Ends where other rules come into force."""
        stop, rules, loop = threading.Event(), self._rules(), asyncio.get_running_loop()
        forget = from_thread(self._forget, loop)
        eraser = Eraser(self._settings, self._clock, appending(self._append, loop), stop, forget)
        work = asyncio.ensure_future(asyncio.to_thread(self._work, eraser, rules))
        try:
            while not work.done():
                await asyncio.wait([work], timeout=WATCH_SECONDS)
                if self._rules() != rules:
                    stop.set()
            return work.result()
        except asyncio.CancelledError:
            stop.set()
            await asyncio.wait([work])  # it uses what is closed next
            raise

    def _work(self, eraser: Eraser, rules: Sequence[RetentionRule]) -> str | None:
        try:
            with eraser.at_work():
                eraser.retain([(one.rule, one.rule.in_words(one.keep)) for one in rules])
        except (BusyError, StoppedError):
            return None  # another process sees to it
        except StoreError as error:
            return str(error)
        except Exception as error:  # noqa: BLE001 - it must not end here, whatever it was
            return f"{type(error).__name__}: {error}"
        return None


def from_thread(do: Callable[[], None], loop: asyncio.AbstractEventLoop) -> Callable[[], None]:
    """Has it done in the loop, and returns when it is. StoreError."""

    async def done() -> None:
        do()

    def blocking() -> None:
        _wait_for(done(), loop, "the gateway does not come to what erasing asks of it")

    return blocking


def appending(
    append: Callable[[Entry], Coroutine[Any, Any, None] | Awaitable[None]],
    loop: asyncio.AbstractEventLoop,
) -> Callable[[Entry], None]:
    """The same for another thread than the loop's. StoreError."""

    async def appended(entry: Entry) -> None:
        await append(entry)

    def blocking(entry: Entry) -> None:
        _wait_for(appended(entry), loop, "the event of a deletion was not recorded in time")

    return blocking


def _wait_for(
    work: Coroutine[Any, Any, None], loop: asyncio.AbstractEventLoop, why_late: str
) -> None:
    """Has it done in the loop, and waits, in another thread. StoreError where it takes too long."""
    waiting = asyncio.run_coroutine_threadsafe(work, loop)
    try:
        waiting.result(APPEND_SECONDS)
    except TimeoutError:
        waiting.cancel()
        raise StoreError(why_late) from None
