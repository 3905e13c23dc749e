"""The logs exactly as a database has them, for whoever proves or verifies: one moment of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any

from sqlalchemy import Column, Connection, Select, func, select

from callgate.audit.log_reader import KeptCheckpoint
from callgate.audit.place import SEQ_BITS
from callgate.audit.tiles import Hashes, Tile
from callgate.ports import StoreError
from callgate.storage.database import Database
from callgate.storage.databases import database_of, faults_of
from callgate.storage.facts import origin_in
from callgate.storage.log import KeptHashes
from callgate.storage.schema import checkpoints, records, tiles
from callgate.storage.settings import StoreSettings

AT_ONCE = 500  # rows that a server sends
UNREAD = " cannot be read"

Blobs = Callable[[str], bytes | None]


def open_log(settings: StoreSettings, blobs: Blobs | None = None) -> StoredLogs:
    """The record as it is now; whoever opens it closes it. Raises StoreError.

    `blobs` fetches a payload that is kept apart, by its digest.
    """
    database = database_of(settings)
    engine = database.open_to_read()
    with faults_of(database, UNREAD):
        connection = engine.connect()
        try:
            connection.begin()
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("BEGIN")  # SQLAlchemy leaves that to us
            origin = origin_in(connection)
            if origin is None:
                raise StoreError(f"{database.place} holds no record yet")
            return StoredLogs(database, connection, origin, blobs)
        except BaseException:
            connection.close()
            raise


class StoredLogs:
    """Implements LogReader."""

    has_columns = True

    def __init__(
        self, database: Database, connection: Connection, origin: str, blobs: Blobs | None
    ) -> None:
        self.place = database.place
        self.origin = origin
        self.has_payloads = blobs is not None
        self._database = database
        self._connection = connection
        self._blobs = blobs

    def logs(self) -> Sequence[int]:
        with faults_of(self._database, UNREAD):
            found = set(self._numbers(records.c.position, SEQ_BITS))
            for table in (checkpoints, tiles):
                found.update(self._numbers(table.c.log, 0))
        return sorted(found)

    def size(self, log: int) -> int:
        first, last = _bounds(log)
        position = records.c.position
        query = select(func.max(position)).where(position >= first, position <= last)
        with faults_of(self._database, UNREAD):
            newest: int | None = self._connection.execute(query).scalar()
        return 0 if newest is None else newest - first + 1

    def records(
        self, log: int, first: int = 0, last: int | None = None
    ) -> Iterator[tuple[Any, ...]]:
        start, end = _bounds(log)
        if last is not None:
            end = min(end, start + last - 1)
        position = records.c.position
        query = select(records).where(position >= start + first, position <= end)
        return self._rows(query.order_by(position))

    def checkpoints(self, log: int, largest: int | None = None) -> Iterator[KeptCheckpoint]:
        query = select(checkpoints).where(checkpoints.c.log == log)
        if largest is None:
            rows: Iterable[tuple[Any, ...]] = self._rows(query.order_by(checkpoints.c.size))
        else:
            newest = query.order_by(checkpoints.c.size.desc()).limit(largest)
            rows = list(self._rows(newest))[::-1]
        return (KeptCheckpoint(*row) for row in rows)

    def tiles(self, log: int) -> Iterator[Tile]:
        query = select(tiles).where(tiles.c.log == log).order_by(tiles.c.level, tiles.c.number)
        for _, level, number, hashes in self._rows(query):
            yield Tile(level=level, number=number, hashes=hashes)

    def hashes(self, log: int) -> Hashes:
        return KeptHashes(self._connection, log)

    def entries(self, call_id: str) -> Sequence[tuple[Any, ...]]:
        ids = select(records.c.position).where(records.c.call_id == call_id)
        with faults_of(self._database, UNREAD):
            places = sorted(self._connection.execute(ids).scalars())
        query = select(records)
        found: list[tuple[Any, ...]] = []
        for place in places:
            found += self._rows(query.where(records.c.position == place))
        return found

    def blob(self, sha256: str) -> bytes | None:
        return None if self._blobs is None else self._blobs(sha256)

    def close(self) -> None:
        with suppress(*self._database.errors):
            self._connection.close()
            self._connection.engine.dispose()

    def _rows(self, query: Select[Any]) -> Iterator[tuple[Any, ...]]:
        """As the driver has them: whatever a value has become, nothing converts it."""
        dialect = self._connection.dialect
        # Numbers and our own names are all that there is in it.
        sql = str(query.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
        with faults_of(self._database, UNREAD):
            if dialect.name == "sqlite":
                bare = self._connection.connection.driver_connection
                assert bare is not None  # noqa: S101 - for the type checker
                yield from bare.execute(sql)
            else:
                options = {"stream_results": True, "max_row_buffer": AT_ONCE}
                with self._connection.exec_driver_sql(sql, execution_options=options) as rows:
                    yield from map(tuple, rows)

    def _numbers(self, column: Column[Any], shift: int) -> Iterator[int]:
        """Every number in the column without its last bits, by an index look-up for each."""
        query = select(func.min(column))
        found = self._connection.execute(query).scalar()
        while isinstance(found, int):
            number = found >> shift
            yield number
            after = query.where(column >= (number + 1) << shift)
            found = self._connection.execute(after).scalar()


def _bounds(log: int) -> tuple[int, int]:
    """Of a number that may be none of a log, after tampering."""
    first = log << SEQ_BITS
    return first, first + (1 << SEQ_BITS) - 1
