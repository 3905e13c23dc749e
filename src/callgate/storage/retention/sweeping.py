"""Large payloads of erased entries go, unless another entry that is kept has the same."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, select

from callgate.audit.erasure import ERASED, WITHDRAWN, Erasures
from callgate.audit.holds import Hold, holding
from callgate.audit.place import place, position
from callgate.storage.blobs.blob_store import BlobStore
from callgate.storage.retention.reading import (
    FACTS,
    event_bodies,
    facts_of,
    read_holds,
    said_in,
)
from callgate.storage.rows.opening import heads
from callgate.storage.schema import records

AT_ONCE = 64  # payloads: they are held in memory until it is sure that nobody needs them
MAX_BYTES = 64 << 20
CHUNK = 2_000
GRACE_SECONDS = 2.0  # for entries on their way whose payload was there already


class Sweeper:
    """Deletes by digest."""

    def __init__(
        self,
        connection: Connection,
        blobs: BlobStore,
        finished: Callable[[int], bool],
        wait: Callable[[float], object],
    ) -> None:
        """`finished` says of the position of an `erased` event whether all of it was done."""
        self._connection = connection
        self._blobs = blobs
        self._finished = finished
        self._wait = wait

    def sweep(self, digests: Iterable[str]) -> None:
        """Deletes those that nobody needs. StoreError."""
        wanted = set(digests)
        seen = heads(self._connection)
        holds = read_holds(self._connection)[0]
        gone: dict[str, bytes] = {}
        for digest in sorted(wanted - self._needed(wanted, {})):
            content = self._blobs.raw(digest)
            if content is None:
                continue
            self._blobs.delete(digest)
            gone[digest] = content
            if len(gone) >= AT_ONCE or sum(map(len, gone.values())) > MAX_BYTES:
                self._settle(gone, seen, holds)
                gone = {}
        if gone:
            self._settle(gone, seen, holds)

    def _settle(
        self, gone: Mapping[str, bytes], seen: Mapping[int, int], holds: Sequence[Hold]
    ) -> None:
        """Looks once more: what somebody refers to by now is put back."""
        self._connection.rollback()  # what is there by then
        self._wait(GRACE_SECONDS)
        is_changed = read_holds(self._connection)[0] != holds
        for digest in self._needed(gone.keys(), {} if is_changed else seen):
            self._blobs.put(digest, gone[digest])

    def _needed(self, wanted: Collection[str], after: Mapping[int, int]) -> set[str]:
        """Which of them entries have that are kept, or held."""
        erasures = Erasures()
        for at, body in event_bodies(self._connection, ERASED):
            if self._finished(at):
                erasures.add(body)
        for _, body in event_bodies(self._connection, WITHDRAWN):
            erasures.take_back(body)
        holds = read_holds(self._connection)[0]
        needed: set[str] = set()
        for row in self._rows(after):
            payload = said_in(row.body).payload
            if payload is None or payload.sha256 not in wanted:
                continue
            log, seq = place(row.position)
            is_kept = erasures.first_unsaid(log, seq, seq, has_body=True) is not None
            if is_kept or holding(holds, facts_of(row)) is not None:
                needed.add(payload.sha256)
        return needed

    def _rows(self, after: Mapping[int, int]) -> Iterator[Row[Any]]:
        """The entries whose payload is not beside them."""
        for log in heads(self._connection):
            at = position(log, after.get(log, 0))
            query: Select[Any] = (
                select(*FACTS, records.c.body)
                .where(
                    records.c.position < position(log + 1, 0),
                    records.c.payload.is_(None),
                    records.c.body.is_not(None),
                )
                .order_by(records.c.position)
                .limit(CHUNK)
            )
            while rows := self._connection.execute(query.where(records.c.position >= at)).all():
                self._connection.rollback()  # no old state of the database is held for us
                at = rows[-1].position + 1
                yield from rows
