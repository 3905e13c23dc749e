"""A record as one file of JSON Lines: all that its proof needs, for people without the store."""

from __future__ import annotations

import base64
import re
from array import array
from collections.abc import Callable, Iterator, Sequence
from typing import Any, BinaryIO

import msgspec

from callgate.audit.columns import COLUMNS
from callgate.audit.log_reader import Kept, KeptCheckpoint, LogReader
from callgate.audit.merkle import HASH_BYTES
from callgate.audit.place import MAX_LOG, MAX_SEQ, position
from callgate.audit.tiles import HEIGHT, WIDTH, Tile
from callgate.model import Json, Value
from callgate.protocol.jsonrpc import encode

FORMAT = 1
_STEP = 1024
_RECORD = re.compile(rb'\{"record":\{"log":(\d{1,7}),"seq":(\d{1,13}),')


class BundleError(ValueError):
    """This is no bundle, or the store cannot be written as one; the message says why."""


class _Head(msgspec.Struct):
    callgate_bundle: int
    origin: str
    made_at: str
    payloads: bool


class _Checkpoint(msgspec.Struct):
    log: int
    size: int
    note: str


class _Tile(msgspec.Struct):
    log: int
    level: int
    number: int
    hashes: str


class _Record(msgspec.Struct):
    log: int
    seq: int
    hash: str
    body: str | None
    payload: str | None = None
    columns: dict[str, Any] | None = None  # of a deleted one: what is left of it


class _Line(msgspec.Struct):
    checkpoint: _Checkpoint | None = None
    tile: _Tile | None = None
    record: _Record | None = None
    end: dict[str, Json] | None = None


_decode_head = msgspec.json.Decoder(_Head).decode
_decode = msgspec.json.Decoder(_Line).decode


class Written(Value):
    """What went into a bundle."""

    records: int
    left_out: int  # under no checkpoint yet


def write_bundle(
    reader: LogReader,
    write: Callable[[bytes], object],
    *,
    made_at: str,
    has_payloads: bool,
    progress: Callable[[int], None] = lambda _: None,
) -> Written:
    """Writes every record that is under a checkpoint. Raises BundleError, and as the reader does.

    `has_payloads`: without them, a bundle proves what happened and shows no argument, no result.
    """
    sizes = {log: _covered(reader, log) for log in reader.logs() if 0 <= log <= MAX_LOG}
    head = {
        "callgate_bundle": FORMAT,
        "origin": reader.origin,
        "made_at": made_at,
        "payloads": has_payloads,
    }
    write(encode(head) + b"\n")
    for log, size in sizes.items():
        for kept in reader.checkpoints(log):
            said = {"log": log, "size": kept.size, "note": kept.note}
            write(_written({"checkpoint": said}, f"a checkpoint of log {log}"))
        for tile in _cut_tiles(reader.tiles(log), size):
            hashes = base64.b64encode(tile.hashes).decode()
            told = {"log": log, "level": tile.level, "number": tile.number, "hashes": hashes}
            write(encode({"tile": told}) + b"\n")
    for log, size in sizes.items():
        for seq, row in enumerate(reader.records(log, 0, size)):
            write(_record(Kept(*row), (log, seq), reader, has_payloads=has_payloads))
            if not (seq + 1) % _STEP:
                progress(_STEP)
        progress(size % _STEP)
    records = sum(sizes.values())
    write(encode({"end": {"records": records}}) + b"\n")
    return Written(records=records, left_out=sum(map(reader.size, sizes)) - records)


def _covered(reader: LogReader, log: int) -> int:
    for kept in reader.checkpoints(log, 1):
        if type(kept.size) is int:
            return min(kept.size, reader.size(log))
    return 0


def _cut_tiles(tiles: Iterator[Tile], size: int) -> Iterator[Tile]:
    """As they were when the log had this size."""
    for tile in tiles:
        nodes = size >> HEIGHT * tile.level
        count = min(nodes - tile.number * WIDTH, WIDTH)
        if tile.level == 0 and count < WIDTH:
            continue  # the records have these hashes
        if count > 0:
            hashes = tile.hashes[: count * HASH_BYTES]
            yield Tile(level=tile.level, number=tile.number, hashes=hashes)


def _record(row: Kept, place: tuple[int, int], reader: LogReader, *, has_payloads: bool) -> bytes:
    log, seq = place
    name = f"record {log}/{seq}"
    if row.position != position(log, seq) or not isinstance(row.hash, bytes):
        raise BundleError(f"{name} is not what it should be: see `callgate audit verify`")
    said: dict[str, Any] = {"log": log, "seq": seq, "hash": row.hash.hex(), "body": row.body}
    if row.body is None:
        said["columns"] = {column: getattr(row, column) for column in COLUMNS}
    elif has_payloads:
        said["payload"] = row.payload
        if row.payload is None and (digest := _payload_digest(row.body)) is not None:
            blob = reader.blob(digest)
            said["payload"] = None if blob is None else blob
    return _written({"record": said}, name)


def _payload_digest(body: Any) -> str | None:
    try:
        beside = msgspec.json.decode(body).get("payload")
        digest = beside["sha256"] if isinstance(beside, dict) else None
    except (msgspec.DecodeError, UnicodeError, AttributeError, KeyError, TypeError):
        return None
    return digest if isinstance(digest, str) else None


