"""A walk along one log: each record is held against itself, and the tree is built of them all."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from callgate.audit.balance import Balance
from callgate.audit.columns import Said, column_fault, payload_fault, read_said
from callgate.audit.findings import (
    COLUMN_EDITED,
    PAYLOAD_EDITED,
    RECORD_EDITED,
    RECORD_MISPLACED,
    RECORD_MISSING,
    Failure,
)
from callgate.audit.frontier import Frontier
from callgate.audit.log_reader import LogReader
from callgate.audit.merkle import HASH_BYTES
from callgate.audit.place import MAX_LOG, SEQ_BITS, position
from callgate.audit.tile_watch import OddTile, TileWatch
from callgate.audit.tiles import WIDTH
from callgate.model import Value

_STEP = 1024  # records between two words on how far it is
_EVENT, _INTENT, _OUTCOME, _CHECKPOINT = "event", "intent", "outcome", "checkpoint"

_sha256 = hashlib.sha256

Hear = Callable[[int, int, Said, bytes], None]
"""Told of each entry that is not of a call: log, seq, what it says, its body."""


class Gone(Value):
    """A stretch of records whose bodies, or only their payloads, are not there."""

    first: int
    last: int
    has_body: bool


class Walked(Value):
    """What one log has shown."""

    log: int
    size: int  # records up to the first fault, or all
    roots: dict[int, bytes]  # at the sizes that were asked for, as far as it went
    fault: Failure | None  # the first; what lies behind it was not looked at
    gone: tuple[Gone, ...]
    odd_tiles: tuple[OddTile, ...]
    unseen_payloads: int
    last_at: float | None  # when its last record was made, as that says


class _Found(Exception):  # noqa: N818 - says what is so
    def __init__(self, failure: Failure) -> None:
        super().__init__(str(failure))
        self.failure = failure


class Walk:
    """Takes the records of one log in order, once."""

    def __init__(self, reader: LogReader, log: int, balance: Balance, hear: Hear) -> None:
        self._reader = reader
        self._log = log
        self._balance = balance
        self._hear = hear
        self._edge = Frontier()
        self._gone: list[list[Any]] = []  # first, last, has_body
        self._unseen = 0
        self._last: tuple[Any, ...] | None = None

    def run(self, wanted: Iterable[int], progress: Callable[[int], None]) -> Walked:
        """Walks to the end or to the first fault. Raises StoreError where it cannot be read."""
        roots: dict[int, bytes] = {}
        tiles = TileWatch(self._reader.tiles(self._log))
        if not 0 <= self._log <= MAX_LOG:
            reason = f"there are records at the place of a log {self._log}, which cannot be"
            fault: Failure | None = Failure(code=RECORD_MISPLACED, reason=reason)
        else:
            fault = self._along(_stops(wanted), roots, tiles, progress)
        return Walked(
            log=self._log,
            size=self._edge.size,
            roots=roots,
            fault=fault,
            gone=tuple(Gone(first=a, last=b, has_body=has) for a, b, has in self._gone),
            odd_tiles=tiles.found(is_whole=fault is None),
            unseen_payloads=self._unseen,
            last_at=self._last_at(),
        )

    def _along(
        self,
        stops: Iterator[int],
        roots: dict[int, bytes],
        tiles: TileWatch,
        progress: Callable[[int], None],
    ) -> Failure | None:
        edge, leaves, seq, stop = self._edge, list[bytes](), 0, next(stops)
        if stop == 0:
            roots[0] = edge.root()
            stop = next(stops)
        fault = None
        try:
            for row in self._reader.records(self._log):
                leaves.append(self._take(row, seq))
                seq += 1
                if seq == stop or not seq % WIDTH:
                    edge.extend(leaves)
                    leaves.clear()
                    tiles.take(edge.take_tiles())
                    if seq == stop:
                        roots[seq] = edge.root()
                        stop = next(stops)
                    if not seq % _STEP:
                        progress(_STEP)
        except _Found as found:
            fault = found.failure
        edge.extend(leaves)
        tiles.take(edge.take_tiles())
        progress(seq % _STEP)
        return fault

    def _take(self, row: tuple[Any, ...], seq: int) -> bytes:
        """The leaf hash of a record. Raises _Found where something is wrong with it."""
        kept_hash, body, payload = row[12:]
        if row[0] != position(self._log, seq):
            raise self._misplaced(row[0], seq)
        self._last = row
        if body is None:
            return self._take_erased(row, seq)
        try:
            data = body if type(body) is bytes else _bytes(body)
        except ValueError as error:
            reason = "its body was replaced by something else"
            raise self._found(RECORD_EDITED, reason, seq) from error
        leaf = _sha256(b"\x00" + data).digest()
        if leaf != kept_hash:
            reason = "its body or its hash was edited: the two do not fit"
            raise self._found(RECORD_EDITED, reason, seq)
        try:
            said = read_said(data)
        except ValueError as error:
            raise self._found(RECORD_EDITED, str(error), seq) from error
        if self._reader.has_columns:
            reason_or_none = column_fault(said, tuple(row[1:12]), data)
            if reason_or_none is not None:
                raise self._found(COLUMN_EDITED, reason_or_none, seq)
        if payload is not None or said.payload is not None:
            self._take_payload(said, payload, seq)
        if said.kind == _EVENT or said.kind == _CHECKPOINT:
            self._hear(self._log, seq, said, data)
        else:
            self._weigh(said.kind, said.call, said.ran, said.code, seq)
        return leaf

    def _weigh(self, kind: Any, call_id: Any, ran: Any, code: Any, seq: int) -> None:
        fault = None
        if kind == _OUTCOME:
            fault = self._balance.outcome(call_id, self._log, seq, ran, code)
        elif kind == _INTENT:
            fault = self._balance.intent(call_id, self._log, seq)
        if fault is not None:
            raise _Found(fault)

    def _take_erased(self, row: tuple[Any, ...], seq: int) -> bytes:
        """Of a record that was deleted, its hash must still be there; its columns may be."""
        kept_hash, _, payload = row[12:]
        if type(kept_hash) is not bytes or len(kept_hash) != HASH_BYTES:
            raise self._found(RECORD_EDITED, "its body and its hash are gone", seq)
        if payload is not None:
            reason = "a payload was put beside a body that was deleted"
            raise self._found(PAYLOAD_EDITED, reason, seq)
        self._miss(seq, has_body=False)
        if isinstance(row[2], str):
            self._weigh(row[1], row[2], row[10], row[9], seq)
        return kept_hash

    def _take_payload(self, said: Said, payload: Any, seq: int) -> None:
        if payload is None and said.payload is not None:
            if not self._reader.has_payloads:
                self._unseen += 1
                return
            payload = self._reader.blob(said.payload.sha256)
            if payload is None:
                self._miss(seq, has_body=True)
                return
        try:
            reason = payload_fault(said, _bytes(payload))
        except ValueError:
            reason = "its payload was replaced by something else"
        if reason is not None:
            raise self._found(PAYLOAD_EDITED, reason, seq)

    def _miss(self, seq: int, *, has_body: bool) -> None:
        """Whether an event says that it was deleted, is known at the end only."""
        if self._gone and self._gone[-1][1:] == [seq - 1, has_body]:
            self._gone[-1][1] = seq
        else:
            self._gone.append([seq, seq, has_body])

    def _misplaced(self, found: Any, seq: int) -> _Found:
        if type(found) is int and found > position(self._log, seq):
            last = (found & ((1 << SEQ_BITS) - 1)) - 1
            reason = (
                "it is missing" if last == seq else f"it and all to {self._log}/{last} are missing"
            )
            return self._found(RECORD_MISSING, reason, seq)
        reason = f"another stands in its place, which says to be at position {found!r}"
        return self._found(RECORD_MISPLACED, reason, seq)

    def _found(self, code: str, reason: str, seq: int) -> _Found:
        return _Found(Failure(code=code, reason=reason, log=self._log, seq=seq))

    def _last_at(self) -> float | None:
        if self._last is None:
            return None
        at, body = self._last[3], self._last[13]
        if self._reader.has_columns or body is None:
            return at if isinstance(at, float) else None
        try:
            return float(read_said(_bytes(body)).columns()[2])
        except ValueError:
            return None


def _stops(wanted: Iterable[int]) -> Iterator[int]:
    yield from sorted(set(wanted))
    yield -1


def _bytes(kept: Any) -> bytes:
    """Raises ValueError where it is neither bytes nor text."""
    if isinstance(kept, str):
        return kept.encode("utf-8", "surrogateescape")
    if not isinstance(kept, bytes):
        raise ValueError("this is no text")
    return kept
