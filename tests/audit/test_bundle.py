import io
from collections.abc import Callable

import msgspec
import pytest

from callgate.audit.bundle import BundleError, BundleReader, Written, write_bundle
from callgate.audit.findings import (
    CHECKPOINT_EDITED,
    DELETED_UNSAID,
    LOG_CUT,
    PAYLOAD_EDITED,
    RECORD_EDITED,
    RECORD_MISPLACED,
    RECORDS_CHANGED,
    TILE_EDITED,
    Verification,
)
from callgate.audit.log_reader import LogReader
from callgate.audit.place import position
from callgate.audit.tiles import Tree
from callgate.audit.verifying import Trust, verify
from fakes.record import KEY, FakeRecord, a_record, with_deletions

TRUST = Trust(keys=(KEY.verifier,), uncovered_seconds=0)
MADE_AT = "2026-11-29T20:00:00Z"


def written(record: FakeRecord, *, payloads: bool = True) -> bytes:
    out = io.BytesIO()
    write_bundle(record, out.write, made_at=MADE_AT, has_payloads=payloads)
    return out.getvalue()


def read(raw: bytes) -> BundleReader:
    return BundleReader(io.BytesIO(raw), "bundle.jsonl")


def found(raw: bytes) -> Verification:
    return verify(read(raw), TRUST)


def test_a_bundle_proves_what_the_store_proves() -> None:
    record = a_record()
    raw = written(record)

    result = found(raw)
    assert result.failures == ()
    assert (result.records, result.uncovered, result.unseen_payloads) == (660, 0, 0)
    assert [one.checkpoint for one in result.logs] == [
        record.notes[0, 6],
        record.notes[1, 630],
        record.notes[2, 24],
    ]


def test_what_is_under_no_checkpoint_is_left_out_and_counted() -> None:
    out: list[bytes] = []
    told: list[int] = []
    made = write_bundle(
        a_record(), out.append, made_at=MADE_AT, has_payloads=True, progress=told.append
    )

    assert made == Written(records=660, left_out=4)
    assert sum(told) == 660


def test_a_bundle_without_payloads_shows_none_and_proves_the_rest() -> None:
    raw = written(a_record(), payloads=False)

    result = found(raw)
    assert b"arguments" not in raw
    assert (result.holds, result.unseen_payloads) == (True, 654)


def test_payloads_that_are_kept_apart_stand_with_their_records() -> None:
    record = a_record()
    record.move_to_blobs(1, 4)
    inline = written(a_record())

    assert written(record) == inline


def test_deletions_hold_in_a_bundle_too() -> None:
    result = found(written(with_deletions()))

    assert result.failures == ()


def test_proofs_can_be_made_of_a_bundle() -> None:
    record = a_record()
    reader: LogReader = read(written(record))

    for size in (630, 256, 7):
        assert Tree(reader.hashes(1), size).root() == Tree(record.hashes(1), size).root()
    call_id = record.rows[position(1, 40)]["call_id"]
    assert [row[0] for row in reader.entries(call_id)] == [position(1, 40), position(1, 41)]
    assert reader.entries("c" + "x" * 28) == []
    assert [one.size for one in reader.checkpoints(1, 2)] == [620, 630]


def lines(raw: bytes) -> list[bytes]:
    return raw.splitlines(keepends=True)


def at(raw: bytes, log: int, seq: int) -> int:
    start = b'{"record":{"log":%d,"seq":%d,' % (log, seq)
    (place,) = [n for n, line in enumerate(lines(raw)) if line.startswith(start)]
    return place


def edit(raw: bytes, log: int, seq: int, change: Callable[[dict[str, str]], object]) -> bytes:
    every = lines(raw)
    place = at(raw, log, seq)
    said = msgspec.json.decode(every[place])
    change(said["record"])
    every[place] = msgspec.json.encode(said) + b"\n"
    return b"".join(every)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda said: said.update(body=said["body"].replace("shop", "bank")), RECORD_EDITED),
        (lambda said: said.update(hash="00" * 32), RECORD_EDITED),
        (lambda said: said.update(hash="zz"), RECORD_MISPLACED),
        (lambda said: said.update(body=None, payload=None), DELETED_UNSAID),
        (lambda said: said.update(payload="{}"), PAYLOAD_EDITED),
        (lambda said: said.update(payload=None), DELETED_UNSAID),
    ],
)
def test_an_edited_record_of_a_bundle_is_named(
    change: Callable[[dict[str, str]], object], code: str
) -> None:
    first = found(edit(written(a_record()), 1, 300, change)).failures[0]

    assert (first.code, first.log, first.seq) == (code, 1, 300)


def test_records_in_another_order_are_named() -> None:
    raw = written(a_record())
    every, place = lines(raw), at(raw, 1, 300)
    every[place], every[place + 1] = every[place + 1], every[place]

    first = found(b"".join(every)).failures[0]
    assert (first.log, first.seq) == (1, 300)


def test_a_bundle_that_lacks_its_last_records_is_found() -> None:
    raw = written(a_record())
    every, place = lines(raw), at(raw, 2, 20)

    first = found(b"".join([*every[:place], every[-1]])).failures[0]
    assert (first.code, first.log, first.seq) == (LOG_CUT, 2, 20)


def test_edited_checkpoints_and_tiles_of_a_bundle_are_found() -> None:
    raw = written(a_record())
    note = raw.replace(b'{"checkpoint":{"log":1,"size":120,', b'{"checkpoint":{"log":1,"size":121,')
    tile = raw.replace(b'"number":0,"hashes":"', b'"number":0,"hashes":"AAAA', 1)

    assert found(note).failures[0].code == CHECKPOINT_EDITED
    assert {one.code for one in found(tile).failures} <= {TILE_EDITED, RECORDS_CHANGED}
    assert not found(tile).holds


HOSTILE = {
    "nothing": b"",
    "no JSON": b"hello\n",
    "no head": b"{}\n",
    "a later version": b'{"callgate_bundle":2,"origin":"o","made_at":"","payloads":true}\n',
    "no end": lines(written(FakeRecord()))[0],
    "something else": lines(written(FakeRecord()))[0] + b'{"other":1}\n',
    "a broken line": lines(written(FakeRecord()))[0] + b'{"tile":\n',
    "a tile that is no base64": lines(written(FakeRecord()))[0]
    + b'{"tile":{"log":1,"level":0,"number":0,"hashes":"?"}}\n',
    "more behind the end": written(FakeRecord()) + b'{"end":{}}\n',
}


@pytest.mark.parametrize("raw", HOSTILE.values(), ids=HOSTILE)
def test_what_is_no_bundle_is_refused(raw: bytes) -> None:
    with pytest.raises(BundleError, match="bundle"):
        read(raw)


def test_a_store_that_was_tampered_with_is_not_written_as_if_it_were_whole() -> None:
    record = a_record()
    del record.rows[position(1, 7)]
    with pytest.raises(BundleError, match="record 1/7"):
        written(record)

    record = a_record()
    record.rows[position(1, 7)]["body"] = b"\xff"
    with pytest.raises(BundleError, match="record 1/7 is no text"):
        written(record)
