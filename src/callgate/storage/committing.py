"""The one thread that writes: whatever queued up during a commit goes into the next one."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import islice
from queue import Empty, SimpleQueue

from callgate.audit.record import Entry, Telling
from callgate.ports import StoreError
from callgate.scheduling import stand_back
from callgate.storage.appending import GROUP, Appender
from callgate.storage.resting import Resting

RETRY_SECONDS = 0.5  # between two attempts while writing fails
REST_SECONDS = 0.004  # one turn of a rest: how long entries gather where calls come thick
COMPANY_SECONDS = 0.005  # how long outcomes that nobody waits for may wait for company

_log = logging.getLogger("callgate.storage")

Waiter = asyncio.Future[None]
Item = tuple[Telling, Waiter | None]
Resolve = Callable[[Sequence[Waiter], Exception | str | None], None]


class Committer:
    """Takes entries from a loop and writes them in order; resolves what waits once for each group.

    While writing fails, entries that somebody waits for are given back as failed, the others are
    kept, and it tries again until it succeeds.
    """

    def __init__(self, appender: Appender, resolve: Resolve) -> None:
        self.fault: str | None = "the record is not open"
        self._appender = appender
        self._resolve = resolve
        self._queue: SimpleQueue[Item | None] = SimpleQueue()
        self._pending: deque[tuple[Entry, Waiter | None]] = deque()
        self._is_closing = threading.Event()
        self._has_ended = False
        self._is_connected = False
        self._resting = Resting()

    def start(self) -> Waiter:
        """Starts the thread; what is returned is done when the store is open, or could not be."""
        self._loop = asyncio.get_running_loop()
        opened: Waiter = self._loop.create_future()
        # A daemon: an interpreter that ends without `stop` must not hang here for ever.
        thread = threading.Thread(target=self._run, args=(opened,), name="record", daemon=True)
        thread.start()
        return opened

    def put(self, entry: Telling, waiter: Waiter | None) -> None:
        """Hands over one entry, to be told here."""
        self._queue.put((entry, waiter))

    @property
    def backlog(self) -> int:
        """How many entries are not yet written, but for the group being written now."""
        return self._queue.qsize() + len(self._pending)

    def stop(self) -> Waiter:
        """Nothing follows; what is returned is done when all is written, or cannot be."""
        self._closed: Waiter = self._loop.create_future()
        self._queue.put(None)
        self._is_closing.set()
        return self._closed

    def _run(self, opened: Waiter) -> None:
        stand_back()
        try:
            recovered = self._appender.open()
        except Exception as error:  # noqa: BLE001 - whoever awaits `opened` must hear of anything
            self._appender.close()
            self._tell([opened], _words(error))
            return
        if recovered:
            _log.warning("%d calls of a gateway that died are now `interrupted`", recovered)
        self._is_connected = True
        self.fault = None
        self._tell([opened], None)
        while not self._has_ended:
            self._take()
            self._write()
            self._tend()
        if self._pending:
            self._write()  # one more chance before giving up
        lost = len(self._pending)
        problem = f"{lost} entries could not be written: {self.fault}" if lost else None
        self._appender.close()
        self.fault = "the record is closed"
        self._tell([self._closed], problem)

    def _take(self) -> None:
        if self.fault is None:
            self._gather()
        else:
            self._is_closing.wait(RETRY_SECONDS)
        self._take_queued()

    def _gather(self) -> None:
        """Waits for something to write, and a little longer where that makes a larger group.

        A group costs as much as ten entries: the thread wakes, the disk is waited for, the loop
        is told.
        """
        try:
            item = self._queue.get(timeout=self._appender.due_seconds())
        except Empty:
            return  # nothing to write, but something to sign
        self._accept(item)
        if item is not None and item[1] is None:
            item = self._company()
        if item is not None:
            self._rest()

    def _company(self) -> Item | None:
        """Nobody waits for outcomes: they go with the next intent, if that comes soon."""
        until = time.monotonic() + COMPANY_SECONDS
        with suppress(Empty):
            while True:
                item = self._queue.get(timeout=max(0.0, until - time.monotonic()))
                self._accept(item)
                if item is None or item[1] is not None:
                    return item
        return None

    def _rest(self) -> None:
        brought: list[int] = []
        for _ in range(self._resting.turns()):
            if self._queue.qsize() + len(self._pending) < GROUP:
                time.sleep(REST_SECONDS)
            brought.append(self._take_queued())
            if not brought[-1]:
                break
        if brought:
            self._resting.learn(brought)

    def _take_queued(self) -> int:
        """Accepts what is there; how many of it somebody waits for."""
        waiting = 0
        with suppress(Empty):
            while True:
                item = self._queue.get_nowait()
                self._accept(item)
                waiting += item is not None and item[1] is not None
        return waiting

    def _accept(self, item: Item | None) -> None:
        if item is None:
            self._has_ended = True
            return
        telling, waiter = item
        try:
            self._pending.append((telling.told(), waiter))
        except Exception as error:  # noqa: BLE001 - of ours: others must be recorded all the same
            _log.exception("the %s of call %s could not be told", telling.kind, telling.call_id)
            self._tell([waiter] if waiter is not None else [], error)

    def _write(self) -> None:
        while self._pending or self.fault is not None:
            group = list(islice(self._pending, GROUP))
            try:
                if not self._is_connected:
                    self._appender.reopen()
                    self._is_connected = True
                if group:
                    self._appender.write([entry for entry, _ in group])
            except Exception as error:  # noqa: BLE001 - the thread must live to try again
                self._is_connected = False
                if self._drop_unstorable(group):
                    continue
                self._fail(_words(error))
                return
            self._succeed(group)

    def _tend(self) -> None:
        """Signs what has been written, now and then."""
        if self.fault is None and not self._has_ended:
            try:
                self._appender.tend()
            except Exception as error:  # noqa: BLE001 - as above
                self._is_connected = False
                self._fail(_words(error))

    def _succeed(self, group: list[tuple[Entry, Waiter | None]]) -> None:
        for _ in group:
            self._pending.popleft()
        if self.fault is not None:
            self.fault = None
            _log.info("the record can be written again")
        self._tell([waiter for _, waiter in group if waiter is not None], None)

    def _fail(self, reason: str) -> None:
        if self.fault is None:
            _log.error("the record cannot be written, calls are refused until it can: %s", reason)
        self.fault = reason
        waiters = [waiter for _, waiter in self._pending if waiter is not None]
        self._pending = deque(item for item in self._pending if item[1] is None)
        self._tell(waiters, reason)

    def _drop_unstorable(self, group: list[tuple[Entry, Waiter | None]]) -> bool:
        """Takes out what could never be stored, so that the others of its group are not lost."""
        reasons = [self._appender.unstorable(entry) for entry, _ in group]
        if not any(reasons):
            return False
        for _ in group:
            self._pending.popleft()
        kept = [item for item, reason in zip(group, reasons, strict=True) if reason is None]
        self._pending.extendleft(reversed(kept))
        for (entry, waiter), reason in zip(group, reasons, strict=True):
            if reason is not None:
                _log.error("an entry of call %r can never be stored: %s", entry.call_id, reason)
                self._tell([waiter] if waiter is not None else [], reason)
        return True

    def _tell(self, waiters: list[Waiter], reason: Exception | str | None) -> None:
        if waiters:
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                self._loop.call_soon_threadsafe(self._resolve, waiters, reason)


def _words(error: Exception) -> str:
    return str(error) if isinstance(error, StoreError) else f"{type(error).__name__}: {error}"
