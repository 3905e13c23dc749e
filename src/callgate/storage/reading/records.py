"""The record, as one that can be asked: calls, entries, events, everything in order."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence

from msgspec.structs import replace
from sqlalchemy import Connection, func, select

from callgate.audit.matching import matcher, reads_payload
from callgate.audit.principals import Recalled
from callgate.audit.record import in_microseconds
from callgate.model import Json, Value
from callgate.ports import CallFilter, Page, Positions
from callgate.storage.index.bits import BLOCK
from callgate.storage.index.building import Builder
from callgate.storage.index.finding import Finder, count_blocks
from callgate.storage.index.link import link_of
from callgate.storage.index.opening import Index
from callgate.storage.index.record import erasures_passed_over, has_to_forget
from callgate.storage.reading import cursors, scanning
from callgate.storage.reading.cursors import Standing
from callgate.storage.reading.paging import Walk
from callgate.storage.reading.people import people
from callgate.storage.rows.looking import Question
from callgate.storage.rows.opening import Source, chosen_rows, heads
from callgate.storage.rows.telling import Blobs, told
from callgate.storage.schema import records
from callgate.storage.settings import StoreSettings

SHORTEST_ID = 8
EVENTS_AT_ONCE = 500
IDS_AT_ONCE = 500
MOST_AT_ONCE = 20_000  # entries of each log that one question about what is new looks at
_OF_CALLS = records.c.kind.in_(("intent", "outcome"))


class Lag(Value):
    """How far an index is behind the record."""

    records: int  # that there are
    behind: int  # that an index could have, and does not have
    is_to_be_erased: bool = False  # whether it has something of which the record says it is not
    passed_over: int = 0  # events of deletions that cannot be read


class Records:
    """Implements RecordReader. Safe to share among threads: each question opens its own connection.

    Every method raises StoreError where the record cannot be read or is not what was written.
    """

    def __init__(self, settings: StoreSettings, blobs: Blobs | None = None) -> None:
        self._source = Source(settings)
        self._index = Index(settings)
        self._blobs = blobs

    @property
    def place(self) -> str:
        """Where the record is, for people."""
        return self._source.place

    def calls(self, chosen: CallFilter) -> Page:
        """Calls, newest first: each once, however many come meanwhile. CursorError, SearchError."""
        return self._page(chosen, has_short=True)

    def _page(self, chosen: CallFilter, *, has_short: bool) -> Page:
        fits = matcher(chosen)
        with (
            self._source.reading() as connection,
            self._index.reading(connection) as index,
        ):
            standings = _standings(connection, chosen.after)
            ends = {log: at.end for log, at in standings.items()}
            question = Question(connection, chosen, ends)
            finder = Finder(question, index, self._index.words)
            blobs = self._blobs if reads_payload(chosen) else None
            walk = Walk(question, fits, standings, finder.candidates, blobs)
            walk.run()
            calls = walk.found
            if has_short:
                shorts = _shorts(connection, [call["call"] for call in calls])
                calls = [
                    {"short": shorts.get(call["call"], call["call"]), **call} for call in calls
                ]
        following = None if walk.is_over else cursors.written(walk.standings)
        return Page(calls=tuple(calls), next=following, behind=finder.unindexed)

    def all_calls(self, chosen: CallFilter) -> Iterator[dict[str, Json]]:
        """All pages, one after the other, without `short`; `limit` is that of each."""
        while True:
            page = self._page(chosen, has_short=False)
            yield from page.calls
            if page.next is None:
                return
            chosen = replace(chosen, after=page.next)

    def ended(self, chosen: CallFilter) -> Page:
        """The calls that ended after an earlier page of this, oldest first; `next` is never None.

        Without `after` none: from now on. CursorError, SearchError.
        """
        ends = self.heads()
        if chosen.after is None:
            return Page(calls=(), next=cursors.of_positions(ends))
        positions = cursors.positions(chosen.after)
        ends = {log: min(end, positions.get(log, 0) + MOST_AT_ONCE) for log, end in ends.items()}
        blobs = self._blobs if reads_payload(chosen) else None
        calls: list[dict[str, Json]] = []
        for reached, call in scanning.scan_calls(self._source, positions, blobs, chosen, ends):
            calls.append(call)
            if len(calls) >= chosen.limit:
                return Page(calls=tuple(calls), next=cursors.of_positions(reached))
        return Page(calls=tuple(calls), next=cursors.of_positions({**positions, **ends}))

    def find(self, start: str, limit: int = 10) -> list[str]:
        """The ids of calls that begin so, in order."""
        ids = records.c.call_id
        # Not LIKE: it would not use the index.
        query = select(ids).distinct().where(ids >= start, ids < start + "\U0010ffff", _OF_CALLS)
        with self._source.reading() as connection:
            return list(connection.execute(query.order_by(ids).limit(limit)).scalars())

    def entries(self, call_id: str) -> list[dict[str, Json]]:
        """Everything recorded of one call, oldest first, payloads included."""
        with self._source.reading() as connection:
            return scanning.entries_of(connection, [call_id], self._blobs).get(call_id, [])

    def defined(self, identifier: str) -> dict[str, Json] | None:
        """What the event with this id defined: `tool:…`, `policies:…`, `principal:…`."""
        query = (
            chosen_rows()
            .where(records.c.call_id == identifier, records.c.kind == "event")
            .order_by(records.c.body.is_(None), records.c.payload.is_(None), records.c.position)
            .limit(1)
        )
        with self._source.reading() as connection:
            row = connection.execute(query).first()
            return None if row is None else told(row, self._blobs)

    def events(
        self, names: Collection[str], since: float | None = None, until: float | None = None
    ) -> Iterator[dict[str, Json]]:
        """The events of these names, by time."""
        columns = records.c
        query = (
            select(columns.position)
            .where(columns.kind == "event", columns.code.in_(sorted(names)))
            .order_by(columns.at, columns.position)
        )
        if since is not None:
            query = query.where(columns.at >= in_microseconds(since))
        if until is not None:
            query = query.where(columns.at < in_microseconds(until))
        with self._source.reading() as connection:
            places = connection.execute(query).scalars().all()
            for first in range(0, len(places), EVENTS_AT_ONCE):
                some = chosen_rows().where(
                    columns.position.in_(places[first : first + EVENTS_AT_ONCE])
                )
                rows = connection.execute(some.order_by(columns.at, columns.position)).all()
                yield from (told(row, self._blobs) for row in rows)

    def people(self, limit: int) -> list[Recalled]:
        """Who called, as each was last seen, the latest first; with their claims, or why these are
        not known.
        """
        with (
            self._source.reading() as connection,
            self._index.reading(connection) as index,
        ):
            return people(connection, index, limit, self._blobs)

    def heads(self) -> dict[int, int]:
        """Where each log ends now: log → the seq that comes next."""
        with self._source.reading() as connection:
            return heads(connection)

    def scan(
        self, after: Positions, chosen: CallFilter | None = None
    ) -> Iterator[scanning.Scanned]:
        """Every entry that is there now, each log in its order, and where to go on after it."""
        return scanning.scan(self._source, after, self._blobs, chosen)

    def scan_calls(
        self, after: Positions, chosen: CallFilter | None = None
    ) -> Iterator[scanning.Scanned]:
        """Every call that has ended, whole, in the order of the outcomes; positions as `scan`."""
        return scanning.scan_calls(self._source, after, self._blobs, chosen)

    def follow(
        self,
        after: Positions,
        wait: Callable[[], bool],
        chosen: CallFilter | None = None,
    ) -> Iterator[scanning.Scanned]:
        """As `scan_calls`, and then what comes. `wait` takes a moment; False ends it."""
        positions: Positions = dict(after)
        while True:
            for reached, call in self.scan_calls(positions, chosen):
                positions = reached
                yield reached, call
            if not wait():
                return

    def catch_up(self, most: int) -> int:
        """Brings the index up to date by about so many records; how many: 0 when nothing is left.

        Also where another process is at it.
        """
        with (
            self._source.reading() as connection,
            self._index.writing() as index,
        ):
            if index is None:
                return 0
            words = self._index.words
            return Builder(link_of(connection), index, words, self._blobs).catch_up(most)

    def behind(self) -> int:
        """How many records an index could have that it does not have."""
        return self.lag().behind

    def lag(self) -> Lag:
        """What an index has yet to do."""
        with (
            self._source.reading() as connection,
            self._index.reading(connection) as index,
        ):
            ends = heads(connection)
            blocks = sum(end // BLOCK for end in ends.values())
            return Lag(
                records=sum(ends.values()),
                behind=(blocks - count_blocks(index)) * BLOCK,
                is_to_be_erased=index is not None and has_to_forget(link_of(connection), index),
                passed_over=0 if index is None else len(erasures_passed_over(index)),
            )


def _standings(connection: Connection, after: str | None) -> dict[int, Standing]:
    if after is not None:
        return cursors.read(after)
    return {log: Standing(seen=end, end=end) for log, end in heads(connection).items()}


def _shorts(connection: Connection, call_ids: Sequence[str]) -> dict[str, str]:
    """Of each of these ids the shortest beginning that no other call's id has."""
    ids = records.c.call_id
    shorts: dict[str, str] = {}
    for first in range(0, len(call_ids), IDS_AT_ONCE):
        some = call_ids[first : first + IDS_AT_ONCE]
        each = select(ids.label("id")).where(ids.in_(some)).distinct().subquery()
        before, after = records.alias("before").c.call_id, records.alias("after").c.call_id
        rows = connection.execute(
            select(
                each.c.id,
                select(func.max(before)).where(before < each.c.id).scalar_subquery(),
                select(func.min(after)).where(after > each.c.id).scalar_subquery(),
            )
        )
        for call_id, *neighbours in rows:
            common = (_common(call_id, one) + 1 for one in neighbours if one is not None)
            shorts[call_id] = call_id[: max(SHORTEST_ID, *common, 0)]
    return shorts


def _common(one: str, other: str) -> int:
    pairs = zip(one, other, strict=False)
    return next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))
