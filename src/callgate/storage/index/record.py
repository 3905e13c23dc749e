"""What the index asks of the record: its ends, the rows of a block, where calls began and ended."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from callgate.audit.erasure import ERASED, WITHDRAWN
from callgate.audit.place import LOG_OF_LOGS, bounds, place, position
from callgate.storage.index.bits import BLOCK
from callgate.storage.index.link import Link, marks
from callgate.storage.rows.telling import Kept

IDS_AT_ONCE = 500


class Raws(NamedTuple):
    """A row with its texts as bytes; of a row whose body is there not more than is needed."""

    position: int
    kind: str
    call_id: str
    at: float
    hash: bytes
    body: bytes | None
    payload: bytes | None
    run: str | None = None  # these four only where the body is gone
    target: str | None = None
    tool: str | None = None
    code: str | None = None

    def kept(self) -> Kept:
        """As `telling.told` takes it."""
        return Kept(
            position=self.position,
            kind=self.kind,
            call_id=self.call_id,
            at=self.at,
            run=self.run,
            target=self.target,
            tool=self.tool,
            code=self.code,
            hash=self.hash,
            body=_text(self.body),
            payload=_text(self.payload),
        )


_LEFT = ("run", "target", "tool", "code")


def rows(record: Link, where: str, values: Sequence[object] = ()) -> Iterator[Raws]:
    """The rows of which that holds, in order."""
    body, payload = (record.bytes_of.format(column) for column in ("body", "payload"))
    left = ", ".join(f"CASE WHEN body IS NULL THEN {column} END" for column in _LEFT)
    statement = (
        f"SELECT position, kind, call_id, at, hash, {body}, {payload}, {left} "  # noqa: S608 - of ours
        f"FROM records WHERE {where} ORDER BY position"
    )
    return map(Raws._make if record.has_bytes else _raws, record.ask(statement, values))


def _raws(row: tuple[Any, ...]) -> Raws:
    at, kind, call_id, when, digest, body, payload, *left = row
    return Raws(at, kind, call_id, when, digest, _bytes(body), _bytes(payload), *left)


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else text.encode("utf-8", "surrogateescape")


def _text(raw: bytes | None) -> str | None:
    return None if raw is None else raw.decode("utf-8", "surrogateescape")


def ends(record: Link) -> dict[int, int]:
    """Where each log ends: log → the seq that comes next."""
    logs = [int(log) for (log,) in record.ask("SELECT id FROM logs WHERE id <> ?", (LOG_OF_LOGS,))]
    return {log: _end(record, log) for log in sorted(logs)}


def _end(record: Link, log: int) -> int:
    query = "SELECT max(position) FROM records WHERE position BETWEEN ? AND ?"
    ((last,),) = record.ask(query, bounds(log))
    return 0 if last is None else place(last)[1] + 1


def block_rows(record: Link, log: int, number: int) -> list[Raws]:
    """All rows of a block that are there."""
    start = position(log, number * BLOCK)
    return list(rows(record, "position BETWEEN ? AND ?", (start, start + BLOCK - 1)))


def intents(record: Link, ids: Sequence[str]) -> Mapping[str, Raws]:
    """Those of these calls, wherever they are."""
    return {
        row.call_id: row
        for some in _some(ids)
        for row in rows(record, f"call_id IN ({marks(len(some))}) AND kind = 'intent'", some)
    }


def outcomes(record: Link, ids: Sequence[str]) -> Mapping[str, int]:
    """Where these calls have ended, if they have."""
    query = "SELECT call_id, position FROM records WHERE call_id IN ({}) AND kind = 'outcome'"
    found: dict[str, int] = {}
    for some in _some(ids):
        found |= {str(of): int(at) for of, at in record.ask(query.format(marks(len(some))), some)}
    return found


def erasures(record: Link) -> Iterable[tuple[Raws, bool]]:
    """The events that say what was erased, in order; True: it takes something back."""
    where = "kind = 'event' AND code = ?"
    found = [(row, False) for row in rows(record, where, (ERASED,))]
    found += [(row, True) for row in rows(record, where, (WITHDRAWN,))]
    return sorted(found, key=lambda pair: pair[0].position)


def ended_of(record: Link, log: int, first: int, last: int) -> Iterator[int]:
    """Where the calls have ended whose intents are among these seqs."""
    query = (
        "SELECT records.position FROM records JOIN records AS intents "
        "ON intents.call_id = records.call_id "
        "WHERE intents.position BETWEEN ? AND ? AND intents.kind = 'intent' "
        "AND records.kind = 'outcome'"
    )
    for (found,) in record.ask(query, (position(log, first), position(log, last))):
        yield int(found)


def is_index_of(record: Link, index: Link, log: int) -> bool:
    """Whether what is indexed of a log is of this record: another may lie in its place now."""
    newest = (
        "SELECT number, last_hash FROM search_blocks WHERE log = ? ORDER BY number DESC LIMIT 1"
    )
    row = next(iter(index.ask(newest, (log,))), None)
    if row is None:
        return True
    number, last_hash = row
    at = position(log, (number + 1) * BLOCK - 1)
    found = next(iter(record.ask("SELECT hash FROM records WHERE position = ?", (at,))), None)
    return found is not None and bool(found[0] == last_hash)


def _some(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for first in range(0, len(ids), IDS_AT_ONCE):
        yield ids[first : first + IDS_AT_ONCE]


def erasures_seen(index: Link) -> dict[int, int]:
    """Up to which seq of each log they were taken in."""
    query = "SELECT name, value FROM search_facts WHERE name LIKE 'erased %'"
    return {int(name.split()[1]): int(value) for name, value in index.ask(query)}


def erasures_passed_over(index: Link) -> set[int]:
    """The positions of events of deletions that cannot be read."""
    query = "SELECT name FROM search_facts WHERE name LIKE 'unreadable %'"
    return {int(name.split()[1]) for (name,) in index.ask(query)}


def note_passed_over(index: Link, at: int, *, is_so: bool) -> None:
    """Whether one is one of them."""
    name = f"unreadable {at}"
    index.ask("DELETE FROM search_facts WHERE name = ?", (name,))
    if is_so:
        index.ask("INSERT INTO search_facts VALUES (?, ?)", (name, "1"))


def has_to_forget(record: Link, index: Link) -> bool:
    """Whether an event of a deletion has not been taken in yet."""
    query = (
        "SELECT max(position) FROM records "
        "WHERE kind = 'event' AND code = ? AND position BETWEEN ? AND ?"
    )
    seen = erasures_seen(index)
    for log in ends(record):
        for code in (ERASED, WITHDRAWN):
            ((last,),) = record.ask(query, (code, *bounds(log)))
            if last is not None and place(last)[1] >= seen.get(log, 0):
                return True
    return False
