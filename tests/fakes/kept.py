"""The entries that a database holds, read as they are."""

from __future__ import annotations

from sqlalchemy import select

from callgate.audit.place import place
from callgate.audit.record import Entry
from callgate.storage.databases import database_of
from callgate.storage.schema import records
from callgate.storage.settings import StoreSettings


def kept(settings: StoreSettings) -> list[Entry]:
    """Of calls and events, log by log."""
    return [entry for _, entry in kept_at(settings)]


def kept_at(settings: StoreSettings) -> list[tuple[tuple[int, int], Entry]]:
    """The same with their places: log and seq."""
    query = select(records).where(records.c.kind != "checkpoint").order_by(records.c.position)
    with database_of(settings).open_to_read().connect() as connection:
        found = connection.execute(query).mappings().all()
    result = []
    for row in found:
        columns = {name: row[name] for name in row if name not in ("position", "hash")}
        columns["body"] = row["body"].encode()
        columns["payload"] = None if row["payload"] is None else row["payload"].encode()
        result.append((place(row["position"]), Entry(**columns)))
    return result
