"""Erases in three steps: an event says what, a signed checkpoint covers it, then it goes."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import Connection, Row, Select, select, update

from callgate.audit.erasure import What, erased, stretches, withdrawn
from callgate.audit.holds import holding
from callgate.audit.place import LOG_OF_LOGS, place, position
from callgate.audit.record import Entry
from callgate.audit.retaining import LASTING, Kept, Rule, Tally, fingerprint
from callgate.audit.selecting import Selector
from callgate.model import Json
from callgate.ports import Clock, StoreError
from callgate.storage.blobs.opening import blobs_of
from callgate.storage.database import Database
from callgate.storage.databases import database_of, faults_of
from callgate.storage.retention.planning import Found, Planner
from callgate.storage.retention.reading import (
    FACTS,
    UNREFERRED,
    Order,
    cursors_like,
    descriptions,
    drop_cursor,
    facts_of,
    is_covered,
    keep_cursor,
    read_cursor,
    read_holds,
    read_orders,
    said_in,
    taken_back,
)
from callgate.storage.retention.sweeping import Sweeper
from callgate.storage.rows.opening import heads
from callgate.storage.schema import records
from callgate.storage.settings import StoreSettings

PLACES = 5_000  # entries in one event
BATCH = 100  # entries in one transaction: what a call may have to wait for
REST_SECONDS = 0.02  # between two of them
GRACE_SECONDS = 15.0  # beyond `blobs.timeout_seconds`: what writers take that are not at fault
COVER_SECONDS = 60.0  # beyond the usual, until a checkpoint must have come
LOCK = "erasing"  # who holds it is the only one
SETTLE_SECONDS = 1.0  # for calls on their way that refer to a description that is there still
DONE = "erasing"  # the cursor: which `erased` events are finished
BLOBS, CLAIMS = "erased blobs ", "erased claims "  # cursors: digests that are still to be seen to

_OF_CALLS = ("run", "principal", "agent", "target", "tool")  # columns that go with the body

T = TypeVar("T")

_log = logging.getLogger("callgate.storage")


class BusyError(StoreError):
    """Another process is erasing from this record."""


class StoppedError(StoreError):
    """It was told to stop: whoever goes on later finishes it."""


class Eraser:
    """For one thread. Whatever is interrupted, by whatever, the next one finishes.

    `append` records an event durably, in a log whose writer signs it soon.
    """

    def __init__(
        self,
        settings: StoreSettings,
        clock: Clock,
        append: Callable[[Entry], None],
        stop: threading.Event | None = None,
        forget: Callable[[], None] = lambda: None,
    ) -> None:
        """`forget`: from then on this process describes principals anew that it refers to."""
        self._settings = settings
        self._clock = clock
        self._append = append
        self._stop = stop or threading.Event()
        self._forget = forget
        self._has_erased = False
        self._writing: Connection
        self._reading: Connection

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """As the only one. Raises BusyError; StoreError, also in the place of what happens in it.

        First finishes what others have begun.
        """
        self._database = database_of(self._settings)
        with ExitStack() as open_, faults_of(self._database):
            self._writing = self._database.open_to_write(may_create=False)
            open_.callback(self._writing.close)
            life = self._database.claim(self._writing, LOCK)
            if life is None:
                raise BusyError("another process is erasing from this record; try again")
            open_.callback(life.end)
            self._database.before_erasing(self._writing)
            self._open_to_read(self._database, open_)
            self._finish()
            yield
            self._see_to_the_rest()

    def retain(self, rules: Sequence[tuple[Rule, str]]) -> int:
        """Erases what is older than its rule wants; each comes in words. How many entries."""
        only = [rule for rule, _ in rules]
        return sum(self._by_rule(only, number, words) for number, (_, words) in enumerate(rules))

    def count(self, selector: Selector, kept: Kept) -> Tally:
        """What `erase` would do. Not while it is at work; others may be. StoreError."""
        database = database_of(self._settings)
        with faults_of(database), ExitStack() as open_:
            self._open_to_read(database, open_)
            return _tallied(list(self._planner()[0].chosen(selector, kept)))

    def _open_to_read(self, database: Database, open_: ExitStack) -> None:
        self._reading = open_.enter_context(database.open_to_read().connect())
        self._blobs = blobs_of(self._settings)
        if self._blobs is not None:
            open_.callback(self._blobs.close)

    def erase(self, selector: Selector, kept: Kept, said: Mapping[str, Json]) -> Tally:
        """Erases what the selector covers and no hold keeps. `said`: why, and by whom."""
        found = list(self._planner()[0].chosen(selector, kept))
        said = {**said, "why": "asked", "covers": selector.told()}
        self._announced([p for one in found for p in one.body], "body", said)
        self._announced([p for one in found for p in one.payload], "payload", said)
        return _tallied(found)

    def _by_rule(self, rules: Sequence[Rule], number: int, words: str) -> int:
        planner, released = self._planner()
        name = f"retention {fingerprint(rules, number, released)}"
        begin = self._read(lambda kept: read_cursor(kept, name))
        said: dict[str, Json] = {"why": "retention", "rule": words, "author": "retention"}
        body: list[int] = []
        payload: list[int] = []
        count = 0
        for found in planner.due(rules, number, dict(begin), self._clock.now()):
            self._rest()
            body += found.body
            payload += found.payload
            begin[found.log] = found.next_seq
            count += len(found.body) + len(found.payload)
            if max(len(body), len(payload)) >= PLACES:
                self._erase_due(name, begin, body, payload, said)
        self._erase_due(name, begin, body, payload, said)
        if count:
            _log.info("%d entries were erased: %s", count, words)
        return count

    def _erase_due(
        self,
        name: str,
        begin: dict[int, int],
        body: list[int],
        payload: list[int],
        said: Mapping[str, Json],
    ) -> None:
        self._announced(body, "body", said)
        self._announced(payload, "payload", said)
        body.clear()
        payload.clear()
        if begin != self._read(lambda kept: read_cursor(kept, name)):
            self._keep(name, begin)

    def _planner(self) -> tuple[Planner, int]:
        holds, released = self._read(read_holds)
        blobs = self._blobs
        return Planner(self._reading, holds, blobs.has if blobs else lambda _: False), released

    def _announced(self, positions: Sequence[int], what: What, said: Mapping[str, Json]) -> None:
        """Says it, waits for the signature, does it."""
        for first in range(0, len(positions), PLACES):
            some = sorted(positions[first : first + PLACES])
            entry = erased(stretches(map(place, some)), what, self._clock.now(), dict(said))
            self._append(entry)
            self._wait_for_cover(entry.call_id)
            if entry.call_id not in self._finish():
                raise StoreError("what is to be erased was recorded, and was not carried out")

    def _wait_for_cover(self, event_id: str) -> None:
        query = select(records.c.position).where(records.c.call_id == event_id)
        waited, most = 0.0, COVER_SECONDS + 2 * self._settings.checkpoint_seconds

        def is_there(kept: Connection) -> bool:
            at = kept.execute(query).scalar()
            return at is not None and is_covered(kept, at)

        while not self._read(is_there):
            if waited > most:
                raise StoreError("what is to be erased was recorded, but not signed; see the log")
            self._pause(0.05)
            waited += 0.05

    def _finish(self) -> set[str]:
        """Does all that was announced and is signed, and not done yet; the ids of these events.

        One that cannot be read is void: nothing is erased by it, and others are carried out.
        """
        done = self._read(lambda kept: read_cursor(kept, DONE))
        orders = self._read(lambda kept: read_orders(kept, done))
        waiting: set[int] = set()
        finished: set[str] = set()
        for order in orders:
            log, seq = place(order.position)
            if not self._read(partial(is_covered, at=order.position)):
                waiting.add(log)
            if log in waiting:
                continue  # anybody could have written it
            if order.fault:
                _log.warning("an event that says what is to be erased is void: %s", order.fault)
            else:
                self._do(order)
                finished.add(order.id)
            done[log] = seq + 1
            self._keep(DONE, done)
        return finished

    def _do(self, order: Order) -> None:
        back = self._read(lambda kept: taken_back(kept, order.id))
        ends = self._read(heads)
        spared: set[int] = set()
        for positions in _pieces(order, ends):
            self._rest()
            with self._database.alone(self._writing):  # INVARIANT: no hold comes in between
                held = self._erase(order, positions, back)
            spared |= {row.position for row in held if self._is_here(order.what, row)}
        if spared - back:
            places = stretches(map(place, sorted(spared - back)))
            self._append(withdrawn(order.id, places, order.what, self._clock.now()))
            _log.warning("%d entries are under hold and were not erased", len(spared))

    def _erase(self, order: Order, positions: Sequence[int], back: set[int]) -> Sequence[Row[Any]]:
        """Some of them, in a transaction; those that a hold keeps."""
        has_payload = records.c.payload.is_not(None).label("has_payload")
        query: Select[Any] = select(*FACTS, records.c.body, has_payload).where(
            records.c.position.in_(positions), records.c.body.is_not(None)
        )
        holds = read_holds(self._writing)[0]
        rows = self._writing.execute(query).all()
        held = [row for row in rows if holding(holds, facts_of(row)) is not None]
        stays = back.union(row.position for row in held)
        doomed = [
            row
            for row in rows
            if row.position not in stays and not (row.kind == "event" and row.code in LASTING)
        ]
        if doomed:
            # INVARIANT: another name where the order is taken up again, once what was held is not.
            self._remember(f"{order.id} {doomed[0].position}", order.what, doomed)
            columns: dict[str, Any] = {"payload": None}
            if order.what == "body":
                columns |= dict.fromkeys(("body", *_OF_CALLS))
            where = records.c.position.in_([row.position for row in doomed])
            self._writing.execute(update(records).where(where).values(columns))
            self._has_erased = True
        return held

    def _is_here(self, what: What, row: Row[Any]) -> bool:
        """Whether it is still to be erased, and was not by one that was killed half-way."""
        if what == "body" or row.has_payload:
            return True
        said = said_in(row.body).payload
        return said is not None and self._blobs is not None and self._blobs.has(said.sha256)

    def _remember(self, name: str, what: What, rows: Sequence[Row[Any]]) -> None:
        """What else must go, and could not be found any more once this is gone."""
        said = [(said_in(row.body), row.has_payload) for row in rows]
        large = {
            one.payload.sha256 for one, is_here in said if one.payload is not None and not is_here
        }
        claims = {one.claims for one, _ in said if one.claims is not None}
        if large and self._blobs is not None:
            keep_cursor(self._writing, BLOBS + name, sorted(large), self._clock.now())
        if claims and what == "body":
            keep_cursor(self._writing, CLAIMS + name, sorted(claims), self._clock.now())

    def _see_to_the_rest(self) -> None:
        """Large payloads, descriptions of principals, and copies that the database has."""
        self._sweep_blobs()
        self._erase_descriptions()
        if self._has_erased:
            self._has_erased = False
            left = self._database.after_erasing(self._writing)
            if left is not None:
                _log.warning("%s", left)

    def _sweep_blobs(self) -> None:
        pending = self._read(lambda kept: cursors_like(kept, BLOBS))
        done = self._read(lambda kept: read_cursor(kept, DONE))
        if not pending or self._blobs is None:
            return

        def is_finished(at: int) -> bool:
            log, seq = place(at)
            return seq < done.get(log, 0)

        seconds = GRACE_SECONDS + self._settings.blobs.timeout_seconds
        sweeper = Sweeper(self._reading, self._blobs, is_finished, partial(self._pause, seconds))
        sweeper.sweep(digest for digests in pending.values() for digest in digests)
        self._reading.rollback()
        self._drop(pending)

    def _erase_descriptions(self) -> None:
        """Of principals of whom no entry is left that refers to them."""
        pending = self._read(lambda kept: cursors_like(kept, CLAIMS))
        if not pending:
            return
        self._forget()  # INVARIANT: before it is looked for, so that what comes now stays
        self._pause(SETTLE_SECONDS)
        gone: list[int] = []
        for digest in sorted({one for digests in pending.values() for one in digests}):
            gone += self._read(partial(descriptions, claims=digest))
        said: dict[str, Json] = {"why": UNREFERRED, "author": "retention"}
        self._announced(gone, "body", said)
        self._drop(pending)

    def _read(self, question: Callable[[Connection], T]) -> T:
        """Of the record as it is now: no old state of the database is held for us."""
        try:
            return question(self._reading)
        finally:
            self._reading.rollback()

    def _keep(self, name: str, said: Json) -> None:
        with self._database.transaction(self._writing):
            keep_cursor(self._writing, name, said, self._clock.now())

    def _drop(self, names: Mapping[str, Json]) -> None:
        with self._database.transaction(self._writing):
            for name in names:
                drop_cursor(self._writing, name)

    def _rest(self) -> None:
        self._pause(REST_SECONDS)

    def _pause(self, seconds: float) -> None:
        if self._stop.wait(seconds):
            raise StoppedError("the gateway stops; what was begun is finished later")


def _pieces(order: Order, ends: Mapping[int, int]) -> Iterator[Sequence[int]]:
    """The positions that an order means, as many as one transaction takes at a time."""
    batch: list[int] = []
    for log, first, last in order.places:
        if log == LOG_OF_LOGS:
            continue
        for seq in range(max(first, 0), min(last + 1, ends.get(log, 0))):
            batch.append(position(log, seq))
            if len(batch) == BATCH:
                yield batch
                batch = []
    if batch:
        yield batch


def _tallied(found: Sequence[Found]) -> Tally:
    held = frozenset[str]().union(*(one.held for one in found))
    return Tally(
        entries=sum(len(one.body) + len(one.payload) for one in found),
        calls=len(frozenset[str]().union(*(one.calls for one in found))),
        held=len(held),
        open=len(frozenset[str]().union(*(one.open for one in found))),
    )
