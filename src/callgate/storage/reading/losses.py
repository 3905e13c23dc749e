"""Payloads that are not where they were kept, though nothing says that they were erased."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Connection, Row, func, select

from callgate.audit.erasure import ERASED, WITHDRAWN, Erasures
from callgate.audit.place import place
from callgate.model import Json
from callgate.ports import StoreError
from callgate.storage.retention.reading import let_go
from callgate.storage.rows.telling import Blobs, told
from callgate.storage.schema import records

WHY = "it is not where it was kept, nor was it erased; see `callgate audit verify`"

_announced = msgspec.json.Decoder().decode


class Losses:
    """For one connection. What was erased is looked up only where a payload is not there."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._erasures: Erasures | None = None
        self._events = 0  # that were taken in

    def told(self, row: Row[Any], blobs: Blobs | None) -> dict[str, Json]:
        """As `telling.told`; `payload_lost` where a payload is gone that was not erased."""
        entry = told(row, blobs)
        if row.body is not None and entry.get("erased") and not self._is_let_go(row.position):
            del entry["erased"]
            entry["payload_lost"] = {**_announced(row.body)["payload"], "why": WHY}
        return entry

    def _is_let_go(self, at: int) -> bool:
        log, seq = place(at)
        erasures = self._erasures
        if erasures is None or erasures.first_unsaid(log, seq, seq, has_body=True) is not None:
            try:
                erasures = self._of_now()
            except StoreError:  # nobody can tell
                return True
        return erasures.first_unsaid(log, seq, seq, has_body=True) is None

    def _of_now(self) -> Erasures:
        columns = records.c
        query = select(func.count()).where(
            columns.kind == "event", columns.code.in_((ERASED, WITHDRAWN))
        )
        count = self._connection.execute(query).scalar() or 0
        if self._erasures is None or count != self._events:
            self._erasures, self._events = let_go(self._connection, lambda _: True), count
        return self._erasures
