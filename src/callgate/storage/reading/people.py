"""Who called, as each was last seen: from the index, and from what it does not have yet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from sqlalchemy import ColumnElement, Connection, func, or_, select

from callgate.audit.place import place
from callgate.audit.principals import Recalled, description_of, principal_of, recalled
from callgate.model import Json
from callgate.storage.index.bits import BLOCK
from callgate.storage.index.link import Link, link_of
from callgate.storage.index.record import is_index_of
from callgate.storage.rows.opening import chosen_rows, heads, span
from callgate.storage.rows.telling import Blobs, told
from callgate.storage.schema import records

FURTHEST_LOOK = 200_000  # entries of a log that are looked at where no index has them
AT_ONCE = 1000


def people(
    connection: Connection, index: Link | None, limit: int, blobs: Blobs | None
) -> list[Recalled]:
    """The latest first, with their claims as far as the record has them."""
    seen = _seen(connection, index, limit)
    ids = [description_of(entry["principal"]) for entry in seen]
    described = _described(connection, sorted({one for one in ids if one is not None}), blobs)
    found = (recalled(entry, described.get(of or "")) for entry, of in zip(seen, ids, strict=True))
    return [one for one in found if one is not None]


def _seen(connection: Connection, index: Link | None, limit: int) -> list[dict[str, Json]]:
    """The last entry of each, the latest first."""
    places = [*_indexed(index, limit)] if index is not None else []
    for log, end in heads(connection).items():
        stretches = _unindexed(connection, index, log, end)
        places += _looked_for(connection, log, _latest(stretches, FURTHEST_LOOK))
    latest: dict[str, dict[str, Json]] = {}
    for entry in _entries(connection, places):
        if (principal := principal_of(entry, None)) is not None:
            latest.setdefault(principal.key, entry)
    return [*latest.values()][:limit]


def _described(
    connection: Connection, identifiers: Sequence[str], blobs: Blobs | None
) -> dict[str, dict[str, Json]]:
    """What the events with these ids say; of several with one id, one that says it."""
    columns = records.c
    found: dict[str, dict[str, Json]] = {}
    for first in range(0, len(identifiers), AT_ONCE):
        query = (
            chosen_rows()
            .where(
                columns.call_id.in_(identifiers[first : first + AT_ONCE]), columns.kind == "event"
            )
            .order_by(columns.body.is_(None), columns.payload.is_(None), columns.position)
        )
        for row in connection.execute(query):
            if row.call_id not in found:
                found[row.call_id] = told(row, blobs)
    return found


def _indexed(index: Link, limit: int) -> Sequence[int]:
    query = "SELECT position FROM search_principals ORDER BY at DESC, position DESC LIMIT ?"
    return [at for (at,) in index.ask(query, (limit,))]


def _unindexed(
    connection: Connection, index: Link | None, log: int, end: int
) -> Iterator[tuple[int, int]]:
    """The stretches of a log that no index has, the latest first: first seq, and behind the last.

    The index is made from the end, and leaves out what it cannot read.
    """
    if index is not None and is_index_of(link_of(connection), index, log):
        query = "SELECT number FROM search_blocks WHERE log = ? ORDER BY number DESC"
        for (number,) in index.ask(query, (log,)):
            if (number + 1) * BLOCK < end:
                yield (number + 1) * BLOCK, end
            end = min(end, number * BLOCK)
    if end > 0:
        yield 0, end


def _latest(stretches: Iterable[tuple[int, int]], most: int) -> Iterator[tuple[int, int]]:
    """As much of them as so many entries."""
    for start, end in stretches:
        if most <= 0:
            return
        yield max(start, end - most), end
        most -= end - start


def _looked_for(
    connection: Connection, log: int, stretches: Iterable[tuple[int, int]]
) -> Sequence[int]:
    """The last place of each principal."""
    columns = records.c
    spans = [span(log, start, end) for start, end in stretches]
    query = (
        select(func.max(columns.position))
        .where(
            or_(*(columns.position.between(first, last) for first, last in spans)),
            columns.principal.is_not(None),
            columns.kind.in_(("intent", "outcome")),
        )
        .group_by(columns.principal, columns.agent, _who(connection))
    )
    return connection.execute(query).scalars().all() if spans else ()


def _who(connection: Connection) -> ColumnElement[str]:
    """What parts principals of one id, as the body has it: all that it says before the agent."""
    body = records.c.body
    find = func.instr if connection.dialect.name == "sqlite" else func.strpos
    start = find(body, '"principal":{')
    # abs: PostgreSQL stops at a negative length, of a body that was tampered with.
    return func.substr(body, start, func.abs(find(body, ',"agent":') - start))


def _entries(connection: Connection, places: Sequence[int]) -> Iterator[dict[str, Json]]:
    """The latest first."""
    columns = records.c
    rows = [
        row
        for first in range(0, len(places), AT_ONCE)
        for row in connection.execute(
            chosen_rows().where(columns.position.in_(places[first : first + AT_ONCE]))
        )
    ]
    rows.sort(key=lambda row: (row.at, place(row.position)), reverse=True)
    return (told(row, None) for row in rows)
