"""What erasing must know of the record: facts of entries, holds, and what was announced."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Column, Connection, Row, Select, delete, func, insert, select

from callgate.audit.erasure import (
    ERASED,
    WITHDRAWN,
    Erasures,
    Stretch,
    What,
    read_erased,
    read_withdrawn,
)
from callgate.audit.event import PRINCIPAL_DESCRIBED
from callgate.audit.holds import HOLD_PLACED, HOLD_RELEASED, Hold, holds_of
from callgate.audit.place import place, position
from callgate.audit.principals import principal_id
from callgate.audit.selecting import Facts
from callgate.model import Json, Value
from callgate.ports import StoreError
from callgate.storage.rows.opening import chosen_rows, heads
from callgate.storage.rows.telling import told
from callgate.storage.schema import checkpoints, cursors, records

T = TypeVar("T")

_COLUMNS = "position kind call_id at run principal agent target tool code"
UNREFERRED = "nothing refers to it"  # why a description was erased
FACTS: tuple[Column[Any], ...] = tuple(records.c[name] for name in _COLUMNS.split())


class _Payload(msgspec.Struct):
    sha256: str


class _Principal(msgspec.Struct):
    claims_sha256: str | None = None


class Said(msgspec.Struct):
    """What of a body matters here."""

    format: int = 0
    payload: _Payload | None = None
    principal: _Principal | None = None
    arguments: Json = None  # of format 1: inside the body

    @property
    def claims(self) -> str | None:
        """The digest of what the principal's proof says."""
        return None if self.principal is None else self.principal.claims_sha256


_read_said = msgspec.json.Decoder(Said).decode


class Order(Value):
    """An `erased` event: what is to be erased, or was."""

    id: str
    position: int  # of the event itself
    what: What
    places: tuple[Stretch, ...]
    fault: str = ""  # why nobody can tell what it says: then it says nothing


def facts_of(row: Row[Any]) -> Facts:
    """A row of FACTS and whatever else."""
    return Facts(
        position=row.position,
        kind=row.kind,
        call=row.call_id,
        at=row.at,
        run=row.run,
        principal=row.principal,
        agent=row.agent,
        target=row.target,
        tool=row.tool,
        code=row.code,
    )


def said_in(body: str) -> Said:
    """What a body says; nothing where it cannot be read: that is for `audit verify`."""
    try:
        return _read_said(body.encode("utf-8", "surrogateescape"))
    except (msgspec.DecodeError, UnicodeError):
        return Said()


def read_holds(connection: Connection) -> tuple[Sequence[Hold], int]:
    """The holds in force, and how many were released. StoreError where one was tampered with."""
    rows = connection.execute(_events(HOLD_PLACED, HOLD_RELEASED)).all()
    said = []
    for row in rows:
        entry = told(row, None)
        entry.setdefault("event", row.code)  # of one whose body is gone: it holds everything
        said.append(entry)
    return holds_of(said), sum(row.code == HOLD_RELEASED for row in rows)


def read_orders(connection: Connection, done: Mapping[int, int]) -> Sequence[Order]:
    """What was announced, but for what `done` says is finished: log → the next seq."""
    rows = connection.execute(_events(ERASED)).all()
    return [_order(row) for row in rows if _is_new(row.position, done)]


def descriptions_went(connection: Connection, seen: dict[int, int]) -> bool:
    """Whether one has said since, what `seen` says, that descriptions go: log → the next seq."""
    is_said = False
    for log, end in heads(connection).items():
        query = _events(ERASED).where(
            records.c.position.between(position(log, seen.get(log, 0)), position(log, end) - 1)
        )
        for row in connection.execute(query):
            is_said |= f'"why":"{UNREFERRED}"' in (row.body or "")
        seen[log] = end
    return is_said


def taken_back(connection: Connection, order: str) -> set[int]:
    """The positions that an order does not mean any more. StoreError."""
    found: set[int] = set()
    for row in connection.execute(_events(WITHDRAWN)).all():
        said = _read(row, read_withdrawn)
        if said.of == order:
            for log, first, last in said.places:
                found.update(position(log, seq) for seq in range(first, last + 1))
    return found


def let_go(connection: Connection, finished: Callable[[int], bool]) -> Erasures:
    """What the record says was erased, by those of its events that are finished. StoreError.

    What was let go by one that cannot be read, is taken for kept.
    """
    erasures = Erasures()
    for row in connection.execute(_events(ERASED)).all():
        if finished(row.position):
            with suppress(StoreError):
                _read(row, erasures.add)
    for row in connection.execute(_events(WITHDRAWN)).all():
        _read(row, erasures.take_back)
    return erasures


def is_covered(connection: Connection, at: int) -> bool:
    """Whether a signed checkpoint covers the place."""
    log, seq = place(at)
    query = select(func.max(checkpoints.c.size)).where(checkpoints.c.log == log)
    return (connection.execute(query).scalar() or 0) > seq


def descriptions(connection: Connection, claims: str) -> Sequence[int]:
    """Where a principal's claims are, of this digest, if no entry refers to them."""
    refers = select(records.c.position).where(records.c.body.like(f'%"claims_sha256":"{claims}"%'))
    if connection.execute(refers.limit(1)).first() is not None:
        return ()
    query = select(records.c.position).where(
        records.c.call_id == principal_id(claims),
        records.c.code == PRINCIPAL_DESCRIBED,
        records.c.body.is_not(None),
    )
    return connection.execute(query).scalars().all()


def read_cursor(connection: Connection, name: str) -> dict[int, int]:
    """How far it is: log → the next seq."""
    query = select(cursors.c.positions).where(cursors.c.name == name)
    kept = connection.execute(query).scalar()
    return {} if kept is None else msgspec.json.decode(kept, type=dict[int, int])


def keep_cursor(connection: Connection, name: str, said: Json, at: float) -> None:
    """Replaces it. In a transaction."""
    drop_cursor(connection, name)
    kept = msgspec.json.encode(said).decode()
    connection.execute(insert(cursors).values(name=name, positions=kept, at=at))


def drop_cursor(connection: Connection, name: str) -> None:
    """In a transaction."""
    connection.execute(delete(cursors).where(cursors.c.name == name))


def cursors_like(connection: Connection, start: str) -> dict[str, Json]:
    """All whose names begin so."""
    query = select(cursors.c.name, cursors.c.positions).where(
        cursors.c.name >= start, cursors.c.name < f"{start}\x7f"
    )
    return {row.name: msgspec.json.decode(row.positions) for row in connection.execute(query)}


def _events(*names: str) -> Select[Any]:
    return (
        chosen_rows()
        .where(records.c.kind == "event", records.c.code.in_(names))
        .order_by(records.c.position)
    )


def _is_new(at: int, done: Mapping[int, int]) -> bool:
    log, seq = place(at)
    return seq >= done.get(log, 0)


def _order(row: Row[Any]) -> Order:
    try:
        said = _read(row, read_erased)
    except StoreError as error:
        return Order(
            id=row.call_id, position=row.position, what="payload", places=(), fault=str(error)
        )
    return Order(id=row.call_id, position=row.position, what=said.what, places=tuple(said.places))


def _read(row: Row[Any], read: Callable[[bytes], T]) -> T:
    """An event about erasing. StoreError where nobody can tell what it says."""
    log, seq = place(row.position)
    told(row, None)  # StoreError where it is not what was hashed
    if row.body is None:
        raise StoreError(f"record {log}/{seq} says what was erased, and is gone itself")
    try:
        return read(row.body.encode())
    except ValueError as error:
        raise StoreError(f"record {log}/{seq}: {error}") from None
