"""Large payloads of erased entries go, unless another entry that is kept has the same."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any

from sqlalchemy import Connection, Row, Select, select

from callgate.audit.holds import holding
from callgate.audit.place import place, position
from callgate.storage.blobs.blob_store import BlobStore
from callgate.storage.retention.reading import (
    FACTS,
    facts_of,
    let_go,
    read_holds,
    said_in,
)
from callgate.storage.rows.opening import heads
from callgate.storage.schema import records

CHUNK = 2_000


class Sweeper:
    """Deletes by digest.

    INVARIANT: what is deleted was set aside first, then looked for in the record: an entry that
    came meanwhile keeps it, and who came later has put it anew. Killed in between, the next one
    goes on; meanwhile it can be read.
    """

    def __init__(
        self,
        connection: Connection,
        blobs: BlobStore,
        finished: Callable[[int], bool],
        wait: Callable[[], object],
    ) -> None:
        """`finished` says of the position of an `erased` event whether all of it was done.

        `wait` returns when entries that were on their way, their payload there already, are there.
        """
        self._connection = connection
        self._blobs = blobs
        self._finished = finished
        self._wait = wait

    def sweep(self, digests: Iterable[str]) -> None:
        """Deletes those that nobody needs. StoreError."""
        wanted = set(digests)
        seen = heads(self._connection)
        holds = read_holds(self._connection)[0]
        needed = self._needed(wanted, {})
        for digest in sorted(needed):
            self._blobs.put_back(digest)  # that another process has set aside, and was killed
        doomed = [digest for digest in sorted(wanted - needed) if self._blobs.has(digest)]
        if not doomed:
            return
        for digest in doomed:
            self._blobs.set_aside(digest)
        self._connection.rollback()  # what is there by then
        self._wait()
        needed = self._needed(doomed, seen)
        for digest in doomed:
            self._connection.rollback()
            known, holds = holds, read_holds(self._connection)[0]
            if holds != known:  # whoever placed one may see what is still there
                needed = self._needed(doomed, {})
            if digest in needed:
                self._blobs.put_back(digest)
            else:
                self._blobs.delete(digest)

    def _needed(self, wanted: Collection[str], after: Mapping[int, int]) -> set[str]:
        """Which of them entries have that are kept, or held."""
        erasures = let_go(self._connection, self._finished)
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
