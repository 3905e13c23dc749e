"""Keeps the index up to date: in a process of its own, so that no call waits for it."""

from __future__ import annotations

import asyncio
import logging
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from functools import partial

from callgate.model import Value
from callgate.ports import StoreError
from callgate.storage.blobs.opening import reader_of
from callgate.storage.index import file
from callgate.storage.index.bits import BLOCK
from callgate.storage.index.process import COMMAND
from callgate.storage.reading.records import Lag, Records
from callgate.storage.settings import StoreSettings

LOOK_EVERY_SECONDS = 5.0  # whether there is enough to do
LEAST = BLOCK  # records; what is less than a block is looked through each time
MOST = 32 * BLOCK  # records: while calls keep the gateway busy, so much may be left for later
BUSY = 512  # records from one look to the next
AFTER_FAULT_SECONDS = 60.0

_log = logging.getLogger("callgate.storage")


class IndexKeeper:
    """What is behind is found all the same, only slower: no fault here refuses anything."""

    def __init__(self, settings: StoreSettings) -> None:
        self._settings = settings
        self._records = Records(settings)
        self._due = Due()
        self._fault: str | None = None
        self.passed_over = 0  # events of deletions that cannot be read, as it was last looked

    async def run(self) -> None:
        """Until it is cancelled. Raises nothing."""
        while True:
            fault = None
            try:
                lag = await asyncio.to_thread(self._records.lag)
                self.passed_over = lag.passed_over
                self._due = self._due.after(lag)
                if self._due.is_now:
                    fault = await self._work(lag)
            except (StoreError, OSError) as error:
                fault = str(error)
            self._note(fault)
            await asyncio.sleep(LOOK_EVERY_SECONDS if fault is None else AFTER_FAULT_SECONDS)

    async def _work(self, lag: Lag) -> str | None:
        """Until there is nothing left to do; what went wrong, if anything did."""
        process = await asyncio.to_thread(start, catching_up(self._settings))
        try:
            said = await asyncio.to_thread(last_word, process)
        finally:
            process.kill()  # also where we are cancelled; each change is all or nothing
        if not said.startswith("done "):
            return said or "its process died"
        self._due = self._due.left(max(0, lag.behind - int(said.split()[1])))
        return None

    def _note(self, fault: str | None) -> None:
        if fault != self._fault:
            if fault is not None:
                _log.warning("the index of the record falls behind: %s", fault)
            else:
                _log.info("the index of the record is kept up to date again")
        self._fault = fault


class Due(Value):
    """Whether it is time to catch up: not while much is going on, unless much is left."""

    is_now: bool = False
    records: int = 0  # that there were at the last look
    in_vain: int = 0  # of those that are behind: they could not be indexed

    def after(self, lag: Lag) -> Due:
        """As things are now."""
        enough = MOST if lag.records - self.records > BUSY else LEAST
        in_vain = min(self.in_vain, lag.behind)
        is_now = lag.is_to_be_erased or lag.behind - in_vain >= enough
        return Due(is_now=is_now, records=lag.records, in_vain=in_vain)

    def left(self, in_vain: int) -> Due:
        """After catching up, but for so many records."""
        return Due(records=self.records, in_vain=in_vain)


def catching_up(settings: StoreSettings) -> Callable[[int], int]:
    """What the process is to do. It imports no more than that needs."""
    if settings.url is None and settings.blobs.s3 is None:
        blobs = settings.blobs.path or settings.beside("-blobs")
        return partial(file.catch_up, settings.path.absolute(), blobs.absolute())
    return partial(catch_up, settings)


def catch_up(settings: StoreSettings, most: int) -> int:
    """As `Records.catch_up`, wherever the record and its payloads are."""
    return Records(settings, reader_of(settings)).catch_up(most)


def start(given: Callable[[int], int]) -> subprocess.Popen[bytes]:
    """A process that does this until nothing is left, says how it went, and ends; or with us."""
    process = subprocess.Popen(  # noqa: S603 - this same program
        [sys.executable, "-P", "-c", COMMAND],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert process.stdin is not None  # noqa: S101 - for the type checker
    process.stdin.write(pickle.dumps(given))
    process.stdin.flush()
    return process


def last_word(process: subprocess.Popen[bytes]) -> str:
    """What it says when it is done; nothing where it died."""
    assert process.stdin is not None and process.stdout is not None  # noqa: S101 - as above
    with process.stdin, process.stdout:  # its end of what it reads from stays open until it ends
        said = process.stdout.read().decode(errors="replace")
    process.wait()
    return said
