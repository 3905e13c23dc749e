"""The record in one SQLite file, to which several processes may write."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cache

from sqlalchemy import Connection, Engine, insert
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import DBAPIError

from callgate.audit.record import Entry
from callgate.ports import StoreError
from callgate.storage import storable
from callgate.storage.database import Holds, Row, TakenError
from callgate.storage.liveness import FileLife
from callgate.storage.schema import records
from callgate.storage.settings import StoreSettings
from callgate.storage.sqlite_file import driver, open_to_read, open_to_write, said

MAX_BYTES = 900_000_000  # SQLite's own limit is one billion for a row
TRUNCATE_MILLISECONDS = 50  # how long emptying the log file may hold up others, at most
TRUNCATE_ATTEMPTS = 20
EXACT = 16  # rows: up to these each number of them has a statement of its own
STEP = 8  # rows: beyond, each of these; SQLite keeps 2 KB for each row of each statement

_WIDTH = len(records.columns)


class SqliteDatabase:
    """Implements Database."""

    errors: tuple[type[Exception], ...] = (sqlite3.Error, DBAPIError, OSError)
    is_life_of_connection = False

    def __init__(self, settings: StoreSettings) -> None:
        self.place = str(settings.path)
        self._settings = settings
        self._file = (0, 0)  # device and inode
        self._is_syncing = True  # whether a commit waits for the disk, not just for the system

    def open_to_write(self, *, may_create: bool) -> Connection:
        connection = open_to_write(self._settings, may_create=may_create)
        self._is_syncing = self._settings.synchronous == "full"
        place = os.stat(self._settings.path)
        self._file = (place.st_dev, place.st_ino)
        return connection

    def open_to_read(self) -> Engine:
        return open_to_read(self._settings.path)

    @contextmanager
    def transaction(self, connection: Connection) -> Iterator[None]:
        with connection.begin():  # holds the write lock from its beginning
            yield

    def alone(self, connection: Connection) -> AbstractContextManager[None]:
        return self.transaction(connection)

    def insert(self, connection: Connection, rows: Sequence[Row]) -> None:
        # One statement: each step of SQLite's gives up the interpreter lock, and getting it back
        # from a busy event loop takes long. Alone it is its own transaction.
        values: list[object] = []
        for row in rows:
            values += row.values()
        size = len(rows)
        if size > EXACT:
            size = -(-size // STEP) * STEP
            values += [None] * ((size - len(rows)) * _WIDTH)
        try:
            driver(connection).execute(_statement(size), values)
        except sqlite3.IntegrityError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY:
                raise
            raise TakenError(f"{self.place}: somebody else has written to our log") from None

    def claim(self, connection: Connection, token: str) -> FileLife | None:
        path = self._settings.path
        try:
            return FileLife.claim(path, token)
        except OSError as error:
            raise StoreError(
                f"no lock file can be made in {path.parent}: {error.strerror}"
            ) from error

    def before_group(self, connection: Connection, holds: Holds) -> None:
        # An intent is on the disk before its call goes out; what ended follows with the next one.
        # Power lost in between: the recovery marks those calls as `interrupted`.
        self._check_place()
        wanted = holds == "checkpoint" or (
            holds == "intents" and self._settings.synchronous == "full"
        )
        if wanted != self._is_syncing:
            mode = "full" if wanted else "normal"
            driver(connection).execute(f"PRAGMA synchronous = {mode}")
            self._is_syncing = wanted

    def before_erasing(self, connection: Connection) -> None:
        bare = driver(connection)
        bare.execute("PRAGMA secure_delete = ON")
        # Whatever a loss of power undoes is done again: nobody has to wait for the disk.
        bare.execute("PRAGMA synchronous = NORMAL")
        self._is_syncing = False

    def after_erasing(self, connection: Connection) -> str | None:
        bare = driver(connection)
        bare.execute("PRAGMA wal_checkpoint(PASSIVE)")  # most of it, while others write
        bare.execute(f"PRAGMA busy_timeout = {TRUNCATE_MILLISECONDS}")  # others wait as long
        try:
            for _ in range(TRUNCATE_ATTEMPTS):
                busy, _, _ = bare.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                if not busy:
                    return None
                time.sleep(TRUNCATE_MILLISECONDS / 1000)
        finally:
            bare.execute(f"PRAGMA busy_timeout = {self._settings.busy_timeout_seconds * 1000:.0f}")
        return f"somebody reads {self.place}: until that ends, its -wal has what was erased"

    def unstorable(self, entry: Entry) -> str | None:
        return storable.unstorable(entry, MAX_BYTES)

    def said(self, error: Exception) -> str:
        return said(error)

    def _check_place(self) -> None:
        # A deleted file can still be written, into nothing. 1.5 µs for each group.
        path = self._settings.path
        try:
            place = os.stat(path)
        except FileNotFoundError:
            raise StoreError(f"{path} is not there any more") from None
        if (place.st_dev, place.st_ino) != self._file:
            raise StoreError(f"{path} was replaced by another file")


@cache
def _statement(rows: int) -> str:
    """INSERT for so many rows, with the columns in the order of the schema. Of more than EXACT
    those count that have a position.
    """
    start, one = _parts()
    values = f"VALUES {', '.join([one] * rows)}"
    if rows > EXACT:
        values = f"SELECT * FROM ({values}) WHERE column1 IS NOT NULL"  # noqa: S608 - ours
    return start + values


@cache
def _parts() -> tuple[str, str]:
    """Of that INSERT what comes first, and what comes for each row. A millisecond."""
    one = str(insert(records).compile(dialect=sqlite.dialect(paramstyle="qmark")))
    start, _, values = one.rpartition("VALUES ")
    return start, values