def _written(line: dict[str, Any], name: str) -> bytes:
    """With text in place of bytes: all that a record has is UTF-8."""
    try:
        (inner,) = line.values()
        for key, value in inner.items():
            if isinstance(value, bytes):
                inner[key] = value.decode()
        return encode(line) + b"\n"
    except (UnicodeError, TypeError, ValueError):
        raise BundleError(f"{name} is no text: see `callgate audit verify`") from None


class BundleReader:
    """Implements LogReader for a bundle. Reads it once to know where everything is."""

    has_columns = False

    def __init__(self, file: BinaryIO, name: str) -> None:
        """`file` must be seekable. Raises BundleError."""
        self.place = name
        self._file = file
        self._places: dict[int, array[int]] = {}  # log → where each of its records begins
        self._notes: dict[int, list[KeptCheckpoint]] = {}
        self._tiles: dict[int, list[Tile]] = {}
        try:
            head = _decode_head(file.readline())
        except (msgspec.DecodeError, UnicodeError) as error:
            raise BundleError(f"{name} is no bundle of a record: {error}") from None
        if head.callgate_bundle != FORMAT:
            raise BundleError(f"{name} is a bundle of a later version: {head.callgate_bundle}")
        self.origin = head.origin
        self.made_at = head.made_at
        self.has_payloads = head.payloads
        self._scan()

    def logs(self) -> Sequence[int]:
        return sorted({*self._places, *self._notes, *self._tiles})

    def size(self, log: int) -> int:
        return len(self._places.get(log, ()))

    def records(
        self, log: int, first: int = 0, last: int | None = None
    ) -> Iterator[tuple[Any, ...]]:
        for begin in self._places.get(log, array("Q"))[first:last]:
            self._file.seek(begin)
            yield _row(self._file.readline())

    def checkpoints(self, log: int, largest: int | None = None) -> Iterator[KeptCheckpoint]:
        own = sorted(self._notes.get(log, ()), key=lambda one: one.size)
        return iter(own if largest is None else own[-largest:])

    def tiles(self, log: int) -> Iterator[Tile]:
        return iter(sorted(self._tiles.get(log, ()), key=lambda one: (one.level, one.number)))

    def hashes(self, log: int) -> BundleHashes:
        return BundleHashes(self, log, self._tiles.get(log, ()))

    def entries(self, call_id: str) -> Sequence[tuple[Any, ...]]:
        """Reads all of it: a bundle has no index."""
        wanted = f'"{call_id}"'
        return [
            row
            for log in self.logs()
            for row in self.records(log)
            if isinstance(row[13], str) and wanted in row[13] and _call(row[13]) == call_id
        ]

    def blob(self, sha256: str) -> bytes | None:
        """None: payloads stand with their records."""
        return None

    def close(self) -> None:
        self._file.close()

    def _scan(self) -> None:
        number, begin, end = 1, self._file.tell(), None
        for line in self._file:
            number += 1
            if end is not None:
                raise BundleError(f"{self.place} goes on behind its end, in line {number}")
            record = _RECORD.match(line)
            if record is not None and int(record[1]) <= MAX_LOG:
                self._places.setdefault(int(record[1]), array("Q")).append(begin)
            else:
                end = self._take(line, number)
            begin += len(line)
        if end is None:
            raise BundleError(f"{self.place} has no end: a part of it is missing")

    def _take(self, line: bytes, number: int) -> dict[str, Json] | None:
        try:
            said = _decode(line)
            if said.checkpoint is not None:
                one = said.checkpoint
                kept = KeptCheckpoint(one.log, one.size, None, one.note)
                self._notes.setdefault(one.log, []).append(kept)
            elif said.tile is not None:
                told = said.tile
                hashes = base64.b64decode(told.hashes, validate=True)
                tile = Tile(level=told.level, number=told.number, hashes=hashes)
                self._tiles.setdefault(told.log, []).append(tile)
            elif said.end is None:
                raise BundleError(f"{self.place}, line {number}: this is nothing of a bundle")
        except (msgspec.DecodeError, UnicodeError, ValueError) as error:
            if isinstance(error, BundleError):
                raise
            raise BundleError(f"{self.place}, line {number}: {error}") from None
        return said.end


class BundleHashes:
    """Implements Hashes."""

    def __init__(self, reader: BundleReader, log: int, tiles: Sequence[Tile]) -> None:
        self._reader = reader
        self._log = log
        self._tiles = {(tile.level, tile.number): tile.hashes for tile in tiles}

    def tile(self, level: int, number: int) -> bytes:
        kept = self._tiles.get((level, number))
        if kept is not None or level:
            return kept or b""
        rows = self._reader.records(self._log, number * WIDTH, (number + 1) * WIDTH)
        return b"".join(row[12] for row in rows if isinstance(row[12], bytes))


_NOTHING: dict[str, Any] = dict.fromkeys(COLUMNS)
_BROKEN = Kept(position=-1, **_NOTHING, hash=None, body=0, payload=None)


def _row(line: bytes) -> tuple[Any, ...]:
    try:
        said = _decode(line).record
        if said is None or not 0 <= said.seq <= MAX_SEQ:
            return _BROKEN
        columns = _NOTHING if said.columns is None else _NOTHING | said.columns
        return (
            position(said.log, said.seq),
            *(columns[name] for name in COLUMNS),
            bytes.fromhex(said.hash),
            said.body,
            said.payload,
        )
    except (msgspec.DecodeError, UnicodeError, ValueError):
        return _BROKEN


def _call(body: str) -> Json:
    try:
        said = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeError):
        return None
    return said.get("call") if isinstance(said, dict) else None
