"""A connection to the record that can only read, whatever database holds it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import Any

from sqlalchemy import Connection, Engine, Select, event, select

from callgate.audit.place import LOG_OF_LOGS, bounds, place, position
from callgate.storage.database import Database
from callgate.storage.databases import database_of, faults_of
from callgate.storage.rows.telling import Kept
from callgate.storage.schema import logs, records
from callgate.storage.settings import StoreSettings

# What a question may hold, from a command line or a URL, and no text in a database does.
_NOWHERE = re.compile("[\0\ud800-\udfff]")


class Source:
    """Connections to the record. Safe to share among threads.

    The engine is kept: what SQLAlchemy has compiled would be lost with it. Connections are not.
    """

    def __init__(self, settings: StoreSettings) -> None:
        self._settings = settings
        self._lock = Lock()
        self._opened: tuple[Database, Engine] | None = None

    @property
    def place(self) -> str:
        """Where the record is, for people."""
        return database_of(self._settings).place

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Each statement sees what is committed when it begins. Raises StoreError."""
        database, engine = self._open()
        with (
            faults_of(database, " cannot be read"),
            self._connect(database, engine) as connection,
        ):
            yield connection.execution_options(isolation_level="AUTOCOMMIT")

    def _open(self) -> tuple[Database, Engine]:
        with self._lock:
            if self._opened is None:
                database = database_of(self._settings)
                engine = database.open_to_read()
                event.listen(engine, "before_cursor_execute", _as_storable, retval=True)
                self._opened = database, engine
            return self._opened

    def _connect(self, database: Database, engine: Engine) -> Connection:
        try:
            return engine.connect()
        except database.errors:
            database_of(self._settings).open_to_read()  # says better what is wrong, if it still is
            raise


def _as_storable(
    _connection: object, _cursor: object, statement: str, parameters: Any, *_: object
) -> tuple[str, Any]:
    """Drivers fail on other texts, whereas here they only match nothing."""
    if isinstance(parameters, Mapping):
        return statement, {name: _storable(value) for name, value in parameters.items()}
    if isinstance(parameters, Sequence):
        return statement, tuple(_storable(value) for value in parameters)
    return statement, parameters


def _storable(value: object) -> object:
    return _NOWHERE.sub("\ufffd", value) if isinstance(value, str) else value


def log_numbers(connection: Connection) -> list[int]:
    """The logs with entries of calls and events, without the log of logs."""
    query = select(logs.c.id).where(logs.c.id != LOG_OF_LOGS).order_by(logs.c.id)
    return list(connection.execute(query).scalars())


def heads(connection: Connection) -> dict[int, int]:
    """Where each log ends: log → the seq that comes next."""
    return {log: head(connection, log) for log in log_numbers(connection)}


def head(connection: Connection, log: int) -> int:
    """The seq that comes next in a log."""
    last = (
        select(records.c.position)
        .where(records.c.position.between(*bounds(log)))
        .order_by(records.c.position.desc())
        .limit(1)
    )
    found = connection.execute(last).scalar()
    return 0 if found is None else place(found)[1] + 1


def span(log: int, start: int, end: int) -> tuple[int, int]:
    """The first and the last position of the seqs from `start` up to `end` (not included)."""
    return position(log, start), position(log, end) - 1


def chosen_rows() -> Select[Any]:
    """What `telling.told` needs of a record."""
    return select(*(records.c[name] for name in Kept._fields))
