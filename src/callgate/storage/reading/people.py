"""Who called, as each was last seen: from the index, and from what it does not have yet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import Connection, func, select

from callgate.audit.place import place
from callgate.model import Json, Principal
from callgate.storage.index.bits import BLOCK
from callgate.storage.index.link import Link, link_of
from callgate.storage.index.record import is_index_of
from callgate.storage.rows.opening import chosen_rows, heads, span
from callgate.storage.rows.telling import told
from callgate.storage.schema import records

FURTHEST_LOOK = 200_000  # entries of a log that are looked at where no index has them
AT_ONCE = 1000


def principals(connection: Connection, index: Link | None, limit: int) -> list[Principal]:
    """The latest first."""
    places = [*_indexed(index, limit)] if index is not None else []
    for log, end in heads(connection).items():
        places += _looked_for(connection, log, _indexed_end(connection, index, log), end)
    latest: dict[str, Principal] = {}
    for at in _entries(connection, places):
        if (who := at.get("principal")) is not None:
            principal = _principal(who)
            latest.setdefault(principal.key, principal)
    return [*latest.values()][:limit]


def _indexed(index: Link, limit: int) -> Sequence[int]:
    query = "SELECT position FROM search_principals ORDER BY at DESC, position DESC LIMIT ?"
    return [at for (at,) in index.ask(query, (limit,))]


def _indexed_end(connection: Connection, index: Link | None, log: int) -> int:
    if index is None or not is_index_of(link_of(connection), index, log):
        return 0
    ((newest,),) = index.ask("SELECT max(number) FROM search_blocks WHERE log = ?", (log,))
    return 0 if newest is None else (newest + 1) * BLOCK


def _looked_for(connection: Connection, log: int, start: int, end: int) -> Sequence[int]:
    """The last place of each principal."""
    columns = records.c
    first, last = span(log, max(start, end - FURTHEST_LOOK), end)
    query = (
        select(func.max(columns.position))
        .where(
            columns.position.between(first, last),
            columns.principal.is_not(None),
            columns.kind.in_(("intent", "outcome")),
        )
        .group_by(columns.principal, columns.agent)
    )
    return connection.execute(query).scalars().all() if end else ()


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


def _principal(said: dict[str, Json]) -> Principal:
    return Principal(
        id=said["id"],
        issuer=said["issuer"],
        kind=said["kind"],
        groups=tuple(said["groups"]),
        tenant=said["tenant"],
        agent=said["agent"],
    )
