"""Somebody who can write anything into a real store: what tamper cases are done with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Table, delete, insert, select

from callgate.audit.place import bounds, place, position
from callgate.storage.databases import database_of
from callgate.storage.facts import origin_in
from callgate.storage.schema import checkpoints, records, tiles
from callgate.storage.settings import StoreSettings

# Which columns say which row it is.
KEYS = {
    records: (records.c.position,),
    checkpoints: (checkpoints.c.log, checkpoints.c.size),
    tiles: (tiles.c.log, tiles.c.level, tiles.c.number),
}
Key = tuple[int, ...]


class StoreEditor:
    """Implements Editor. `restore` puts everything back as it was when this was made."""

    def __init__(self, settings: StoreSettings) -> None:
        self._connection: Connection = database_of(settings).open_to_write(may_create=False)
        origin = origin_in(self._connection)
        assert origin is not None
        self.origin = origin
        self._before = {table: self._all(table) for table in KEYS}
        self._touched: set[tuple[Table, Key]] = set()
        self._connection.rollback()

    def _all(self, table: Table) -> dict[Key, dict[str, Any]]:
        rows = self._connection.execute(select(table)).mappings()
        return {tuple(row[one.name] for one in KEYS[table]): dict(row) for row in rows}

    def _one(self, query: Any) -> dict[str, Any]:
        return dict(self._connection.execute(query).mappings().one())

    def _write(self, table: Table, key: Key, row: dict[str, Any] | None) -> None:
        self._touched.add((table, key))
        at = [column == value for column, value in zip(KEYS[table], key, strict=True)]
        self._connection.execute(delete(table).where(*at))
        if row is not None:
            self._connection.execute(insert(table).values(**row))

    def done(self) -> None:
        """Only now others see what was changed: one transaction for all is quicker."""
        self._connection.commit()

    def restore(self) -> None:
        for table, key in sorted(self._touched, key=lambda one: one[1]):
            self._write(table, key, self._before[table].get(key))
        self._connection.commit()
        self._touched.clear()

    def close(self) -> None:
        self._connection.close()
        self._connection.engine.dispose()

    def size(self, log: int) -> int:
        first, last = bounds(log)
        at = records.c.position
        query = select(at).where(at >= first, at <= last).order_by(at.desc()).limit(1)
        newest = self._connection.execute(query).scalar()
        return 0 if newest is None else place(newest)[1] + 1

    def row(self, log: int, seq: int) -> dict[str, Any]:
        row = self._one(select(records).where(records.c.position == position(log, seq)))
        del row["position"]
        return row

    def put(self, log: int, seq: int, row: dict[str, Any]) -> None:
        number = position(log, seq)
        self._write(records, (number,), {"position": number, **row})

    def drop(self, log: int, seq: int) -> None:
        self._write(records, (position(log, seq),), None)

    def sizes(self, log: int) -> Sequence[int]:
        query = select(checkpoints.c.size).where(checkpoints.c.log == log)
        found = list(self._connection.execute(query.order_by(checkpoints.c.size)).scalars())
        return found

    def note(self, log: int, size: int) -> str:
        at = (checkpoints.c.log == log, checkpoints.c.size == size)
        return str(self._one(select(checkpoints.c.note).where(*at))["note"])

    def put_note(self, log: int, size: int, note: Any) -> None:
        row = {"log": log, "size": size, "at": 0.0, "note": note}
        self._write(checkpoints, (log, size), row)

    def drop_note(self, log: int, size: int) -> None:
        self._write(checkpoints, (log, size), None)

    def tiles(self, log: int) -> Sequence[tuple[int, int]]:
        query = select(tiles.c.level, tiles.c.number).where(tiles.c.log == log)
        found = [(row.level, row.number) for row in self._connection.execute(query)]
        return found

    def tile(self, log: int, level: int, number: int) -> bytes:
        at = (tiles.c.log == log, tiles.c.level == level, tiles.c.number == number)
        return bytes(self._one(select(tiles.c.hashes).where(*at))["hashes"])

    def put_tile(self, log: int, level: int, number: int, hashes: bytes) -> None:
        row = {"log": log, "level": level, "number": number, "hashes": hashes}
        self._write(tiles, (log, level, number), row)

    def drop_tile(self, log: int, level: int, number: int) -> None:
        self._write(tiles, (log, level, number), None)
