"""Adds entries to the log of this process, and signs how far it has come: for one thread."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress

from sqlalchemy import Connection

from callgate.audit.merkle import leaf_hash
from callgate.audit.place import place
from callgate.audit.record import Entry
from callgate.ports import Clock, StoreError
from callgate.storage.database import Database, Holds, LostError, Row
from callgate.storage.joining import JOIN
from callgate.storage.recovery import Contested
from callgate.storage.settings import StoreSettings
from callgate.storage.tenure import Begun, Tenure

GROUP = 128  # entries in one transaction

_log = logging.getLogger("callgate.storage")


class Appender:
    """The end of a log. After a StoreError only `reopen` and `close` may be called."""

    def __init__(self, settings: StoreSettings, database: Database, clock: Clock) -> None:
        self._pause_seconds = settings.checkpoint_seconds
        self._database = database
        self._clock = clock
        self._tenure = Tenure(settings, database, clock)
        self._connection: Connection | None = None
        self._sent: Sequence[Row] = ()  # of a group that may be durable, and may not
        self._stored: dict[bytes, str] = {}  # leaf hash → call id: durable after all
        self._open: dict[str, int] = {}  # call id → seq of its intent, while it has no outcome
        self._contested = Contested()
        self._is_joined = False  # whether the log of logs has been seen to since the last news
        self._tended_at = float("-inf")  # ticks

    @property
    def damage(self) -> tuple[str, ...]:
        """Why logs are not continued, in words: for `audit verify`, not a fault of writing."""
        return self._tenure.damage

    def unstorable(self, entry: Entry) -> str | None:
        """Why the entry could never be stored; None where it could."""
        return self._database.unstorable(entry)

    def open(self) -> int:
        """Makes the database where needed, ends the calls of dead writers: how many. StoreError."""
        return self._connect(may_create=True)

    def reopen(self) -> None:
        """After a fault: connects anew, to the same database or to one put there. StoreError."""
        self._disconnect()
        self._connect(may_create=False)

    def write(self, entries: Sequence[Entry]) -> None:
        """Adds up to GROUP entries in one transaction; returns when they are durable.

        Raises StoreError where they may not have been stored.
        """
        try:
            try:
                self._write(entries)
            except LostError:  # before anything was sent: nothing is in doubt
                self.reopen()
                self._write(entries)
        except StoreError:
            raise
        except Exception as error:  # whatever it was: the entries may not be stored
            raise self._fault(error) from error

    def due_seconds(self) -> float | None:
        """In how long `tend` has something to do; None: only after the next write."""
        if self._tenure.is_signed and self._is_joined:
            return None
        return max(0.0, self._tended_at + self._pause_seconds - self._clock.ticks())

    def tend(self) -> None:
        """Signs what is new and joins it to the log of logs, if it is time. StoreError."""
        if self.due_seconds() != 0.0:
            return
        try:
            self._sign()
        except StoreError:
            raise
        except Exception as error:
            raise self._fault(error) from error

    def close(self) -> None:
        """Signs all there is, and that this writer has ended, if all its calls have."""
        try:
            if self._connection is not None:
                self._sign(ended_at=None if self._open else self._clock.now())
        except Exception as error:  # noqa: BLE001 - what is written is written
            _log.warning("%s; the next start makes up for it", self._fault(error))
        finally:
            self._disconnect()
            self._tenure.end()

    def _connect(self, *, may_create: bool) -> int:
        begun: Begun | None = None
        # What is not known to have ended: of the group in doubt too, also what was durable.
        unended = self._contested.ids.union(
            self._open, self._stored.values(), (row.entry.call_id for row in self._sent)
        )
        try:
            connection = self._connection = self._database.open_to_write(may_create=may_create)
            with self._database.alone(connection):
                durable = self._tenure.resume(connection, self._sent)
                if durable is None:
                    begun = self._tenure.begin(connection, unended)
        except BaseException as error:
            if begun is not None:
                self._tenure.drop(begun)
            if isinstance(error, self._database.errors):
                raise self._fault(error) from error
            raise
        if begun is not None:
            self._tenure.take(begun)
            # Calls that go on have their intents in another log: nothing to look for in this one.
            self._open = dict.fromkeys(self._open, begun.log.size)
            self._contested.ids = unended
            self._stored.clear()
            self._is_joined = False
        elif durable:
            self._stored.update((row.hash, row.entry.call_id) for row in durable)
            self._keep_account(durable)
        self._sent = ()
        return 0 if begun is None else begun.recovered

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(*self._database.errors):  # it is being given up
                connection.close()

    def _write(self, entries: Sequence[Entry]) -> None:
        connection = self._connection
        assert connection is not None  # noqa: S101 - callers follow `open`
        holds: Holds = "intents" if any(e.kind == "intent" for e in entries) else "outcomes"
        self._database.before_group(connection, holds)
        if self._contested.concerns(entries):
            self._write_contested(connection, entries)
            return
        log = self._tenure.log
        rows = self._sent = log.rows(self._not_stored(entries))
        if not rows:
            pass
        elif log.fills_tile(rows):
            with self._database.transaction(connection):
                grown = log.add(self._database, connection, rows)
                self._tenure.settle(connection, self._settled())
            self._tenure.log = grown
        else:
            self._database.insert(connection, rows)
            log.extend(rows)
        self._sent = ()
        self._keep_account(rows)
        self._forget_stored(entries)

    def _write_contested(self, connection: Connection, entries: Sequence[Entry]) -> None:
        with self._database.alone(connection):
            admitted = self._contested.admitted(connection, entries)
            log = self._tenure.log
            rows = self._sent = log.rows(self._not_stored(admitted))
            grown = log.add(self._database, connection, rows) if rows else log
        self._tenure.log = grown
        self._sent = ()
        self._keep_account(rows)
        self._contested.forget(entries)
        for entry in entries:
            if entry.kind == "outcome":
                self._open.pop(entry.call_id, None)
        self._forget_stored(admitted)

    def _forget_stored(self, entries: Sequence[Entry]) -> None:
        if self._stored:
            for entry in entries:
                self._stored.pop(leaf_hash(entry.body), None)

    def _not_stored(self, entries: Sequence[Entry]) -> Sequence[Entry]:
        if not self._stored:
            return entries
        return [entry for entry in entries if leaf_hash(entry.body) not in self._stored]

    def _keep_account(self, rows: Sequence[Row]) -> None:
        for row in rows:
            entry = row.entry
            if entry.kind == "intent":
                self._open[entry.call_id] = place(row.position)[1]
            elif entry.kind == "outcome":
                self._open.pop(entry.call_id, None)

    def _settled(self) -> int:
        """Bounds what a recovery must read: all our intents before this seq have outcomes."""
        return next(iter(self._open.values()), self._tenure.log.size)

    def _sign(self, ended_at: float | None = None) -> None:
        connection = self._connection
        assert connection is not None  # noqa: S101 - callers follow `open`
        self._database.before_group(connection, "checkpoint")
        life = self._database.claim(connection, JOIN)
        try:
            with self._database.transaction(connection):
                self._tenure.settle(connection, self._settled(), ended_at)
                signed = self._tenure.sign(connection, joins=life is not None)
        finally:
            if life is not None:
                with suppress(*self._database.errors):  # lost with the connection
                    life.end()
        self._tenure.keep(signed)
        self._is_joined = life is not None
        self._tended_at = self._clock.ticks()

    def _fault(self, error: Exception) -> StoreError:
        return StoreError(f"{self._database.place}: {self._database.said(error)}")
