"""Keeps the index up to date: in a process of its own, so that no call waits for it."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection

from callgate.ports import StoreError
from callgate.storage.blobs.opening import reader_of
from callgate.storage.index.bits import BLOCK
from callgate.storage.reading.records import Records
from callgate.storage.settings import StoreSettings

LOOK_EVERY_SECONDS = 5.0  # whether there is enough to do
LEAST = BLOCK  # records; what is less than a block is looked through each time
AT_ONCE = 8 * BLOCK
IDLE_SECONDS = 30.0  # the process ends when there was nothing to do for so long
PAUSE_SECONDS = 1.0
AFTER_FAULT_SECONDS = 60.0
NICE = 10  # it takes what calls leave, but does not starve

_log = logging.getLogger("callgate.storage")


class IndexKeeper:
    """What is behind is found all the same, only slower: no fault here refuses anything."""

    def __init__(self, settings: StoreSettings) -> None:
        self._settings = settings
        self._records = Records(settings)
        self._fault: str | None = None

    async def run(self) -> None:
        """Until it is cancelled. Raises nothing."""
        while True:
            fault = None
            try:
                if await asyncio.to_thread(self._records.behind) >= LEAST:
                    fault = await self._work()
            except (StoreError, OSError) as error:
                fault = str(error)
            self._note(fault)
            await asyncio.sleep(LOOK_EVERY_SECONDS if fault is None else AFTER_FAULT_SECONDS)

    async def _work(self) -> str | None:
        """Until there is nothing left to do; what went wrong, if anything did."""
        context = multiprocessing.get_context("spawn")  # a fork would copy threads and their locks
        ours, theirs = context.Pipe()
        process = context.Process(target=keep, args=(self._settings, theirs), daemon=True)
        await asyncio.to_thread(process.start)
        theirs.close()
        try:
            return await asyncio.to_thread(_last_word, ours)
        finally:
            process.kill()  # also where we are cancelled; each block is all or nothing
            ours.close()

    def _note(self, fault: str | None) -> None:
        if fault != self._fault:
            if fault is not None:
                _log.warning("the index of the record falls behind: %s", fault)
            else:
                _log.info("the index of the record is kept up to date again")
        self._fault = fault


def _last_word(connection: Connection) -> str | None:
    try:
        said: str | None = connection.recv()
    except (EOFError, OSError):
        return "its process died"
    return said


def keep(settings: StoreSettings, connection: Connection) -> None:
    """What the process does: says in the end what went wrong, or None. Ends with its parent."""
    if sys.platform != "win32":
        os.nice(NICE)

    def is_alone(seconds: float) -> bool:
        return connection.poll(seconds)  # nobody writes: only the parent's end is read

    said = None
    try:
        work(Records(settings, reader_of(settings)), is_alone)
    except (StoreError, OSError) as error:
        said = str(error)
    with suppress(OSError):
        connection.send(said)


def work(records: Records, is_alone: Callable[[float], bool]) -> None:
    """Catches up until there was nothing to do for a while. `is_alone` waits for so long."""
    pauses = 0
    while pauses < IDLE_SECONDS / PAUSE_SECONDS:
        pauses = 0 if records.catch_up(AT_ONCE) else pauses + 1
        if is_alone(PAUSE_SECONDS if pauses else 0.0):
            return
