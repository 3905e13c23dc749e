"""A record goes to another database, with its proofs; the old one is not written any more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Table, func, insert, literal, select

from callgate.audit.place import LOG_OF_LOGS
from callgate.ports import StoreError
from callgate.storage.database import Database
from callgate.storage.databases import database_of, faults_of
from callgate.storage.facts import MOVED_TO, ORIGIN, fact, refuse_moved, state
from callgate.storage.log import Log
from callgate.storage.schema import logs, metadata, records
from callgate.storage.settings import StoreSettings

AT_ONCE = 500  # rows in one statement

Progress = Callable[[int], None]


def move(old: StoreSettings, new: StoreSettings, progress: Progress = lambda _: None) -> int:
    """Copies all tables into an empty database, then closes the old one to writers: the records.

    Raises StoreError: where a gateway writes to the old one, or there is a record in the new one.
    """
    source, target = database_of(old), database_of(new)
    with (
        _faults(source),
        closing(source.open_to_write(may_create=False)) as read,
        ExitStack() as lives,
        source.alone(read),  # from here on no gateway starts there
    ):
        refuse_moved(read)
        _claim_all(source, read, lives)
        with (
            _faults(target),
            closing(target.open_to_write(may_create=True)) as written,
            target.alone(written),
        ):
            if _is_begun(written):
                count = _arrived(target, read, written)
            else:
                count = _copied(read, written, progress)
                _compare(read, written)
        # Only now: whatever happened before, the old one is whole and can go on.
        state(read, MOVED_TO, target.place)
    return count


@contextmanager
def _faults(database: Database) -> Iterator[None]:
    try:
        with faults_of(database):
            yield
    except ValueError as error:  # no database of ours would have taken it: it was tampered with
        raise StoreError(
            f"{database.place} cannot hold what is kept ({type(error).__name__}): "
            "`callgate audit verify` says where"
        ) from error


def _claim_all(database: Database, connection: Connection, lives: ExitStack) -> None:
    for row in connection.execute(select(logs.c.id, logs.c.token)).all():
        life = database.claim(connection, row.token)
        if life is None:
            raise StoreError(f"{database.place}: a gateway writes to log {row.id}: stop it first")
        lives.callback(life.end)


def _is_begun(connection: Connection) -> bool:
    queries = (select(literal(1)).select_from(table).limit(1) for table in metadata.sorted_tables)
    return any(connection.execute(query).first() is not None for query in queries)


def _arrived(target: Database, old: Connection, new: Connection) -> int:
    """The records, where all of it is there: who copied it was killed before the old was closed."""
    count = select(func.count()).select_from(records)
    try:
        if fact(old, ORIGIN) == fact(new, ORIGIN):
            _compare(old, new)
            return int(new.execute(count).scalar() or 0)
    except StoreError:
        pass  # of the same name, and not the same
    raise StoreError(f"{target.place} has a record already: name an empty database")


def _copied(old: Connection, new: Connection, progress: Progress) -> int:
    count = 0
    for table in metadata.sorted_tables:
        for rows in _chunks(old, table):
            new.execute(insert(table), rows)
            if table is records:
                count += len(rows)
                progress(len(rows))
    return count


def _chunks(connection: Connection, table: Table) -> Iterator[list[dict[str, Any]]]:
    query = select(table).order_by(*table.primary_key.columns)
    with connection.execute(query, execution_options={"yield_per": AT_ONCE}) as found:
        rows = found.mappings()
        while chunk := [dict(row) for row in islice(rows, AT_ONCE)]:
            yield chunk


def _compare(old: Connection, new: Connection) -> None:
    for log in (LOG_OF_LOGS, *old.execute(select(logs.c.id)).scalars().all()):
        before, after = Log.restored(old, log), Log.restored(new, log)
        if (before.size, before.root()) != (after.size, after.root()):
            raise StoreError(f"log {log} did not arrive as it was; nothing was changed")
