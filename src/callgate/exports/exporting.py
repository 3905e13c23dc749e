"""Sends what is new in the record to a destination, in the background, each record once or more."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Literal, TypeVar

from callgate.audit.questions import ExportCursor
from callgate.exports.batches import Wanted, batches
from callgate.exports.export import (
    Batch,
    Cursors,
    Destination,
    DestinationError,
    HeldCursor,
)
from callgate.model import Value
from callgate.ports import RecordScanner, StoreError

FIRST_PAUSE_SECONDS = 1.0  # after a failure; then twice as long each time
LONGEST_PAUSE_SECONDS = 60.0
ELSEWHERE_SECONDS = 10.0  # between two looks whether another process still does it

T = TypeVar("T")
_log = logging.getLogger("callgate.exports")


class Plan(Value):
    """What one export is to do."""

    name: str
    wanted: Wanted
    every_seconds: float  # between two looks for what is new
    begins_now: bool = False  # the first time: with what comes from then on


class ExportStatus(Value):
    """How one export is doing."""

    name: str
    state: Literal["starting", "sending", "waiting", "failing", "elsewhere"]
    sent: int = 0  # records, by this process
    positions: dict[int, int] = {}  # log → the seq that comes next
    fault: str | None = None


class Exporting:
    """One export. No call waits for it: it reads the record in a thread of its own.

    The destination is down, slow or refuses: the same batch is sent again, ever more seldom, until
    it is taken; nothing is skipped. Between a send and its noting a crash has the batch come again.
    """

    def __init__(
        self, plan: Plan, source: RecordScanner, cursors: Cursors, destination: Destination
    ) -> None:
        self.status = ExportStatus(name=plan.name, state="starting")
        self._plan = plan
        self._source = source
        self._cursors = cursors
        self._destination = destination
        self._sent = 0
        # One thread: a connection of SQLite's belongs to the thread that opened it.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"export-{plan.name}")

    async def run(self) -> None:
        """Until it is cancelled. Raises nothing else."""
        pause = FIRST_PAUSE_SECONDS
        try:
            while True:
                sent = self._sent
                try:
                    await self._hold_and_send()
                    pause = ELSEWHERE_SECONDS
                except (StoreError, DestinationError) as error:
                    self._failed(str(error))
                except Exception as error:  # noqa: BLE001 - an export never ends what it watches
                    self._failed(f"{type(error).__name__}: {error}", error)
                else:
                    await asyncio.sleep(pause)
                    continue
                is_new = self._sent > sent
                pause = FIRST_PAUSE_SECONDS if is_new else min(2 * pause, LONGEST_PAUSE_SECONDS)
                await asyncio.sleep(pause * random.uniform(0.8, 1.2))  # noqa: S311 - no secret
        finally:
            await self._destination.close()
            self._thread.shutdown(wait=False)

    async def _hold_and_send(self) -> None:
        """Sends while it holds the cursor. Returns where another process has it."""
        holding = ExitStack()
        hold = self._cursors.hold(self._plan.name)
        try:
            cursor = await self._in_thread(lambda: holding.enter_context(hold))
            if cursor is None:
                self._say("elsewhere")
                return
            while True:
                if not await self._step(cursor):
                    self._say("waiting")
                    await asyncio.sleep(self._plan.every_seconds)
        finally:
            await asyncio.shield(self._in_thread(holding.close))

    async def _step(self, cursor: HeldCursor) -> bool:
        """One batch. Whether there was one."""
        batch = await self._in_thread(lambda: self._next(cursor))
        if batch is None:
            return False
        await self._send(batch)
        await self._in_thread(lambda: cursor.save(batch.upto))
        self._sent += len(batch.records)
        if self.status.fault is not None:
            _log.info("the export %s goes on", self._plan.name)
        self._say("sending", batch.upto.positions)
        return True

    def _next(self, cursor: HeldCursor) -> Batch | None:
        after = cursor.load()
        if after is None:
            after = ExportCursor()
            if self._plan.begins_now:
                after = ExportCursor(positions=dict(self._source.heads()))
                cursor.save(after)
        # The walk is closed at once: while it is open, the record's file cannot be tidied.
        found = batches(self._source, self._plan.wanted, after)
        try:
            return next(found, None)
        finally:
            found.close()  # type: ignore[attr-defined]  # it is a generator

    async def _send(self, batch: Batch) -> None:
        try:
            await self._destination.send(batch)
        except DestinationError as error:
            if not error.is_too_large or len(batch.records) < 2:
                raise
            for half in batch.halves():
                await self._send(half)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _failed(self, fault: str, error: Exception | None = None) -> None:
        if fault != self.status.fault:  # once, not each time
            say = _log.warning if error is None else _log.error
            say("the export %s: %s", self._plan.name, fault, exc_info=error)
        self._say("failing", fault=fault)

    def _say(
        self,
        state: Literal["sending", "waiting", "failing", "elsewhere"],
        positions: dict[int, int] | None = None,
        fault: str | None = None,
    ) -> None:
        self.status = ExportStatus(
            name=self._plan.name,
            state=state,
            sent=self._sent,
            positions=self.status.positions if positions is None else positions,
            fault=fault,
        )
