"""One log as its writer holds it: where it ends, and which hashes of it are kept."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, func, select, text

from callgate.audit.frontier import Frontier
from callgate.audit.merkle import HASH_BYTES, leaf_hash
from callgate.audit.place import bounds, position
from callgate.audit.record import Entry
from callgate.audit.tiles import WIDTH, TileError, Tree
from callgate.ports import StoreError
from callgate.storage.database import Database, Row
from callgate.storage.schema import records, tiles

_KEEP_TILE = text(
    "INSERT INTO tiles (log, level, number, hashes) VALUES (:log, :level, :number, :hashes) "
    "ON CONFLICT (log, level, number) DO UPDATE SET hashes = excluded.hashes"
)


class LogError(StoreError):
    """What is kept of a log does not hold: it must not be continued. The message says why."""


class KeptHashes:
    """The hashes of one log in the database. Implements audit.tiles.Hashes."""

    def __init__(self, connection: Connection, log: int) -> None:
        self._connection = connection
        self._log = log

    def tile(self, level: int, number: int) -> bytes:
        """Raises TileError where something else than hashes is kept there."""
        at = (tiles.c.log == self._log, tiles.c.level == level, tiles.c.number == number)
        kept = self._connection.execute(select(tiles.c.hashes).where(*at)).scalar()
        if kept is None:
            return b"".join(self._leaves(number)) if level == 0 else b""
        if not isinstance(kept, bytes):
            raise TileError(f"tile {number} of level {level} was replaced by something else")
        return kept

    def _leaves(self, number: int) -> Sequence[bytes]:
        """Those behind the last full tile, which only the records have."""
        first = position(self._log, number * WIDTH)
        query = (
            select(records.c.position, records.c.hash)
            .where(records.c.position.between(first, first + WIDTH - 1))
            .order_by(records.c.position)
        )
        found: list[bytes] = []
        for row in self._connection.execute(query):
            if row.position != first + len(found):
                break  # a gap: what follows has no place
            if not isinstance(row.hash, bytes) or len(row.hash) != HASH_BYTES:
                raise TileError(f"the hash of record {row.position - first} was replaced")
            found.append(row.hash)
        return found


def size_in(connection: Connection, log: int) -> int:
    """How many entries the database has of a log, by the last of them."""
    first, last = bounds(log)
    query = select(func.max(records.c.position)).where(records.c.position.between(first, last))
    newest: int | None = connection.execute(query).scalar()
    return 0 if newest is None else newest - first + 1


class Log:
    """The end of one log. `number` says which.

    INVARIANT: it stands where the last transaction that is known to be durable has ended.
    """

    def __init__(self, number: int, frontier: Frontier | None = None) -> None:
        self.number = number
        self._frontier = frontier or Frontier()

    @classmethod
    def restored(cls, connection: Connection, number: int) -> Log:
        """From what is kept. Raises LogError where that does not fit together."""
        size = size_in(connection, number)
        try:
            return cls(number, Frontier.restored(size, KeptHashes(connection, number)))
        except TileError as error:
            raise LogError(f"log {number}: {error}") from None

    @property
    def size(self) -> int:
        """How many entries it has: the seq of the next one."""
        return self._frontier.size

    def root(self) -> bytes:
        """Over all its entries."""
        return self._frontier.root()

    def rows(self, entries: Sequence[Entry]) -> list[Row]:
        """The entries at the places that follow; nothing is added yet."""
        first = position(self.number, self.size)
        return [
            Row(position=first + at, hash=leaf_hash(entry.body), entry=entry)
            for at, entry in enumerate(entries)
        ]

    def fills_tile(self, rows: Sequence[Row]) -> bool:
        """Whether more than the rows must be written."""
        return self.size // WIDTH != (self.size + len(rows)) // WIDTH

    def add(self, database: Database, connection: Connection, rows: Sequence[Row]) -> Log:
        """Writes the rows and what else they make full, in a transaction; the log after it."""
        grown = self.grown(rows)
        database.insert(connection, rows)
        kept = [
            {"log": self.number, "level": one.level, "number": one.number, "hashes": one.hashes}
            for one in grown._frontier.take_tiles()
        ]
        if kept:
            connection.execute(_KEEP_TILE, kept)
        return grown

    def grown(self, rows: Sequence[Row]) -> Log:
        """The log with the rows; nothing is written."""
        edge = self._frontier.copy()
        edge.extend(row.hash for row in rows)
        return Log(self.number, edge)

    def extend(self, rows: Sequence[Row]) -> None:
        """The rows are durable, and have filled no tile."""
        self._frontier.extend(row.hash for row in rows)

    def goes_on_from(self, connection: Connection, earlier: Log) -> bool:
        """Whether what is kept begins with all that the earlier one had. Raises LogError."""
        return (
            earlier.size <= self.size and self.root_in(connection, earlier.size) == earlier.root()
        )

    def root_in(self, connection: Connection, size: int) -> bytes:
        """The root that it had at a size, of what is kept. Raises LogError."""
        try:
            return Tree(KeptHashes(connection, self.number), size).root()
        except TileError as error:
            raise LogError(f"log {self.number}: {error}") from None
