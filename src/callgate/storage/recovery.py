"""One outcome for each call: of those whose gateway died, and of those whose gateway did not."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator, Sequence

import msgspec
from sqlalchemy import Connection, select

from callgate.audit.event import after_all_id, event
from callgate.audit.merkle import leaf_hash
from callgate.audit.place import bounds
from callgate.audit.record import Entry, interrupted
from callgate.storage.schema import records

ENDED_AFTER_ALL = "call_ended_after_all"  # an event: how, where the outcome says otherwise

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


class Contested:
    """Calls that began in a log that was taken from us: whoever took it may have ended them.

    INVARIANT: what is written of them is written `alone`, as recoveries are: the first outcome
    counts, and there is no second one.
    """

    def __init__(self) -> None:
        self.ids: set[str] = set()

    def concerns(self, entries: Iterable[Entry]) -> bool:
        """Whether any of them is of such a call."""
        return bool(self.ids) and any(entry.call_id in self.ids for entry in entries)

    def admitted(self, connection: Connection, entries: Sequence[Entry]) -> list[Entry]:
        """What may be written instead of these. In a transaction `alone`.

        What is durable already is left out; an outcome that comes too late is told as an event.
        """
        ended, hashes = self._recorded(connection, entries)
        admitted: list[Entry] = []
        for entry in entries:
            if leaf_hash(entry.body) in hashes:
                continue
            is_late = entry.kind == "outcome" and entry.call_id in ended
            admitted.append(_told_late(entry) if is_late else entry)
        return admitted

    def forget(self, entries: Iterable[Entry]) -> None:
        """These are durable, as they were admitted: nothing follows an outcome."""
        self.ids.difference_update(entry.call_id for entry in entries if entry.kind != "intent")

    def _recorded(
        self, connection: Connection, entries: Sequence[Entry]
    ) -> tuple[set[str], set[bytes]]:
        """Which of these calls have an outcome, and the leaf hashes of what is there of them."""
        columns = records.c
        ids = self.ids.intersection(entry.call_id for entry in entries)
        query = select(columns.call_id, columns.kind, columns.hash)
        rows = connection.execute(query.where(columns.call_id.in_(ids))).all()
        ended = {row.call_id for row in rows if row.kind == "outcome"}
        return ended, {row.hash for row in rows}


def _told_late(outcome: Entry) -> Entry:
    """The same event, byte for byte, whenever it is made of the same outcome."""
    _log.error(
        "call %s ended with %r after another gateway had taken it for dead and recorded its end, as"
        " we were cut off from the record: an event says how it ended (tool ran: %s)",
        outcome.call_id,
        outcome.code,
        outcome.ran,
    )
    body = msgspec.json.decode(outcome.body)
    said = {name: body.get(name) for name in ("code", "ran", "delivered")}
    identifier = after_all_id(outcome.call_id)
    return event(
        ENDED_AFTER_ALL, outcome.at, {"of": outcome.call_id, **said}, identifier=identifier
    )
