"""Questions about the record, asked of the same file while the gateway writes to it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    LargeBinary,
    Row,
    Select,
    cast,
    func,
    or_,
    select,
    type_coerce,
)
from sqlalchemy.exc import DBAPIError

from callgate.audit.chain import Record, link
from callgate.audit.explain import whole
from callgate.audit.record import Entry
from callgate.model import SEPARATOR, Json, Principal
from callgate.ports import CallFilter, StoreError
from callgate.protocol.methods import METHODS
from callgate.storage.sqlite_file import open_to_read, said
from callgate.storage.schema import records

__all__ = ["CallFilter", "SqliteRecords", "open_for_reading"]

SHORTEST_ID = 8
LISTS = tuple(method.name for method in METHODS.values() if method.is_list)

_decode = msgspec.json.Decoder().decode
_OF_CALLS = records.c.kind != "event"
_BODY = cast(records.c.body, LargeBinary).label("body")  # the bytes, whatever they have become


@contextmanager
def open_for_reading(path: Path) -> Iterator[Connection]:
    """A connection that can only read, for queries on `schema.records`. Raises StoreError."""
    engine = open_to_read(path)
    try:
        with engine.connect() as connection:
            yield connection
    except (sqlite3.Error, DBAPIError) as error:
        raise StoreError(f"{path} cannot be read: {said(error)}") from error


class SqliteRecords:
    """Blocking: an event loop asks from a thread. Safe to share: each question opens the file.

    Every method raises StoreError where the file cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def calls(self, chosen: CallFilter) -> list[dict[str, Json]]:
        """Calls, newest first: each as `audit.explain.whole` has it, with its `short` id."""
        with open_for_reading(self._path) as connection:
            ids = list(connection.execute(_choice(chosen)).scalars())
            entries = _entries(connection, ids)
            return [
                {"short": _short(connection, call_id), **whole(entries[call_id])} for call_id in ids
            ]

    def find(self, start: str, limit: int = 10) -> list[str]:
        """The ids of calls that begin so, oldest first."""
        ids = records.c.call_id
        # Not LIKE: it would not use the index.
        query = select(ids).distinct().where(ids >= start, ids < start + "\U0010ffff", _OF_CALLS)
        with open_for_reading(self._path) as connection:
            return list(connection.execute(query.order_by(ids).limit(limit)).scalars())

    def entries(self, call_id: str) -> list[dict[str, Json]]:
        """Everything recorded of one call, in order: each body, with its place in the chain."""
        with open_for_reading(self._path) as connection:
            return _entries(connection, [call_id])[call_id]

    def principals(self, limit: int) -> list[Principal]:
        """Who called, as each was last seen; the latest first. Claims are not recorded."""
        columns = records.c
        last = (
            select(func.max(columns.seq))
            .where(columns.principal.is_not(None))
            .group_by(columns.principal, columns.agent)
        )
        query = (
            select(columns.seq, columns.writer, columns.previous_hash, columns.hash, _BODY)
            .where(columns.seq.in_(last))
            .order_by(columns.seq.desc())
            .limit(limit)
        )
        with open_for_reading(self._path) as connection:
            bodies = [_placed(row) for row in connection.execute(query)]
        return [_principal(body["principal"]) for body in bodies if body.get("principal")]

    def records(self) -> Iterator[Record]:
        """Every record in order, exactly as the file has it, for `audit.chain.verify`."""
        others = [column for column in records.c if column.name not in ("body", "is_delivered")]
        is_delivered = type_coerce(records.c.is_delivered, Integer).label("is_delivered")
        query = select(*others, is_delivered, _BODY).order_by(records.c.seq)
        with open_for_reading(self._path) as connection:
            # One statement sees one state, whatever is written meanwhile.
            rows = connection.execution_options(yield_per=500).execute(query)
            yield from (_record(row) for row in rows)


