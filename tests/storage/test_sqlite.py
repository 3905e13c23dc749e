from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from callgate.audit.chain import verify
from callgate.model import Ran
from callgate.ports import StoreError
from callgate.storage import committing, sqlite
from callgate.storage.reading import SqliteRecords
from callgate.storage.settings import StoreSettings
from callgate.storage.sqlite import SqliteCallStore
from fakes.clock import FakeClock
from fakes.store import an_intent, an_outcome, until


@pytest.fixture(autouse=True)
def _quick_retry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(committing, "RETRY_SECONDS", 0.005)


def a_store(path: Path, **more: object) -> SqliteCallStore:
    settings = {"path": path, "busy_timeout_seconds": 0.05, **more}
    return SqliteCallStore(StoreSettings.model_validate(settings), FakeClock())


def test_store_is_not_healthy_before_it_is_open(tmp_path: Path) -> None:
    async def scenario() -> None:
        store = a_store(tmp_path / "r.db")
        assert store.fault == "the record is not open"
        with pytest.raises(StoreError, match="not open"):
            await store.append(an_intent())
        await store.open()
        assert store.is_healthy
        await store.close()
        await store.close()
        assert store.fault == "the record is closed"

    asyncio.run(scenario())


def test_lock_held_beyond_the_busy_timeout_refuses_and_heals_by_itself(tmp_path: Path) -> None:
    async def scenario() -> None:
        store = a_store(tmp_path / "r.db")
        await store.open()
        with closing(sqlite3.connect(tmp_path / "r.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreError, match="locked"):
                await store.append(an_intent("c1"))
            with pytest.raises(StoreError, match="locked"):  # at once: no waiting any more
                await store.append(an_intent("c2"))
            store.append_soon(an_outcome("c1", code="record_unavailable"))
            other.execute("ROLLBACK")
        await until(lambda: store.is_healthy)
        await store.append(an_intent("c3"))
        await store.close()

    asyncio.run(scenario())
    records = list(SqliteRecords(tmp_path / "r.db").records())
    assert [record.entry.call_id for record in records] == ["c1", "c3"]
    assert verify(records).failure is None


def test_full_queue_refuses_new_calls_but_keeps_room_for_what_has_happened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "MAX_BACKLOG", 10)

    async def scenario() -> None:
        store = a_store(tmp_path / "r.db")
        await store.open()
        (tmp_path / "r.db").rename(tmp_path / "away.db")
        for number in range(10):
            store.append_soon(an_outcome(f"c{number}", code="not_permitted", ran=Ran.NO))
        with pytest.raises(StoreError, match="10 entries wait"):
            await store.append(an_intent())
        with pytest.raises(StoreError, match="10 entries wait"):
            store.append_soon(an_outcome("c10", code="not_permitted", ran=Ran.NO))
        for number in range(10, 20):
            store.append_soon(an_outcome(f"c{number}"))
        with pytest.raises(StoreError, match="20 entries wait"):
            store.append_soon(an_outcome("c20"))
        (tmp_path / "away.db").rename(tmp_path / "r.db")
        await until(lambda: store.is_healthy)
        await store.close()

    asyncio.run(scenario())
    kept = [record.entry.call_id for record in SqliteRecords(tmp_path / "r.db").records()]
    assert kept == [f"c{number}" for number in range(20)]


def test_disk_that_does_not_answer_refuses_and_counts_as_failed_until_it_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "STALL_SECONDS", 0.02)

    async def scenario() -> None:
        store = a_store(tmp_path / "r.db", busy_timeout_seconds=60)
        await store.open()
        with closing(sqlite3.connect(tmp_path / "r.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreError, match="has not answered"):
                await store.append(an_intent("c1"))
            assert not store.is_healthy
            other.execute("ROLLBACK")
        await until(lambda: store.is_healthy)
        await store.close()

    asyncio.run(scenario())


def test_caller_that_hangs_up_while_its_intent_is_written_harms_nobody(tmp_path: Path) -> None:
    async def scenario() -> None:
        store = a_store(tmp_path / "r.db")
        await store.open()
        impatient = asyncio.ensure_future(store.append(an_intent("c1")))
        await asyncio.sleep(0)
        impatient.cancel()
        await store.append(an_intent("c2"))
        with pytest.raises(asyncio.CancelledError):
            await impatient
        await store.close()

    asyncio.run(scenario())
    kept = [record.entry.call_id for record in SqliteRecords(tmp_path / "r.db").records()]
    assert kept == ["c1", "c2"]


def test_busy_loop_lends_the_writer_its_turn(tmp_path: Path) -> None:
    async def scenario() -> None:
        store = a_store(tmp_path / "r.db")
        await store.open()
        done = False

        async def never_rests() -> None:
            while not done:
                sum(range(2000))
                await asyncio.sleep(0)

        async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
            tasks.create_task(never_rests())
            for number in range(50):
                await store.append(an_intent(f"c{number}"))
            done = True
        await store.close()

    asyncio.run(scenario())


def test_two_stores_on_one_file_write_one_chain(tmp_path: Path) -> None:
    async def scenario() -> None:
        stores = [a_store(tmp_path / "r.db", busy_timeout_seconds=5) for _ in range(2)]
        for store in stores:
            await store.open()
        async with asyncio.TaskGroup() as callers:
            for number in range(200):
                callers.create_task(stores[number % 2].append(an_intent(f"c{number}")))
        for store in stores:
            await store.close()

    asyncio.run(scenario())
    found = verify(SqliteRecords(tmp_path / "r.db").records())
    assert (found.records, found.failure) == (200, None)
