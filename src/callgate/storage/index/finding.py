"""Candidates for a page: by the index where a block has one, else by looking at its rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy import select

from callgate.audit.place import place, position
from callgate.audit.record import in_microseconds
from callgate.audit.searching import Search
from callgate.storage.index.bits import BLOCK, downwards, unpacked
from callgate.storage.index.keys import Wanted, wanted_of
from callgate.storage.index.link import Link, link_of, listed, one_view
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
MOST_BLOCKS = 4096
MANY = 4096  # hits of words: where there are so many, no more blocks are asked for at once
WORK_PER_BLOCK = 4  # in rows looked at
FEW = 64  # candidates: that many calls are looked at sooner than the words of many are searched
HITS_PER_CANDIDATE = 64  # of words so common that more are found, candidates are looked at instead
ROWS_AT_ONCE = 64
_ALL = (1 << BLOCK) - 1

Bits = dict[int, int]
"""Block number → the places in it, where there are any."""


class _Blocks(NamedTuple):
    """Some blocks of a log."""

    log: int
    first: int
    last: int
    unknown: frozenset[int]  # those that are not indexed, or not so that words can be searched
    in_time: list[int] | None  # the others, as far as they can hold what was asked for; None: all

    @property
    def shelves(self) -> Iterable[int]:
        """Where what is known of them is."""
        if self.in_time is None:
            return range(self.first // SHELF, self.last // SHELF + 1)
        return sorted({number // SHELF for number in self.in_time})

    def known(self, bits: Bits) -> Bits:
        """What of it is about those that are known, and in time."""
        if self.in_time is not None:
            return {number: bits[number] for number in self.in_time if bits.get(number)}
        return {
            number: found
            for number, found in bits.items()
            if found and self.first <= number <= self.last and number not in self.unknown
        }


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
    _hits: int = 0  # of words, among the blocks that were asked for last
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
            self._hits = 0
            with one_view(index):
                some = self._blocks(index, log, low, top)
                bits = self._bits(index, some)
                in_flight = self._in_flight(index, log)
            also = [number for number in in_flight if low <= number <= top]
            waiting: list[int] = []
            for number in sorted({*some.unknown, *bits, *also}, reverse=True):
                start, end = number * BLOCK, min(high, (number + 1) * BLOCK)
                if number in some.unknown:
                    yield from self._rows(log, waiting)
                    waiting = []
                    self.unindexed += end - start
                    yield from look(self.question, log, start, end)
                    continue
                known = {seq for seq in in_flight.get(number, ()) if seq < end}
                waiting += _seqs(number, bits.get(number, 0), end, known)
                if len(waiting) >= ROWS_AT_ONCE:
                    yield from self._rows(log, waiting)
                    waiting = []
            yield from self._rows(log, waiting)
            high = low * BLOCK
            yield Passed(log=log, seq=high, rows=WORK_PER_BLOCK * (top - low + 1))
            if self._hits < MANY:
                size = min(4 * size, MOST_BLOCKS)

    def _blocks(self, index: Link, log: int, low: int, top: int) -> _Blocks:
        where = f"log = {log:d} AND number BETWEEN {low:d} AND {top:d}"
        if self._search is not None:
            where += " AND has_words = 1"
        query = f"SELECT {{}} FROM search_blocks WHERE {where}"  # noqa: S608 - numbers of ours
        ((count,),) = index.ask(query.format("count(*)"))
        unknown: set[int] = set()
        if count != top - low + 1:
            unknown = {*range(low, top + 1)}
            unknown.difference_update(number for (number,) in index.ask(query.format("number")))
        chosen, in_time = self.question.chosen, None
        if chosen.since is not None or chosen.until is not None:
            since = float("-inf") if chosen.since is None else in_microseconds(chosen.since)
            until = float("inf") if chosen.until is None else in_microseconds(chosen.until)
            rows = index.ask(
                query.format("number") + " AND most_at >= ? AND least_at < ?", (since, until)
            )
            in_time = [number for (number,) in rows]
        return _Blocks(log, low, top, frozenset(unknown), in_time)

    def _bits(self, index: Link, some: _Blocks) -> Bits:
        """The outcomes that may be chosen, in blocks that are indexed."""
        if some.in_time == []:
            return {}
        wanted, search = self._wanted, self._search
        if wanted.groups:
            found = self._of_groups(index, some)
        elif search is not None:
            found, _ = self._said(index, some.log, some.first, some.last, search)
        else:
            found = _calls(index, some)
        found = some.known(found)
        if found and wanted.unwanted:
            by_key = self._postings(index, some.log, _shelves(found), wanted.unwanted)
            for number in by_key.keys() & found.keys():
                found[number] &= ~_any_of(by_key[number])
        return found

    def _of_groups(self, index: Link, some: _Blocks) -> Bits:
        """One after the other, each only where there is something left of those before."""
        search, is_searched = self._search, self._search is None
        among: Bits | None = None
        for group in self._wanted.groups:
            shelves = some.shelves if among is None else _shelves(among)
            by_key = self._postings(index, some.log, shelves, group)
            if not is_searched and search is not None and len(by_key) > FEW:
                among, is_searched = self._among_said(index, some.log, by_key, among, search), True
            among = {
                number: bits
                for number, places in by_key.items()
                if among is None or number in among
                if (bits := _any_of(places) & (-1 if among is None else among[number]))
            }
            if not among:
                return {}
        among = some.known(among or {})
        count = sum(bits.bit_count() for bits in among.values())
        if is_searched or search is None or count <= FEW:
            return among
        return self._among_said(index, some.log, among, among, search)

    def _among_said(
        self,
        index: Link,
        log: int,
        numbers: Iterable[int],
        among: Bits | None,
        search: Search,
    ) -> Bits:
        """Leaves what is also found by its words, as far as looking for these is worth it."""
        ordered = sorted(numbers)
        count = len(ordered)
        if among is not None:
            count = sum(bits.bit_count() for bits in among.values())
        most = HITS_PER_CANDIDATE * max(FEW, count)
        said, reached = self._said(index, log, ordered[0], ordered[-1], search, most)
        said |= {number: _ALL for number in ordered if number <= reached}
        if among is None:
            return said
        return {number: bits & said[number] for number, bits in among.items() if number in said}

    def _postings(
        self, index: Link, log: int, shelves: Iterable[int], keys: Iterable[int]
    ) -> dict[int, dict[int, bytes]]:
        """Block number → key → places, packed."""
        # One look for each key of each shelf, and no more where it has none.
        rows = index.ask(
            f"SELECT number, key, places FROM search_postings WHERE log = {log:d} "  # noqa: S608 - numbers of ours
            f"AND shelf IN ({listed(shelves)}) AND key IN ({listed(keys)})"
        )
        found: dict[int, dict[int, bytes]] = {}
        for number, key, places in rows:
            found.setdefault(number, {})[key] = places
        return found

    def _said(
        self, index: Link, log: int, low: int, top: int, search: Search, most: int | None = None
    ) -> tuple[Bits, int]:
        """Where the words are found in some blocks, and the last block not looked through, or -1.

        From the end, until there are `most` hits.
        """
        first, last = span(log, low * BLOCK, (top + 1) * BLOCK)
        said: Bits = {}
        hits = 0
        for hit in self.words.hits(index, search, first, last, most):
            number, at = divmod(place(hit)[1], BLOCK)
            if most is not None and hits >= most and number not in said:
                self._hits += hits
                return said, number
            hits += 1
            said[number] = said.get(number, 0) | 1 << at
        self._hits += hits
        return said, -1

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


def _calls(index: Link, some: _Blocks) -> Bits:
    query = "SELECT number, calls FROM search_blocks WHERE log = ? AND number BETWEEN ? AND ?"
    rows = index.ask(query, (some.log, some.first, some.last))
    return {number: unpacked(calls) for number, calls in rows}


def _shelves(bits: Bits) -> list[int]:
    return sorted({number // SHELF for number in bits})


def _any_of(places: Mapping[int, bytes]) -> int:
    bits = 0
    for raw in places.values():
        bits |= unpacked(raw)
    return bits


def count_blocks(index: Link | None) -> int:
    """How many are indexed, words and all."""
    if index is None:
        return 0
    ((count,),) = index.ask("SELECT count(*) FROM search_blocks WHERE has_words = 1")
    return int(count)
