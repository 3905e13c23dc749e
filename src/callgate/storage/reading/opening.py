"""A connection to the record that can only read, whatever database holds it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, select

from callgate.audit.place import LOG_OF_LOGS, bounds, place, position
from callgate.ports import StoreError
from callgate.storage.database import Database
from callgate.storage.schema import logs, records


@contextmanager
def reading(database: Database) -> Iterator[Connection]:
    """Each statement sees what is committed when it begins. Raises StoreError."""
    engine = database.open_to_read()
    try:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            yield connection
    except database.errors as error:
        raise StoreError(f"{database.place} cannot be read: {database.said(error)}") from error
    finally:
        engine.dispose()


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
