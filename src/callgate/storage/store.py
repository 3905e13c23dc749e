"""The record as the call path holds it, whatever database it is in: written in groups."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence

from callgate.audit.record import Telling
from callgate.ports import Clock, StoreError
from callgate.storage.appending import Appender
from callgate.storage.committing import Committer, Waiter
from callgate.storage.databases import database_of
from callgate.storage.settings import StoreSettings

__all__ = ["RecordStore", "StoreSettings"]

MAX_BACKLOG = 10_000  # entries not yet written: beyond, `append` refuses
WATCH_SECONDS = 0.01  # how often the loop looks after the thread while somebody waits
LEND_SECONDS = 0.0001  # how long the loop then rests, so that the thread gets its turn
STALL_SECONDS = 15.0  # a database that does not answer for so long counts as failed


class RecordStore:
    """Implements CallStore. Belongs to the event loop that opened it.

    While writing fails (disk full, file or server gone, locked for too long) `append` raises at
    once, what `append_soon` was given is kept in order, and writing is tried again until it goes.
    """

    def __init__(self, settings: StoreSettings, clock: Clock) -> None:
        """Raises StoreError where a package for the database is missing."""
        self._appender = Appender(settings, database_of(settings), clock)
        self._committer = Committer(self._appender, self._resolve)
        self._is_open = False
        self._stall: str | None = None
        self._waiting: deque[tuple[float, Waiter]] = deque()  # since when, who
        self._watch_handle: asyncio.TimerHandle | None = None

    async def open(self) -> None:
        """Creates or upgrades the record, ends the calls of gateways that died. StoreError."""
        self._loop = asyncio.get_running_loop()
        await self._committer.start()
        self._is_open = True

    async def close(self) -> None:
        """Writes what is queued. Raises StoreError where some of it could not be written."""
        if self._is_open:
            self._is_open = False
            await self._committer.stop()

    async def append(self, entry: Telling) -> None:
        """Returns when the entry is durable. Raises StoreError if it may not have been stored."""
        self._make_sure(MAX_BACKLOG)
        fault = self._stall or self._committer.fault
        if fault is not None:
            raise StoreError(fault)
        waiter = self._loop.create_future()
        self._waiting.append((self._loop.time(), waiter))
        if self._watch_handle is None:
            self._watch_handle = self._loop.call_later(WATCH_SECONDS, self._watch)
        self._committer.put(entry, waiter)
        await waiter

    def append_soon(self, entry: Telling) -> None:
        """Queues the entry, also while writing fails. Raises StoreError when closed or too full."""
        # What happened counts more than what did not: the outcomes of tools that may have run
        # still find room when refusals have filled theirs.
        self._make_sure(MAX_BACKLOG if entry.ran == "no" else 2 * MAX_BACKLOG)
        self._committer.put(entry, None)

    @property
    def is_healthy(self) -> bool:
        """Whether the last write went through."""
        return self.fault is None

    @property
    def fault(self) -> str | None:
        """Why the record cannot be written now, in words; None where it can."""
        return self._stall or self._committer.fault

    @property
    def damage(self) -> tuple[str, ...]:
        """Why logs of the record are not continued, in words: for whoever watches over it."""
        return self._appender.damage

    def _make_sure(self, limit: int) -> None:
        if not self._is_open:
            raise StoreError("the record is not open")
        if self._committer.backlog >= limit:
            raise StoreError(f"{limit} entries wait to be written: {self.fault or 'disk too slow'}")

    def _resolve(self, waiters: Sequence[Waiter], reason: Exception | str | None) -> None:
        self._stall = None
        for waiter in waiters:
            if waiter.done():
                continue  # its caller has gone, or was told that the disk does not answer
            if reason is None:
                waiter.set_result(None)
            else:
                waiter.set_exception(StoreError(reason) if isinstance(reason, str) else reason)

    def _watch(self) -> None:
        waiting = self._waiting
        while waiting and waiting[0][1].done():
            waiting.popleft()
        self._watch_handle = None
        if not waiting:
            return
        age = self._loop.time() - waiting[0][0]
        if age > STALL_SECONDS:
            self._give_up(f"the record has not answered for {STALL_SECONDS:.0f} s")
            return
        if age > WATCH_SECONDS:
            # A loop that never sleeps starves the thread: it gives up the interpreter lock often,
            # but takes it back before another thread has woken. Measured: seconds, without this.
            time.sleep(LEND_SECONDS)
        self._watch_handle = self._loop.call_later(WATCH_SECONDS, self._watch)

    def _give_up(self, reason: str) -> None:
        self._resolve([waiter for _, waiter in self._waiting], reason)
        self._waiting.clear()
        self._stall = reason  # until the thread says otherwise
