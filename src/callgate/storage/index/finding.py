"""Candidates for a page: by the index where a block has one, else by looking at its rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, func, select

from callgate.audit.place import place, position
from callgate.audit.record import in_microseconds
from callgate.audit.searching import Search
from callgate.ports import CallFilter
from callgate.storage.index.bits import BLOCK, downwards, unpacked
from callgate.storage.index.keys import Wanted, wanted_of
from callgate.storage.index.schema import blocks, postings, spans
from callgate.storage.index.words import Words
from callgate.storage.rows.looking import (
    Candidate,
    Passed,
    Question,
    Step,
    as_candidate,
    ended_among,
    look,
)
from callgate.storage.rows.opening import span
from callgate.storage.schema import records

FIRST_BLOCKS = 4  # at once; then four times as many each time
MOST_BLOCKS = 256
WORK_PER_BLOCK = 8  # in rows looked at
FEW = 64  # candidates: that many calls are looked at sooner than the words of many are searched
ROWS_AT_ONCE = 64

Bits = dict[int, int]
"""Block number → the places in it."""


@dataclass
class Finder:
    """Answers one question from the index."""

    question: Question
    index: Connection | None  # None: there is none, every row is looked at
    words: Words
    unindexed: int = 0  # rows that had to be looked at
    _wanted: Wanted = field(init=False)
    _search: Search | None = field(init=False)
    _spans: list[Row[Any]] | None = None

    def __post_init__(self) -> None:
        chosen = self.question.chosen
        self._wanted = wanted_of(chosen)
        self._search = None if chosen.text is None else Search.parse(chosen.text)

    def candidates(self, log: int, seen: int) -> Iterator[Step]:
        """What may be found in a log before the seq `seen`, the latest first."""
        index = self.index
        if index is None or not is_index_of(self.question.connection, index, log):
            self.unindexed += seen
            yield from look(self.question, log, 0, seen)
            return
        high, size = seen, FIRST_BLOCKS
        while high > 0:
            top = (high - 1) // BLOCK
            low = max(0, top - size + 1)
            there = _blocks(index, log, low, top)
            bits = self._bits(index, log, there)
            for number in range(top, low - 1, -1):
                start = number * BLOCK
                if number in bits:
                    found = bits[number] & ((1 << min(high - start, BLOCK)) - 1)
                    seqs = self._seqs(index, log, number, found, high)
                    yield from self._rows(log, seqs)
                    yield Passed(log=log, seq=start, rows=WORK_PER_BLOCK)
                else:
                    self.unindexed += high - start
                    yield from look(self.question, log, start, high)
                high = start
            size = min(4 * size, MOST_BLOCKS)

    def _bits(self, index: Connection, log: int, there: Mapping[int, Row[Any]]) -> Bits:
        """Of each indexed block the outcomes that may be chosen. Others must be looked at."""
        known = [row for row in there.values() if row.has_words or self._search is None]
        found: Bits = {row.number: 0 for row in known}
        in_time = {row.number: row for row in known if _is_in_time(self.question.chosen, row)}
        wanted = self._wanted
        if not wanted.all_keys:
            found |= {number: unpacked(row.calls) for number, row in in_time.items()}
        elif in_time:
            by_key = self._postings(index, log, list(in_time))
            for number, row in in_time.items():
                found[number] = _combined(wanted, by_key.get(number, {}), row.calls)
        if self._search is not None:
            self._narrow(index, log, found, self._search)
        return found

    def _postings(
        self, index: Connection, log: int, numbers: Sequence[int]
    ) -> dict[int, dict[int, int]]:
        """Block number → key → places."""
        # Written out, so that every database looks once for each key of each block.
        query = select(postings.c.number, postings.c.key, postings.c.places).where(
            postings.c.log == log,
            postings.c.number.in_(numbers),
            postings.c.key.in_(self._wanted.all_keys),
        )
        found: dict[int, dict[int, int]] = {}
        for row in index.execute(query):
            found.setdefault(row.number, {})[row.key] = unpacked(row.places)
        return found

    def _narrow(self, index: Connection, log: int, found: Bits, search: Search) -> None:
        """Leaves of the candidates those in which the words are found."""
        filled = [number for number, bits in found.items() if bits]
        if sum(found[number].bit_count() for number in filled) <= FEW:
            return
        first, _ = span(log, min(filled) * BLOCK, min(filled) * BLOCK + 1)
        last, _ = span(log, (max(filled) + 1) * BLOCK - 1, (max(filled) + 1) * BLOCK)
        said: Bits = {}
        for hit in self.words.hits(index, search, first, last):
            number, at = divmod(place(hit)[1], BLOCK)
            said[number] = said.get(number, 0) | 1 << at
        for number in filled:
            found[number] &= said.get(number, 0)

    def _seqs(
        self, index: Connection, log: int, number: int, bits: int, high: int
    ) -> Sequence[int]:
        """Where candidates stand in a block, the latest first."""
        start = number * BLOCK
        seqs = [start + at for at in downwards(bits)]
        in_flight = {
            seq for seq in self._in_flight(index, log) if start <= seq < min(high, start + BLOCK)
        }
        return sorted(in_flight.union(seqs), reverse=True) if in_flight else seqs

    def _rows(self, log: int, seqs: Sequence[int]) -> Iterator[Candidate]:
        columns = records.c
        for first in range(0, len(seqs), ROWS_AT_ONCE):
            places = [position(log, seq) for seq in seqs[first : first + ROWS_AT_ONCE]]
            query = (
                select(columns.position, columns.at, columns.call_id)
                .where(columns.position.in_(places))
                .order_by(columns.position.desc())
            )
            yield from map(as_candidate, self.question.connection.execute(query).all())

    def _in_flight(self, index: Connection, log: int) -> list[int]:
        """Intents in indexed blocks whose calls had not ended when this walk began."""
        if self._spans is None:
            rows = index.execute(select(spans)).all()
            in_doubt = [row.call_id for row in rows if row.outcome is None]
            ended = ended_among(self.question, in_doubt)
            self._spans = [row for row in rows if self._is_open(row, ended)]
        return [seq for of, seq in (place(row.position) for row in self._spans) if of == log]

    def _is_open(self, row: Row[Any], ended: set[str]) -> bool:
        if row.outcome is None:
            return row.call_id not in ended
        log, seq = place(row.outcome)
        return seq >= self.question.ends.get(log, 0)


def _blocks(index: Connection, log: int, low: int, top: int) -> dict[int, Row[Any]]:
    query = select(blocks).where(blocks.c.log == log, blocks.c.number.between(low, top))
    return {row.number: row for row in index.execute(query)}


def _combined(wanted: Wanted, places: Mapping[int, int], calls: bytes) -> int:
    bits: int | None = None
    for group in wanted.groups:
        any_of = 0
        for key in group:
            any_of |= places.get(key, 0)
        bits = any_of if bits is None else bits & any_of
        if not bits:
            return 0
    if bits is None:
        bits = unpacked(calls)
    for key in wanted.unwanted:
        bits &= ~places.get(key, 0)
    return bits


def _is_in_time(chosen: CallFilter, row: Row[Any]) -> bool:
    if row.least_at is None:
        return False
    if chosen.since is not None and row.most_at < in_microseconds(chosen.since):
        return False
    return chosen.until is None or row.least_at < in_microseconds(chosen.until)


def count_blocks(index: Connection | None) -> int:
    """How many are indexed, words and all."""
    if index is None:
        return 0
    query = select(func.count()).select_from(blocks).where(blocks.c.has_words == 1)
    return int(index.execute(query).scalar_one())


def is_index_of(record: Connection, index: Connection, log: int) -> bool:
    """Whether what is indexed of a log is of this record: another may lie in its place now."""
    newest = (
        select(blocks.c.number, blocks.c.last_hash)
        .where(blocks.c.log == log)
        .order_by(blocks.c.number.desc())
        .limit(1)
    )
    row = index.execute(newest).first()
    if row is None:
        return True
    at = position(log, (row.number + 1) * BLOCK - 1)
    query = select(records.c.hash).where(records.c.position == at)
    return bool(record.execute(query).scalar() == row.last_hash)
