"""An outcome waits for the record while another process erases the payload that it shares."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from callgate.audit.record import Entry, Telling
from callgate.audit.selecting import Selector
from callgate.model import Json
from callgate.storage.blobs import placing
from callgate.storage.blobs.blob_store import digest_of
from callgate.storage.blobs.opening import blobs_of
from callgate.storage.blobs.placing import PlacingStore
from callgate.storage.databases import database_of
from callgate.storage.settings import StoreSettings
from callgate.storage.store import RecordStore
from fakes.clock import FakeClock
from fakes.erasing import NOW, ErasedRecord, an_erased_record
from fakes.small_entries import an_outcome
from fakes.store import until


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_payload_that_is_erased_before_the_record_takes_an_entry_up_is_put_again(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(placing, "RETRY_SECONDS", 0.005)
    with an_erased_record(kind, tmp_path) as record:
        asyncio.run(_play(record, monkeypatch))

        (entry,) = record.records().entries("c2")
        assert entry.get("content") == "of c2"
        assert record.failures() == []


async def _play(record: ErasedRecord, monkeypatch: pytest.MonkeyPatch) -> None:
    """The record is locked before anybody notices, and free again when the payload is gone."""
    settings = record.settings.model_copy(update={"busy_timeout_seconds": 0.1})
    blobs, outcome = blobs_of(settings), a_refusal()
    assert blobs is not None
    digest = digest_of(outcome.payload or b"")
    blobs.put(digest, outcome.payload or b"")
    body = outcome.body.replace(b'"call":"c2"', b'"call":"c1"')
    record.write(replace(outcome, call_id="c1", body=body, payload=None))
    eraser, mine = record.eraser(), Watched(settings, FakeClock(NOW))
    store = PlacingStore(mine, blobs, inline_bytes=0, timeout_seconds=5.0)
    await store.open()
    lock = Lock(settings)
    drop = eraser._drop

    def when_payloads_are_seen_to(names: Mapping[str, Json]) -> None:
        assert not blobs.has(digest)
        while mine.fault is None:
            mine.noticed.wait(0.001)
        lock.end()
        drop(names)

    monkeypatch.setattr(eraser, "_pause", lambda _: None)
    monkeypatch.setattr(eraser, "_drop", when_payloads_are_seen_to)
    with eraser.at_work():
        eraser.erase(Selector(call="c1"), "payloads", {})
        lock.begin()
        store.append_soon(outcome)
        await until(lambda: mine.handed == [None])  # nobody has noticed
    await until(lambda: mine.fault is None)
    await until(lambda: blobs.has(digest))
    await store.close()


def a_refusal() -> Entry:
    return an_outcome("c2", NOW, ran="no", code="not_permitted")


class Lock:
    """Nobody else adds to the record meanwhile."""

    def __init__(self, settings: StoreSettings) -> None:
        self._database = database_of(settings)
        self._connection = self._database.open_to_write(may_create=False)
        self._held = ExitStack()

    def begin(self) -> None:
        self._held.callback(self._connection.close)
        self._held.enter_context(self._database.alone(self._connection))
        if self._connection.dialect.name == "postgresql":  # where others could go on
            self._connection.exec_driver_sql("LOCK TABLE records IN SHARE ROW EXCLUSIVE MODE")

    def end(self) -> None:
        self._held.close()


class Watched(RecordStore):
    """Tells what it was handed."""

    def __init__(self, *settings: Any) -> None:
        super().__init__(*settings)
        self.noticed = threading.Event()
        self.handed: list[str | None] = []  # at each entry, whether there was a fault

    def append_soon(self, entry: Telling) -> None:
        super().append_soon(entry)
        self.handed.append(self.fault)
