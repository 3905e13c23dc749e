"""The outcome of calls whose gateway died in the middle, and what else it left undone."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator

from sqlalchemy import Connection, select

from callgate.audit.place import bounds
from callgate.audit.record import Entry, interrupted
from callgate.storage.schema import records

_log = logging.getLogger("callgate.storage")


def interruptions(
    connection: Connection, log: int, settled: int, at: float, *, but: Collection[str]
) -> list[Entry]:
    """An outcome for every call that the log left open, but for those that go on.

    `settled`: all intents before this seq have outcomes. An outcome counts in any log.
    """
    found: list[Entry] = []
    for call_id, body in _open_intents(connection, log, settled):
        if call_id in but:
            continue
        try:
            found.append(interrupted(body.encode("utf-8", "surrogateescape"), at))
        except (AttributeError, ValueError) as error:
            # Tampered with: for `audit verify`, not a reason not to start.
            _log.error("an intent without an outcome cannot be read: %s", error)
    return found


def _open_intents(connection: Connection, log: int, settled: int) -> Iterator[tuple[str, str]]:
    outcome = records.alias("outcome")
    has_outcome = (
        select(1)
        .where(outcome.c.call_id == records.c.call_id, outcome.c.kind == "outcome")
        .exists()
    )
    first, last = bounds(log)
    query = (
        select(records.c.call_id, records.c.body)
        .where(
            records.c.position.between(first + settled, last),
            records.c.kind == "intent",
            records.c.body.is_not(None),
            ~has_outcome,
        )
        .order_by(records.c.position)
    )
    for row in connection.execute(query).all():
        yield row.call_id, row.body
