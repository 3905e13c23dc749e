"""Adds entries to the chain in the SQLite file: synchronous, for one thread."""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any

from sqlalchemy import Connection, insert
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import DBAPIError

from callgate.audit.chain import GENESIS, link
from callgate.audit.record import Entry
from callgate.ports import Clock, StoreError
from callgate.storage.sqlite_file import driver, open_to_write, said
from callgate.storage.recovery import Writer, head, recover
from callgate.storage.schema import records
from callgate.storage.settings import StoreSettings

GROUP = 128  # entries in one transaction
SETTLE_EVERY = 1024  # records between two notes of how far all calls have ended
MAX_BODY_BYTES = 900_000_000  # SQLite's own limit is one billion for a row

_log = logging.getLogger("callgate.storage")


class Appender:
    """The end of the chain. After a StoreError only `reopen` and `close` may be called."""

    def __init__(self, settings: StoreSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._connection: Connection | None = None
        self._writer: Writer | None = None
        self._file = (0, 0)  # device and inode
        self._seq = 0  # of the last record in the file, as far as this process knows
        self._hash = GENESIS
        self._open: dict[str, int] = {}  # call id → seq of its intent, while it has no outcome
        self._is_syncing = True  # whether a commit waits for the disk, not just for the system
        self._settle_at = 0  # the seq at which to note again how far all calls have ended

    def open(self) -> int:
        """Creates the file where needed, ends the calls of dead writers: how many. StoreError."""
        return self._connect(may_create=True)

    def reopen(self) -> None:
        """After a fault: connects anew, to the same file or to one put in its place. StoreError."""
        self._disconnect()
        self._connect(may_create=False)

    def write(self, entries: Sequence[Entry]) -> None:
        """Adds up to GROUP entries in one transaction; returns when they are durable.

        Raises StoreError where they may not have been stored.
        """
        try:
            self._check_place()
            if self._seq >= self._settle_at:
                self._settle()
            self._sync_for(entries)
            try:
                # One statement, one transaction: each step of SQLite's gives up the interpreter
                # lock, and getting it back from a busy event loop takes long.
                self._insert(entries)
            except sqlite3.IntegrityError:  # another process has appended: the number is taken
                with self._transaction():
                    self._insert(entries)
        except StoreError:
            raise
        except Exception as error:  # whatever it was: the entries may not be stored
            raise self._fault(error) from error
        self._keep_account(entries)

    def _sync_for(self, entries: Sequence[Entry]) -> None:
        """An intent is on the disk before its call goes out. What ended follows with the next one.

        Power lost in between: the recovery marks those calls as `interrupted`.
        """
        wanted = self._settings.synchronous == "full" and any(e.kind == "intent" for e in entries)
        if wanted != self._is_syncing:
            assert self._connection is not None  # noqa: S101 - callers follow `open`
            mode = "full" if wanted else "normal"
            driver(self._connection).execute(f"PRAGMA synchronous = {mode}")
            self._is_syncing = wanted

    def close(self) -> None:
        """Notes that this writer has ended, if all its calls have. Raises nothing."""
        try:
            if self._connection is not None and not self._open:
                self._settle(ended_at=self._clock.now())
        except (sqlite3.Error, DBAPIError) as error:
            _log.warning("%s; the next start will look for calls left open", self._fault(error))
        finally:
            self._disconnect()
            if self._writer is not None:
                with suppress(OSError):  # the lock is gone, if perhaps not its file
                    self._writer.end()
                self._writer = None

    def _connect(self, *, may_create: bool) -> int:
        connection = self._connection = open_to_write(self._settings, may_create=may_create)
        try:
            self._is_syncing = self._settings.synchronous == "full"
            place = os.stat(self._settings.path)
            self._file = (place.st_dev, place.st_ino)
            with self._transaction():
                if self._writer is not None and not self._writer.is_known(connection):
                    self._writer.end()  # another file lies in the place of the old one
                    self._writer = None
                    self._open.clear()
                if self._writer is None:
                    self._writer = Writer.register(connection, self._settings, self._clock)
                recovered = recover(connection, self._settings, self._clock, self._insert_all)
                self._settle()
        except (sqlite3.Error, DBAPIError, OSError) as error:
            raise self._fault(error) from error
        return recovered

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error, DBAPIError):  # it is being given up
                connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """Holds the write lock, at the true end of the chain."""
        connection = self._connection
        assert connection is not None  # noqa: S101 - callers follow `open`
        with connection.begin():
            self._seq, self._hash = head(connection)
            yield

    def _check_place(self) -> None:
        # A deleted file can still be written, into nothing. 1.5 µs for each group.
        path = self._settings.path
        try:
            place = os.stat(path)
        except FileNotFoundError:
            raise StoreError(f"{path} is not there any more") from None
        if (place.st_dev, place.st_ino) != self._file:
            raise StoreError(f"{path} was replaced by another file")

    def _insert_all(self, entries: list[Entry]) -> None:
        for first in range(0, len(entries), GROUP):
            self._insert(entries[first : first + GROUP])

    def _insert(self, entries: Sequence[Entry]) -> None:
        assert self._connection is not None and self._writer is not None  # noqa: S101 - as above
        seq, previous, number = self._seq, self._hash, self._writer.number
        values: list[Any] = []
        for entry in entries:
            seq += 1
            own = link(previous, seq, number, entry.body)
            values += (
                seq,
                number,
                entry.kind,
                entry.call_id,
                entry.at,
                entry.principal,
                entry.agent,
                entry.target,
                entry.tool,
                entry.code,
                entry.ran,
                entry.is_delivered,
                previous,
                own,
                entry.body.decode(),
            )
            previous = own
        driver(self._connection).execute(_statement(len(entries)), values)
        self._seq, self._hash = seq, previous

    def _keep_account(self, entries: Sequence[Entry]) -> None:
        seq = self._seq - len(entries)
        for entry in entries:
            seq += 1
            if entry.kind == "intent":
                self._open[entry.call_id] = seq
            elif entry.kind == "outcome":
                self._open.pop(entry.call_id, None)

    def _settle(self, ended_at: float | None = None) -> None:
        """Bounds what a recovery must read: all our intents up to here have outcomes."""
        assert self._connection is not None and self._writer is not None  # noqa: S101 - as above
        oldest = next(iter(self._open.values()), self._seq + 1)
        self._writer.settle(driver(self._connection), oldest - 1, ended_at)
        self._settle_at = self._seq + SETTLE_EVERY

    def _fault(self, error: Exception) -> StoreError:
        return StoreError(f"{self._settings.path}: {said(error)}")


@cache
def _statement(rows: int) -> str:
    """INSERT for so many rows, with the columns in the order of the schema."""
    one = str(insert(records).compile(dialect=sqlite.dialect(paramstyle="qmark")))
    start, values = one.rsplit("VALUES ", 1)
    return f"{start}VALUES {', '.join([values] * rows)}"


def unstorable(entry: Entry) -> str | None:
    """Why no database could ever hold this entry; None where it could. For after a fault."""
    texts = (entry.principal, entry.agent, entry.target, entry.tool, entry.code, entry.ran)
    try:
        for text in (entry.kind, entry.call_id, entry.body.decode()):
            text.encode()
        for optional in texts:
            if optional is not None:
                optional.encode()
        float(entry.at)
    except (AttributeError, TypeError, ValueError) as error:
        return f"{type(error).__name__}: {error}"
    if len(entry.body) > MAX_BODY_BYTES:
        return f"it has {len(entry.body)} bytes, more than {MAX_BODY_BYTES}"
    return None
