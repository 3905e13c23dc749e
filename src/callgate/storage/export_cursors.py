"""How far exports have come: in the record's own database, each moved by one process at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

import msgspec
from sqlalchemy import Connection, delete, insert, select

from callgate.audit.questions import ExportCursor
from callgate.ports import Clock, StoreError
from callgate.storage.database import Database
from callgate.storage.databases import database_of, faults_of
from callgate.storage.schema import cursors
from callgate.storage.settings import StoreSettings

PREFIX = "export-"  # of their names, and of their locks


class StoredCursors:
    """Implements exports.Cursors. The record must be there."""

    def __init__(self, settings: StoreSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock

    @contextmanager
    def hold(self, name: str) -> Iterator[StoredCursor | None]:
        """None while another process has it. For one thread. Raises StoreError."""
        database = database_of(self._settings)
        with (
            faults_of(database),
            closing(database.open_to_write(may_create=False)) as connection,
        ):
            life = database.claim(connection, PREFIX + name)
            if life is None:
                yield None
                return
            try:
                yield StoredCursor(database, connection, PREFIX + name, self._clock)
            finally:
                life.end()


class StoredCursor:
    """Implements exports.HeldCursor."""

    def __init__(self, database: Database, connection: Connection, name: str, clock: Clock) -> None:
        self._database = database
        self._connection = connection
        self._name = name
        self._clock = clock

    def load(self) -> ExportCursor | None:
        """None where nothing was ever sent."""
        query = select(cursors.c.positions).where(cursors.c.name == self._name)
        with faults_of(self._database):
            found = self._connection.execute(query).scalar()
            self._connection.rollback()  # holds no snapshot meanwhile
        if found is None:
            return None
        try:
            return msgspec.json.decode(found, type=ExportCursor)
        except msgspec.MsgspecError as error:
            raise StoreError(f"{self._database.place}: the cursor {self._name}: {error}") from None

    def save(self, cursor: ExportCursor) -> None:
        """Returns when it is durable."""
        row = {
            "name": self._name,
            "positions": msgspec.json.encode(cursor).decode(),
            "at": self._clock.now(),
        }
        with faults_of(self._database), self._database.transaction(self._connection):
            self._connection.execute(delete(cursors).where(cursors.c.name == self._name))
            self._connection.execute(insert(cursors).values(row))
