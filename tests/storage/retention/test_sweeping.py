"""Large payloads go with the last entry that has them, and not before."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace
from sqlalchemy import update

from callgate.audit.holds import Hold
from callgate.audit.record import Entry
from callgate.audit.retaining import Kept
from callgate.audit.selecting import Selector
from callgate.storage.blobs.files import FileBlobs
from callgate.storage.blobs.opening import blobs_of
from callgate.storage.databases import database_of
from callgate.storage.retention import erasing
from callgate.storage.retention.reading import said_in
from callgate.storage.schema import records
from fakes.erasing import DAY, Dead, ErasedRecord, an_erased_record
from fakes.small_entries import an_intent, an_outcome

PAYLOADS = {"class": "payloads", "keep": "30d"}
GRACE = 77.0
CALLS = {"class": "calls", "keep": "30d"}


@pytest.fixture(params=["sqlite", "postgres"])
def record(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ErasedRecord]:
    monkeypatch.setattr(erasing, "GRACE_SECONDS", GRACE - 10.0)
    monkeypatch.setattr(erasing.Eraser, "_pause", lambda *_: None)
    with an_erased_record(request.param, tmp_path) as made:
        yield made


def _large(record: ErasedRecord, call_id: str, days: float, of: str = "same") -> tuple[str, Entry]:
    at = record.clock.now() - days * DAY
    entry = an_intent(of, at)
    assert entry.payload is not None
    digest = hashlib.sha256(entry.payload).hexdigest()
    blobs = blobs_of(record.settings)
    assert blobs is not None
    blobs.put(digest, entry.payload)
    body = entry.body.replace(f'"call":"{of}"'.encode(), f'"call":"{call_id}"'.encode())
    return digest, replace(entry, call_id=call_id, body=body, payload=None)


def _write(record: ErasedRecord, call_id: str, days: float) -> str:
    digest, intent = _large(record, call_id, days)
    record.write(intent, an_outcome(call_id, intent.at))
    return digest


def _has(record: ErasedRecord, digest: str) -> bool:
    blobs = blobs_of(record.settings)
    assert blobs is not None
    return blobs.has(digest)


@pytest.mark.parametrize("rule", [PAYLOADS, CALLS])
def test_a_payload_that_two_entries_have_goes_with_the_second(
    record: ErasedRecord, rule: dict[str, str]
) -> None:
    digest = _write(record, "c1", 50)
    _write(record, "c2", 20)
    record.retain(rule)
    assert _has(record, digest)
    record.clock.advance(15 * DAY)
    record.retain(rule)
    assert not _has(record, digest)
    assert record.failures() == []


def test_a_payload_that_a_held_entry_has_stays(record: ErasedRecord) -> None:
    digest = _write(record, "c1", 50)
    _write(record, "c2", 50)
    record.desk.place(Selector(call="c2"), "a case", "bob")
    record.retain(CALLS)
    assert _has(record, digest)
    assert record.records().entries("c2")[0]["arguments"]


def test_what_is_held_while_others_go_stays(
    record: ErasedRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    digests = {}
    for call_id in ("c1", "c2"):
        digest, intent = _large(record, call_id, 50, of=f"of {call_id}")
        digests[digest] = call_id
        record.write(intent, an_outcome(call_id, intent.at))
    first, second = sorted(digests)
    delete = FileBlobs.delete

    def hold_and_delete(blobs: FileBlobs, digest: str) -> None:
        record.desk.place(Selector(call=digests[second]), "a case", "operator")
        delete(blobs, digest)

    monkeypatch.setattr(FileBlobs, "delete", hold_and_delete)
    record.desk.erase(Selector(), "payloads", "asked", "operator")
    assert (_has(record, first), _has(record, second)) == (False, True)
    assert record.failures() == []


def test_what_a_writer_refers_to_meanwhile_is_put_back(
    record: ErasedRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = _write(record, "c1", 50)
    _, intent = _large(record, "c2", 0)  # it was there when the writer looked
    eraser = record.eraser()
    looked: list[bool] = []

    def pause(seconds: float) -> None:
        if seconds == GRACE:
            looked.append(_has(record, digest))
            record.write(intent)

    monkeypatch.setattr(eraser, "_pause", pause)
    with eraser.at_work():
        eraser.erase(Selector(call="c1"), "payloads", {})
    assert looked == [True]
    assert _has(record, digest)
    assert record.records().entries("c2")[0]["arguments"]
    assert record.failures() == []


@pytest.mark.parametrize("is_referred_to", [True, False])
def test_killed_while_it_waits_for_writers_nothing_is_lost_and_nothing_stays(
    record: ErasedRecord, monkeypatch: pytest.MonkeyPatch, is_referred_to: bool
) -> None:
    digest = _write(record, "c1", 50)
    _, intent = _large(record, "c2", 0)
    eraser = record.eraser()

    def pause(seconds: float) -> None:
        if seconds == GRACE:
            if is_referred_to:
                record.write(intent)
            raise KeyboardInterrupt

    monkeypatch.setattr(eraser, "_pause", pause)
    with pytest.raises(KeyboardInterrupt), eraser.at_work():
        eraser.erase(Selector(call="c1"), "payloads", {})
    if is_referred_to:
        assert record.records().entries("c2")[0]["arguments"]
        assert record.failures() == []
    record.retain()
    assert _has(record, digest) == is_referred_to
    if is_referred_to:
        assert record.records().entries("c2")[0]["arguments"]
    assert record.failures() == []


def test_killed_before_the_payload_goes_the_next_one_sees_to_it(
    record: ErasedRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = _write(record, "c1", 50)
    eraser = record.eraser()

    def die() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(eraser, "_see_to_the_rest", die)
    with pytest.raises(KeyboardInterrupt), eraser.at_work():
        eraser.erase(Selector(call="c1"), "calls", {})
    assert _has(record, digest)
    assert record.failures() == []
    record.retain()
    assert not _has(record, digest)


@pytest.mark.parametrize("what", ["payloads", "calls"])
def test_killed_while_some_was_held_nothing_stays_once_that_is_released(
    record: ErasedRecord, what: Kept
) -> None:
    digests = []
    for call_id in ("c1", "c2"):
        digest, intent = _large(record, call_id, 50, of=f"of {call_id}")
        digests.append(digest)
        record.write(intent, an_outcome(call_id, intent.at))
    holds: list[Hold] = []
    record.after_append.append(
        lambda: holds.append(record.desk.place(Selector(call="c2"), "a case", "operator"))
    )
    record.dies_in = 2  # after the announcement and the hold, before c2 is taken back
    eraser = record.eraser()
    with pytest.raises(Dead), eraser.at_work():
        eraser.erase(Selector(), what, {})
    record.dies_in = -1
    assert [_has(record, digest) for digest in digests] == [True, True]
    record.desk.release(holds[0].id, "over", "operator")
    record.retain()
    assert [_has(record, digest) for digest in digests] == [False, False]
    assert record.failures() == []


def test_a_payload_stays_where_the_event_that_let_it_go_cannot_be_read_any_more(
    record: ErasedRecord,
) -> None:
    digest = _write(record, "c1", 50)
    record.retain(PAYLOADS)
    assert not _has(record, digest)
    edit = update(records).where(records.c.code == "erased").values(body="{")
    with (
        database_of(record.settings).open_to_write(may_create=False) as connection,
        connection.begin(),
    ):
        connection.execute(edit)
    _write(record, "c2", 50)  # the same payload: nothing says any more that c1 does not need it
    record.call("c3", 50, large=True)
    other = said_in(record.columns("c3")[0].body).payload
    assert other is not None and _has(record, other.sha256)
    record.retain(PAYLOADS)
    assert _has(record, digest)
    assert not _has(record, other.sha256)
