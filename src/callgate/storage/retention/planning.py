"""Which entries are due: by rule, each from where it left off; or by selector."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from msgspec.structs import replace
from sqlalchemy import Connection, Row, Select, case, null, select

from callgate.audit.erasure import What
from callgate.audit.holds import Hold, holding
from callgate.audit.place import place, position
from callgate.audit.retaining import CALLS, Kept, Rule, decides, is_of, what_of
from callgate.audit.selecting import Facts, Selector
from callgate.model import Value
from callgate.storage.retention.reading import FACTS, facts_of, said_in
from callgate.storage.rows.opening import heads
from callgate.storage.schema import records

CHUNK = 1_000  # entries that are looked at at once
YOUNG_CHUNKS = 20  # without anything due in a row: what follows them is younger still, surely

HasBlob = Callable[[str], bool]


class Found(Value):
    """One chunk of what was looked at."""

    body: tuple[int, ...] = ()  # positions of entries to erase whole
    payload: tuple[int, ...] = ()  # of those that lose their payload
    calls: frozenset[str] = frozenset()  # whose entries they are
    held: frozenset[str] = frozenset()  # calls, or events, that a hold keeps
    open: frozenset[str] = frozenset()  # calls that have not ended
    log: int = 0
    next_seq: int = 0  # all entries of the log before it are settled, once these are erased


class Planner:
    """Reads by a connection that does not write."""

    def __init__(self, connection: Connection, holds: Sequence[Hold], has_blob: HasBlob) -> None:
        self._connection = connection
        self._holds = holds
        self._has_blob = has_blob

    def due(
        self, rules: Sequence[Rule], number: int, begin: dict[int, int], now: float
    ) -> Iterator[Found]:
        """What this rule wants erased by now."""
        until = now - rules[number].seconds
        for log, end in sorted(heads(self._connection).items()):
            start = at = begin.get(log, 0)
            is_settled = True  # so far: nothing was left for a later time
            young = 0
            while at < end and young <= YOUNG_CHUNKS:
                rows = self._rows(log, at, rules[number].kept)
                if not rows:
                    break
                # Clocks step: entries that are dated later may stand before some that are due.
                young = young + 1 if all(row.at >= until for row in rows) else 0
                due = [row for row in rows if row.at < until]
                chosen = [row for row in due if decides(rules, number, facts_of(row))]
                found = self._found(chosen, rules[number].kept)
                if is_settled:
                    stays = [row for row in rows if row.at >= until or row.call_id in found.open]
                    is_settled = not stays
                    first = stays[0] if stays else None
                    start = _after(rows[-1]) if first is None else place(first.position)[1]
                at = _after(rows[-1])
                yield _at(found, log, start)

    def chosen(self, selector: Selector, kept: Kept) -> Iterator[Found]:
        """What the selector covers."""
        for log, end in sorted(heads(self._connection).items()):
            at = 0
            while at < end:
                rows = self._rows(log, at, kept)
                if not rows:
                    break
                at = _after(rows[-1])
                chosen = [row for row in rows if _is_chosen(selector, kept, facts_of(row))]
                yield _at(self._found(chosen, kept), log, at)

    def _rows(self, log: int, start: int, kept: Kept) -> Sequence[Row[Any]]:
        """With the body only where it takes that to know whether there is a payload."""
        columns = records.c
        needs_body = columns.payload.is_(None) if kept == "payloads" else columns.position < 0
        query: Select[Any] = (
            select(
                *FACTS,
                columns.body.is_not(None).label("has_body"),
                columns.payload.is_not(None).label("has_payload"),
                case((needs_body, columns.body), else_=null()).label("body"),
            )
            .where(
                columns.position >= position(log, start),
                columns.position < position(log + 1, 0),
            )
            .order_by(columns.position)
            .limit(CHUNK)
        )
        rows = self._connection.execute(query).all()
        self._connection.rollback()  # no old state of the database is held for us
        return rows

    def _found(self, rows: Sequence[Row[Any]], kept: Kept) -> Found:
        body: list[int] = []
        payload: list[int] = []
        held: set[str] = set()
        calls: set[str] = set()
        is_open = self._open(rows) if kept == "calls" else frozenset()
        for row in rows:
            what = self._left(row, kept)
            if what is None or row.call_id in is_open:
                continue
            if holding(self._holds, facts_of(row)) is not None:
                held.add(row.call_id)
                continue
            calls.add(row.call_id)
            (body if what == "body" else payload).append(row.position)
        return Found(
            body=tuple(body),
            payload=tuple(payload),
            calls=frozenset(calls),
            held=frozenset(held),
            open=is_open,
        )

    def _left(self, row: Row[Any], kept: Kept) -> What | None:
        """What of the entry is to be erased and still there."""
        if not row.has_body:
            return None
        if kept != "payloads":
            return what_of(kept)
        if row.has_payload:
            return "payload"
        said = said_in(row.body)
        if said.format == 1 and said.arguments is not None:
            return "body"  # the arguments are within it: it cannot lose them and keep its hash
        has_blob = said.payload is not None and self._has_blob(said.payload.sha256)
        return "payload" if has_blob else None

    def _open(self, rows: Sequence[Row[Any]]) -> frozenset[str]:
        """Calls that have not ended: their intents are needed for how they end."""
        intents = {row.call_id for row in rows if row.kind == "intent" and row.has_body}
        if not intents:
            return frozenset()
        query = select(records.c.call_id).where(
            records.c.call_id.in_(intents), records.c.kind == "outcome"
        )
        ended = set(self._connection.execute(query).scalars())
        self._connection.rollback()
        return frozenset(intents - ended)


def _is_chosen(selector: Selector, kept: Kept, facts: Facts) -> bool:
    return facts.kind in CALLS and is_of(kept, facts) and selector.covers(facts)


def _at(found: Found, log: int, next_seq: int) -> Found:
    return replace(found, log=log, next_seq=next_seq)


def _after(row: Row[Any]) -> int:
    return place(row.position)[1] + 1
