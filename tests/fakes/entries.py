"""Entries as a reader of the record tells them, without a record."""

from __future__ import annotations

from typing import Any

import msgspec

from callgate.audit.merkle import leaf_hash
from callgate.audit.record import Entry
from callgate.model import Json


class FakeRow:
    """What `storage.rows.telling.told` needs of a row."""

    def __init__(self, entry: Entry, position: int = 1 << 40, **more: Any) -> None:
        self.position = position
        self.kind = entry.kind
        self.call_id = entry.call_id
        self.at = entry.at
        self.run = entry.run
        self.target = entry.target
        self.tool = entry.tool
        self.code = entry.code
        self.hash = leaf_hash(entry.body)
        self.body: Any = entry.body.decode()
        self.payload: Any = None if entry.payload is None else entry.payload.decode()
        self.__dict__.update(more)


def told_as_read(entry: Entry) -> dict[str, Json]:
    """The body with its payload, and a place."""
    body: dict[str, Json] = msgspec.json.decode(entry.body)
    body.pop("payload", None)
    payload = {} if entry.payload is None else msgspec.json.decode(entry.payload)
    return {**payload, **body, "record": {"log": 1, "seq": 0, "hash": "00"}}
