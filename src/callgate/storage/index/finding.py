"""Candidates for a page: by the index where a block has one, else by looking at its rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy import select

from callgate.audit.place import place, position
from callgate.audit.record import in_microseconds
from callgate.audit.searching import Search
from callgate.ports import CallFilter
from callgate.storage.index.bits import BLOCK, downwards, unpacked
from callgate.storage.index.keys import Wanted, wanted_of
from callgate.storage.index.link import Link, link_of, listed
from callgate.storage.index.record import is_index_of
from callgate.storage.index.schema import SHELF
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
WORK_PER_BLOCK = 4  # in rows looked at
FEW = 64  # candidates: that many calls are looked at sooner than the words of many are searched
ROWS_AT_ONCE = 64

Bits = dict[int, int]
"""Block number → the places in it."""


class _Block(NamedTuple):
    """What is asked first of a block."""

    number: int
    has_words: int
    least_at: float | None
    most_at: float | None


@dataclass
class Finder:
    """Answers one question from the index."""

    question: Question
    index: Link | None  # None: there is none, every row is looked at
    words: Words
    unindexed: int = 0  # rows that had to be looked at
    _record: Link = field(init=False)
    _wanted: Wanted = field(init=False)
    _search: Search | None = field(init=False)
    _open: dict[int, dict[int, list[int]]] | None = None  # log → block → seqs

    def __post_init__(self) -> None:
        chosen = self.question.chosen
        self._wanted = wanted_of(chosen)
        self._search = None if chosen.text is None else Search.parse(chosen.text)
        self._record = link_of(self.question.connection)

    def candidates(self, log: int, seen: int) -> Iterator[Step]:
        """What may be found in a log before the seq `seen`, the latest first."""
        index = self.index
        if index is None or not is_index_of(self._record, index, log):
            self.unindexed += seen
            yield from look(self.question, log, 0, seen)
            return
        high, size = seen, FIRST_BLOCKS
        while high > 0:
            top = (high - 1) // BLOCK
            low = max(0, top - size + 1)
            bits = self._bits(index, log, _blocks(index, log, low, top))
            in_flight = self._in_flight(index, log)
            passed = 0
            for number in range(top, low - 1, -1):
                start = number * BLOCK
                if number not in bits:
                    self.unindexed += high - start
                    yield from look(self.question, log, start, high)
                elif bits[number] or number in in_flight:
                    known = {seq for seq in in_flight.get(number, ()) if seq < high}
                    yield from self._rows(log, _seqs(number, bits[number], high, known))
                passed += WORK_PER_BLOCK
                high = start
            yield Passed(log=log, seq=high, rows=passed)
            size = min(4 * size, MOST_BLOCKS)

    def _bits(self, index: Link, log: int, there: Sequence[_Block]) -> Bits:
        """Of each indexed block the outcomes that may be chosen. Others must be looked at."""
        known = [block for block in there if block.has_words or self._search is None]
        found: Bits = dict.fromkeys((block.number for block in known), 0)
        chosen, wanted = self.question.chosen, self._wanted
        is_any_time = chosen.since is None and chosen.until is None
        in_time = [block for block in known if is_any_time or _is_in_time(chosen, block)]
        if not in_time:
            return found
        if not wanted.groups:
            found |= _calls(index, log, [block.number for block in in_time])
        if wanted.all_keys:
            by_key = self._postings(index, log, [block.number for block in in_time])
            for block in in_time:
                places = by_key.get(block.number)
                if places is not None or wanted.groups:
                    calls = found[block.number]
                    found[block.number] = _combined(wanted, places or {}, calls)
        if self._search is not None:
            self._narrow(index, log, found, self._search)
        return found

    def _postings(self, index: Link, log: int, numbers: Sequence[int]) -> dict[int, dict[int, int]]:
        """Block number → key → places."""
        shelves = range(numbers[-1] // SHELF, numbers[0] // SHELF + 1)
        # One look for each key of each shelf, and no more where it has none.
        rows = index.ask(
            f"SELECT number, key, places FROM search_postings WHERE log = {log:d} "  # noqa: S608 - numbers of ours
            f"AND shelf IN ({listed(shelves)}) AND key IN ({listed(self._wanted.all_keys)})"
        )
        found: dict[int, dict[int, int]] = {}
        for number, key, places in rows:
            found.setdefault(number, {})[key] = unpacked(places)
        return found

    def _narrow(self, index: Link, log: int, found: Bits, search: Search) -> None:
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

    def _in_flight(self, index: Link, log: int) -> Mapping[int, Sequence[int]]:
        """Intents in indexed blocks whose calls had not ended when this walk began: by block."""
        if self._open is None:
            rows = [*index.ask("SELECT position, call_id, outcome FROM search_spans")]
            in_doubt = [call_id for _, call_id, outcome in rows if outcome is None]
            ended = ended_among(self.question, in_doubt)
            self._open = {}
            for at, call_id, outcome in rows:
                if self._is_open(call_id, outcome, ended):
                    of, seq = place(at)
                    self._open.setdefault(of, {}).setdefault(seq // BLOCK, []).append(seq)
        return self._open.get(log, {})

    def _is_open(self, call_id: str, outcome: int | None, ended: set[str]) -> bool:
        if outcome is None:
            return call_id not in ended
        log, seq = place(outcome)
        return seq >= self.question.ends.get(log, 0)


def _seqs(number: int, bits: int, high: int, in_flight: set[int]) -> Sequence[int]:
    """Where candidates stand in a block before `high`, the latest first."""
    start = number * BLOCK
    seqs = [start + at for at in downwards(bits & ((1 << min(high - start, BLOCK)) - 1))]
    return sorted(in_flight.union(seqs), reverse=True) if in_flight else seqs


def _blocks(index: Link, log: int, low: int, top: int) -> list[_Block]:
    query = (
        "SELECT number, has_words, least_at, most_at FROM search_blocks "
        "WHERE log = ? AND number BETWEEN ? AND ? ORDER BY number DESC"
    )
    return [_Block(*row) for row in index.ask(query, (log, low, top))]


def _calls(index: Link, log: int, numbers: Sequence[int]) -> Bits:
    rows = index.ask(
        f"SELECT number, calls FROM search_blocks WHERE log = {log:d} "  # noqa: S608 - numbers of ours
        f"AND number IN ({listed(numbers)})"
    )
    return {number: unpacked(calls) for number, calls in rows}


def _combined(wanted: Wanted, places: Mapping[int, int], calls: int) -> int:
    bits: int | None = None
    for group in wanted.groups:
        any_of = 0
        for key in group:
            any_of |= places.get(key, 0)
        bits = any_of if bits is None else bits & any_of
        if not bits:
            return 0
    if bits is None:
        bits = calls
    for key in wanted.unwanted:
        bits &= ~places.get(key, 0)
    return bits


def _is_in_time(chosen: CallFilter, block: _Block) -> bool:
    if block.least_at is None or block.most_at is None:
        return False
    if chosen.since is not None and block.most_at < in_microseconds(chosen.since):
        return False
    return chosen.until is None or block.least_at < in_microseconds(chosen.until)


def count_blocks(index: Link | None) -> int:
    """How many are indexed, words and all."""
    if index is None:
        return 0
    ((count,),) = index.ask("SELECT count(*) FROM search_blocks WHERE has_words = 1")
    return int(count)