def _choice(chosen: CallFilter) -> Select[str]:
    """The ids: each call once, by its outcome, or by its intent while there is no outcome."""
    columns = records.c
    outcome = records.alias("outcome")
    has_outcome = (
        select(1).where(outcome.c.call_id == columns.call_id, outcome.c.kind == "outcome").exists()
    )
    is_last = or_(columns.kind == "outcome", (columns.kind == "intent") & ~has_outcome)
    return (
        select(columns.call_id)
        .where(*_conditions(chosen), is_last)
        .order_by(columns.seq.desc())
        .limit(chosen.limit)
    )


def _conditions(chosen: CallFilter) -> Iterator[ColumnElement[bool]]:
    target, tool = chosen.target, chosen.tool
    if tool is not None and SEPARATOR in tool:
        of_target, _, tool = tool.partition(SEPARATOR)
        yield records.c.target == of_target
    wanted = {
        "principal": chosen.principal,
        "agent": chosen.agent,
        "target": target,
        "tool": tool,
        "code": chosen.code,
    }
    for column, value in wanted.items():
        if value is not None:
            yield records.c[column] == value
    if not chosen.with_lists and tool is None:
        yield or_(records.c.tool.is_(None), records.c.tool.not_in(LISTS))
    if chosen.is_refused:
        yield records.c.code != "ok"
    if chosen.since is not None:
        yield records.c.at >= chosen.since
    if chosen.until is not None:
        yield records.c.at < chosen.until
    if chosen.before is not None:
        yield records.c.seq < chosen.before


def _entries(connection: Connection, ids: Sequence[str]) -> dict[str, list[dict[str, Json]]]:
    names = ("seq", "writer", "call_id", "previous_hash", "hash")
    query = select(*(records.c[name] for name in names), _BODY).order_by(records.c.seq)
    found: dict[str, list[dict[str, Json]]] = {call_id: [] for call_id in ids}
    for row in connection.execute(query.where(records.c.call_id.in_(ids), _OF_CALLS)):
        found[row.call_id].append(_placed(row))
    return found


def _placed(row: Row[*tuple[Any, ...]]) -> dict[str, Json]:
    place = {"seq": row.seq, "hash": row.hash, "previous_hash": row.previous_hash}
    try:
        if link(row.previous_hash, row.seq, row.writer, row.body) == row.hash:
            return {**_decode(row.body), "record": place}
    except (TypeError, ValueError):
        pass  # not even bytes, or no JSON object: said below
    raise StoreError(f"record {row.seq} was tampered with: see `callgate audit verify`")


def _principal(told: dict[str, Json]) -> Principal:
    return Principal(
        id=told["id"],
        issuer=told["issuer"],
        kind=told["kind"],
        groups=tuple(told["groups"]),
        tenant=told["tenant"],
        agent=told["agent"],
    )


def _short(connection: Connection, call_id: str) -> str:
    """The shortest beginning of an id that no other call's id has."""
    ids = records.c.call_id
    neighbours = connection.execute(
        select(
            select(func.max(ids)).where(ids < call_id).scalar_subquery(),
            select(func.min(ids)).where(ids > call_id).scalar_subquery(),
        )
    ).one()
    length = SHORTEST_ID
    for neighbour in neighbours:
        if neighbour is not None:
            length = max(length, _common(call_id, neighbour) + 1)
    return call_id[:length]


def _common(one: str, other: str) -> int:
    pairs = zip(one, other, strict=False)
    return next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def _record(row: Row[*tuple[Any, ...]]) -> Record:
    is_delivered = row.is_delivered
    if type(is_delivered) is int and is_delivered in (0, 1):
        is_delivered = bool(is_delivered)
    entry = Entry(
        kind=row.kind,
        call_id=row.call_id,
        at=row.at,
        body=row.body,
        principal=row.principal,
        agent=row.agent,
        target=row.target,
        tool=row.tool,
        code=row.code,
        ran=row.ran,
        is_delivered=is_delivered,
    )
    return Record(
        seq=row.seq,
        writer=row.writer,
        entry=entry,
        previous_hash=row.previous_hash,
        hash=row.hash,
    )
