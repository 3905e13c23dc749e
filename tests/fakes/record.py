"""A record in memory, as a store keeps it, that tests can write and then tamper with."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

from callgate.audit.checkpoints import Checkpoint, log_origin
from callgate.audit.columns import COLUMNS
from callgate.audit.erasure import erased
from callgate.audit.frontier import Frontier
from callgate.audit.joining import joined
from callgate.audit.keys import SigningKey
from callgate.audit.log_reader import KeptCheckpoint
from callgate.audit.merkle import leaf_hash
from callgate.audit.place import LOG_OF_LOGS, bounds, place, position
from callgate.audit.record import Entry
from callgate.audit.tiles import WIDTH, Tile
from fakes.small_entries import AT
from fakes.tampering import calls

ORIGIN = "callgate.dev/00112233445566aa"
KEY = SigningKey(ORIGIN, bytes(range(32)))
FIELDS = ("position", *COLUMNS, "hash", "body", "payload")


class FakeRecord:
    """Implements LogReader; `rows`, `notes`, `kept_tiles` and `blobs` are what is kept."""

    place = "the fake record"
    has_columns = True
    has_payloads = True

    def __init__(self, origin: str = ORIGIN, keys: Sequence[SigningKey] = (KEY,)) -> None:
        self.origin = origin
        self.keys = tuple(keys)
        self.rows: dict[int, dict[str, Any]] = {}
        self.notes: dict[tuple[int, int], Any] = {}
        self.kept_tiles: dict[tuple[int, int, int], Any] = {}
        self.blobs: dict[str, bytes] = {}
        self.edges: dict[int, Frontier] = {}
        self.at = 1_700_000_000.0

    # writing, as a gateway does

    def append(self, log: int, *entries: Entry) -> None:
        edge = self.edges.setdefault(log, Frontier())
        for entry in entries:
            row: dict[str, Any] = {name: getattr(entry, name) for name in COLUMNS}
            number = position(log, edge.size)
            payload = None if entry.payload is None else entry.payload.decode()
            self.rows[number] = row | {
                "position": number,
                "hash": leaf_hash(entry.body),
                "body": entry.body.decode(),
                "payload": payload,
            }
            edge.append(leaf_hash(entry.body))
            self.at = max(self.at, entry.at)
        for tile in edge.take_tiles():
            self.kept_tiles[log, tile.level, tile.number] = tile.hashes

    def note(self, log: int, size: int, root: bytes) -> str:
        origin = log_origin(self.origin, log)
        return str(Checkpoint(origin=origin, size=size, root=root).signed(self.keys))

    def checkpoint(self, log: int) -> str:
        """Signs the log as it is."""
        edge = self.edges.setdefault(log, Frontier())
        note = self.notes[log, edge.size] = self.note(log, edge.size, edge.root())
        return note

    def join(self, *logs: int) -> str:
        """Signs these logs, and the log of logs that says so."""
        for log in logs:
            note = self.checkpoint(log)
            self.append(LOG_OF_LOGS, joined(log, self.edges[log].size, note, self.at))
        return self.checkpoint(LOG_OF_LOGS)

    def move_to_blobs(self, log: int, seq: int) -> str:
        """A large payload is kept apart."""
        row = self.rows[position(log, seq)]
        payload = row["payload"].encode()
        digest = hashlib.sha256(payload).hexdigest()
        self.blobs[digest] = payload
        row["payload"] = None
        return digest

    # LogReader

    def logs(self) -> Sequence[int]:
        of_rows = {number >> 40 for number in self.rows if isinstance(number, int)}
        of_rest = {log for log, _ in self.notes} | {log for log, _, _ in self.kept_tiles}
        return sorted(of_rows | of_rest)

    def size(self, log: int) -> int:
        first, last = bounds(log)
        own = [number for number in self.rows if first <= number <= last]
        return place(max(own))[1] + 1 if own else 0

    def records(
        self, log: int, first: int = 0, last: int | None = None
    ) -> Iterator[tuple[Any, ...]]:
        begin, end = bounds(log)
        for number in sorted(self.rows):
            seq = number - begin
            if begin <= number <= end and first <= seq and (last is None or seq < last):
                yield tuple(self.rows[number][name] for name in FIELDS)

    def checkpoints(self, log: int, largest: int | None = None) -> Iterator[KeptCheckpoint]:
        own = sorted(size for of, size in self.notes if of == log)
        for size in own if largest is None else own[-largest:]:
            yield KeptCheckpoint(log, size, self.at, self.notes[log, size])

    def tiles(self, log: int) -> Iterator[Tile]:
        for of, level, number in sorted(self.kept_tiles):
            if of == log:
                hashes = self.kept_tiles[of, level, number]
                yield Tile(level=level, number=number, hashes=hashes)

    def hashes(self, log: int) -> FakeRecordHashes:
        return FakeRecordHashes(self, log)

    def entries(self, call_id: str) -> Sequence[tuple[Any, ...]]:
        return [
            tuple(self.rows[number][name] for name in FIELDS)
            for number in sorted(self.rows)
            if self.rows[number]["call_id"] == call_id
        ]

    def blob(self, sha256: str) -> bytes | None:
        return self.blobs.get(sha256)

    def close(self) -> None:
        pass


class FakeRecordHashes:
    """Implements Hashes."""

    def __init__(self, record: FakeRecord, log: int) -> None:
        self._record = record
        self._log = log

    def tile(self, level: int, number: int) -> bytes:
        kept = self._record.kept_tiles.get((self._log, level, number))
        if kept is not None:
            return bytes(kept)
        if level:
            return b""
        rows = self._record.records(self._log, number * WIDTH, (number + 1) * WIDTH)
        return b"".join(row[12] for row in rows)


class FakeEditor:
    """Implements Editor for a FakeRecord."""

    def __init__(self, record: FakeRecord) -> None:
        self.record = record
        self.origin = record.origin

    def size(self, log: int) -> int:
        return self.record.size(log)

    def row(self, log: int, seq: int) -> dict[str, Any]:
        row = dict(self.record.rows[position(log, seq)])
        del row["position"]
        return row

    def put(self, log: int, seq: int, row: dict[str, Any]) -> None:
        number = position(log, seq)
        self.record.rows[number] = {"position": number, **row}

    def drop(self, log: int, seq: int) -> None:
        del self.record.rows[position(log, seq)]

    def sizes(self, log: int) -> Sequence[int]:
        return sorted(size for of, size in self.record.notes if of == log)

    def note(self, log: int, size: int) -> str:
        return str(self.record.notes[log, size])

    def put_note(self, log: int, size: int, note: Any) -> None:
        self.record.notes[log, size] = note

    def drop_note(self, log: int, size: int) -> None:
        del self.record.notes[log, size]

    def tiles(self, log: int) -> Sequence[tuple[int, int]]:
        return [(level, number) for of, level, number in self.record.kept_tiles if of == log]

    def tile(self, log: int, level: int, number: int) -> bytes:
        return bytes(self.record.kept_tiles[log, level, number])

    def put_tile(self, log: int, level: int, number: int, hashes: bytes) -> None:
        self.record.kept_tiles[log, level, number] = hashes

    def drop_tile(self, log: int, level: int, number: int) -> None:
        del self.record.kept_tiles[log, level, number]


def a_record() -> FakeRecord:
    """With two logs of calls, joined several times; the first goes on behind its checkpoint."""
    made = FakeRecord()
    made.append(1, *calls(0, 60))
    made.join(1)
    made.append(2, *calls(1000, 1012))
    made.append(1, *calls(60, 280))
    made.join(1, 2)
    made.append(1, *calls(280, 310))
    made.join(1)
    made.append(1, *calls(310, 315))
    made.join(1, 2)
    made.append(1, *calls(315, 317))
    return made


def with_deletions() -> FakeRecord:
    """The same, after a deletion that the record says."""
    record = a_record()
    said = {"reason": "retention"}
    record.append(1, erased([(1, 10, 19), (2, 3, 3)], "body", AT, said))
    record.append(1, erased([(1, 30, 31)], "payload", AT, said))
    record.join(1)
    for log, seq in [(1, seq) for seq in range(10, 20)] + [(2, 3)]:
        record.rows[position(log, seq)] |= {"body": None, "payload": None}
    for seq in (30, 31):
        record.rows[position(1, seq)]["payload"] = None
    return record
