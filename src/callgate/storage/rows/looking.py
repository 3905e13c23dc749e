"""Where calls stand that may be the chosen ones: found backwards in one log, by looking at rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, or_, select

from callgate.audit.matching import LISTS, leaves_out_lists, split_tool
from callgate.audit.place import place
from callgate.audit.record import column, in_microseconds
from callgate.model import Value
from callgate.ports import CallFilter
from callgate.storage.rows.opening import span
from callgate.storage.schema import records

FIRST_LOOK = 256  # rows at once; each further look is four times as far
FURTHEST_LOOK = 4096


class Candidate(Value):
    """An outcome, or an intent without one, whose call may be one of the chosen."""

    at: float
    position: int
    call_id: str


class Passed(Value):
    """In this log there is no candidate from this seq on that was not given."""

    log: int
    seq: int
    rows: int  # that were looked at for this


Step = Candidate | Passed


@dataclass(frozen=True)
class Question:
    """What is asked, and how far each log reaches: what was recorded later does not count."""

    connection: Connection
    chosen: CallFilter
    ends: Mapping[int, int]


def look(question: Question, log: int, low: int, high: int) -> Iterator[Step]:
    """The candidates among the seqs from `low` up to `high`, the latest first."""
    conditions = list(column_conditions(question.chosen))
    size = FIRST_LOOK
    while high > low:
        start = max(low, high - size)
        yield from _look_once(question, conditions, log, start, high)
        yield Passed(log=log, seq=start, rows=high - start)
        high = start
        size = min(4 * size, FURTHEST_LOOK)


def _look_once(
    question: Question, conditions: Sequence[ColumnElement[bool]], log: int, start: int, end: int
) -> Iterator[Candidate]:
    columns = records.c
    query = (
        select(columns.position, columns.kind, columns.at, columns.call_id)
        .where(
            columns.position.between(*span(log, start, end)),
            columns.kind.in_(("intent", "outcome")),
            *conditions,
        )
        .order_by(columns.position.desc())
    )
    rows = question.connection.execute(query).all()
    ended = {row.call_id for row in rows if row.kind == "outcome"}
    in_doubt = [row.call_id for row in rows if row.kind == "intent" and row.call_id not in ended]
    ended |= ended_among(question, in_doubt)
    yield from (as_candidate(row) for row in rows if _stands_for_its_call(row, ended))


def _stands_for_its_call(row: Row[*tuple[Any, ...]], ended: set[str]) -> bool:
    return row.kind == "outcome" or row.call_id not in ended


def as_candidate(row: Row[*tuple[Any, ...]]) -> Candidate:
    """Of a row with these three columns."""
    return Candidate(at=row.at, position=row.position, call_id=row.call_id)


def ended_among(question: Question, ids: Sequence[str]) -> set[str]:
    """Which of these calls have an outcome, as far as the logs reach."""
    if not ids:
        return set()
    columns = records.c
    query = select(columns.call_id, columns.position).where(
        columns.call_id.in_(ids), columns.kind == "outcome"
    )
    found = ((row.call_id, *place(row.position)) for row in question.connection.execute(query))
    return {call_id for call_id, log, seq in found if seq < question.ends.get(log, 0)}


def column_conditions(chosen: CallFilter) -> Iterator[ColumnElement[bool]]:
    """What the columns alone can tell; `audit.matching` decides."""
    columns = records.c
    target, tool = split_tool(chosen)
    wanted = {
        "run": chosen.run,
        "principal": chosen.principal,
        "agent": chosen.agent,
        "target": target,
        "tool": tool,
        "code": chosen.code,
        "ran": chosen.ran,
    }
    for name, value in wanted.items():
        if value is not None:
            yield columns[name] == column(value)
    if chosen.is_delivered is not None:
        yield columns.is_delivered.is_(chosen.is_delivered)
    if chosen.is_refused:
        yield columns.code != "ok"
    if leaves_out_lists(chosen):
        yield or_(columns.tool.is_(None), columns.tool.not_in(sorted(LISTS)))
    if chosen.since is not None:
        yield columns.at >= in_microseconds(chosen.since)
    if chosen.until is not None:
        yield columns.at < in_microseconds(chosen.until)
