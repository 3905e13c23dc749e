"""The last call of each run that was going on lately: for a gateway that starts and goes on."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row, func, select

from callgate.audit.place import bounds, position
from callgate.model import Json
from callgate.storage.rows.opening import Source, chosen_rows, heads
from callgate.storage.rows.telling import told
from callgate.storage.schema import records
from callgate.storage.settings import StoreSettings

MOST_ENTRIES = 20_000  # of each log, the newest: what was before counts as long ago
MOST_RUNS = 5_000


def last_calls(settings: StoreSettings, since: float) -> list[dict[str, Json]]:
    """One entry of each run since then, its last, without payload; oldest first. StoreError."""
    columns = records.c
    found: list[Row[Any]] = []
    with Source(settings).reading() as connection:
        for log, end in heads(connection).items():
            first = position(log, max(0, end - MOST_ENTRIES))
            last = (
                select(func.max(columns.position))
                .where(
                    columns.position.between(first, bounds(log)[1]),
                    columns.kind.in_(("intent", "outcome")),
                    columns.run.is_not(None),
                    columns.at >= since,
                )
                .group_by(columns.run)
            )
            query = chosen_rows().where(columns.position.in_(last))
            found += connection.execute(query.order_by(columns.at.desc()).limit(MOST_RUNS)).all()
    entries = [told(row, None) for row in sorted(found, key=lambda row: float(row.at))]
    return [entry for entry in entries if not entry.get("erased")]
