"""Reading the record from one end to the other, resumably: for exports, replay, usage."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Row

from callgate.audit.explain import whole
from callgate.audit.matching import matcher
from callgate.audit.place import place
from callgate.model import Json
from callgate.ports import CallFilter, Positions, StoreError
from callgate.storage.reading.losses import Losses
from callgate.storage.rows.opening import Source, chosen_rows, heads, span
from callgate.storage.rows.telling import Blobs
from callgate.storage.schema import records

BATCH = 1000  # rows at once
BATCH_BYTES = 16 << 20  # about: rows may be large
MOST_OPEN = 100_000  # intents kept in memory until their outcome comes; others are looked up

Scanned = tuple[Positions, dict[str, Json]]


def scan(
    source: Source, after: Positions, blobs: Blobs | None, chosen: CallFilter | None = None
) -> Iterator[Scanned]:
    """Every entry that was there when this began: each log in its order, the logs by time.

    With `chosen`, only entries that by themselves are among the chosen: an intent has no code yet.
    """
    fits = matcher(chosen) if chosen is not None else None
    positions = dict(after)
    with source.reading() as connection:
        losses = Losses(connection)
        for row in _rows(connection, after):
            entry = losses.told(row, blobs)
            log, seq = place(row.position)
            positions[log] = seq + 1
            if fits is None or _is_chosen(entry, fits):
                yield dict(positions), entry


def _is_chosen(entry: dict[str, Json], fits: Callable[[dict[str, Json]], bool]) -> bool:
    return entry["kind"] != "event" and fits(entry)


def scan_calls(
    source: Source,
    after: Positions,
    blobs: Blobs | None,
    chosen: CallFilter | None = None,
    ends: Positions | None = None,
) -> Iterator[Scanned]:
    """Every call whose outcome was there when this began, as `audit.explain.whole` has it.

    It comes where its outcome stands. Resumed, intents from before are looked up. `ends`: no
    further than this.
    """
    fits = matcher(chosen) if chosen is not None else None
    positions = dict(after)
    open_intents: dict[str, dict[str, Json]] = {}
    with source.reading() as connection:
        losses = Losses(connection)
        for row in _rows(connection, after, ends):
            log, seq = place(row.position)
            positions[log] = seq + 1
            if row.kind == "intent":
                if len(open_intents) >= MOST_OPEN:
                    open_intents.pop(next(iter(open_intents)))
                open_intents[row.call_id] = losses.told(row, blobs)
            elif row.kind == "outcome":
                outcome = losses.told(row, blobs)
                intent = open_intents.pop(row.call_id, None)
                if intent is None and _had_an_intent(outcome):
                    call = whole(entries_of(connection, [row.call_id], blobs)[row.call_id])
                else:
                    call = whole([outcome] if intent is None else [intent, outcome])
                if fits is None or fits(call):
                    yield dict(positions), call


def _had_an_intent(outcome: dict[str, Json]) -> bool:
    """Whether there may be one: what was refused before that has its arguments in the outcome."""
    return "arguments" not in outcome


def entries_of(
    connection: Connection, ids: Sequence[str], blobs: Blobs | None
) -> dict[str, list[dict[str, Json]]]:
    """All entries of these calls: by id, each intent before its outcome."""
    query = chosen_rows().where(
        records.c.call_id.in_(ids), records.c.kind.in_(("intent", "outcome"))
    )
    # An outcome may stand in the log of another writer, whatever its number.
    rows = sorted(connection.execute(query), key=lambda row: (row.kind != "intent", row.position))
    losses = Losses(connection)
    found: dict[str, list[dict[str, Json]]] = {}
    for row in rows:
        found.setdefault(row.call_id, []).append(losses.told(row, blobs))
    return found


def _rows(
    connection: Connection, after: Positions, ends: Positions | None = None
) -> Iterator[Row[Any]]:
    ends = heads(connection) if ends is None else ends
    walks = [_log_rows(connection, log, after.get(log, 0), end) for log, end in ends.items()]
    if len(walks) == 1:
        return walks[0]
    return heapq.merge(*walks, key=lambda row: (row.at, row.position))


def _log_rows(connection: Connection, log: int, start: int, end: int) -> Iterator[Row[Any]]:
    size = BATCH
    while start < end:
        until = min(start + size, end)
        query = (
            chosen_rows()
            .where(records.c.position.between(*span(log, start, until)))
            .order_by(records.c.position)
        )
        rows = connection.execute(query).all()
        _make_sure_none_is_missing(rows, log, start, until)
        yield from rows
        start = until
        size = _next_size(rows)


def _make_sure_none_is_missing(rows: Sequence[Row[Any]], log: int, start: int, end: int) -> None:
    # INVARIANT: entries are emptied, never removed; nothing may be passed over in silence.
    if len(rows) == end - start:
        return
    there = {place(row.position)[1] for row in rows}
    missing = next(seq for seq in range(start, end) if seq not in there)
    raise StoreError(f"record {log}/{missing} is missing; see `callgate audit verify`")


def _next_size(rows: Sequence[Row[Any]]) -> int:
    """As many as are about BATCH_BYTES, going by the last ones."""
    total = sum(len(row.body or "") + len(row.payload or "") for row in rows)
    mean = total // len(rows) + 1 if rows else 1
    return max(1, min(BATCH, BATCH_BYTES // mean))
