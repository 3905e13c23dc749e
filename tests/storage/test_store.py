from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from callgate.model import Ran
from callgate.ports import StoreError
from callgate.storage import committing, store
from callgate.storage.settings import StoreSettings
from callgate.storage.store import RecordStore
from fakes.clock import FakeClock
from fakes.logs import ids_in, kept_logs, sizes
from fakes.store import an_intent, an_outcome, until


@pytest.fixture(autouse=True)
def _quick_retry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(committing, "RETRY_SECONDS", 0.005)


def a_store(path: Path, **more: object) -> RecordStore:
    settings = {"path": path, "busy_timeout_seconds": 0.05, **more}
    return RecordStore(StoreSettings.model_validate(settings), FakeClock())


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
    assert ids_in(tmp_path / "r.db") == ["c1", "c3"]


def test_full_queue_refuses_new_calls_but_keeps_room_for_what_has_happened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "MAX_BACKLOG", 10)

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
    assert ids_in(tmp_path / "r.db") == [f"c{number}" for number in range(20)]


def test_disk_that_does_not_answer_refuses_and_counts_as_failed_until_it_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "STALL_SECONDS", 0.02)

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
    assert ids_in(tmp_path / "r.db") == ["c1", "c2"]


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


def test_two_stores_on_one_file_write_a_log_each(tmp_path: Path) -> None:
    async def scenario() -> None:
        stores = [a_store(tmp_path / "r.db", busy_timeout_seconds=5) for _ in range(2)]
        for each in stores:
            await each.open()
        async with asyncio.TaskGroup() as callers:
            for number in range(200):
                callers.create_task(stores[number % 2].append(an_intent(f"c{number}")))
        for each in stores:
            await each.close()

    asyncio.run(scenario())
    logs = kept_logs(StoreSettings(path=tmp_path / "r.db"))
    assert [logs[1], logs[2]] == [[f"c{n}" for n in range(start, 200, 2)] for start in (0, 1)]


def test_what_was_written_is_signed_soon_although_nothing_follows(tmp_path: Path) -> None:
    async def scenario() -> None:
        clock = FakeClock()
        settings = StoreSettings(path=tmp_path / "r.db", checkpoint_seconds=0.01)
        store = RecordStore(settings, clock)
        await store.open()
        store.append_soon(an_outcome("c1"))
        await until(lambda: "c1" in ids_in(tmp_path / "r.db"))
        clock.advance(1)
        await until(lambda: (0, 1) in sizes(tmp_path / "r.db"))
        await store.close()

    asyncio.run(scenario())
    assert sizes(tmp_path / "r.db") == [(0, 1), (1, 1)]


def test_log_that_does_not_hold_is_said_and_another_one_begun(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        for call_id in ("c1", "c2"):
            store = a_store(tmp_path / "r.db")
            await store.open()
            store.append_soon(an_outcome(call_id))
            await store.close()
            with closing(sqlite3.connect(tmp_path / "r.db")) as connection, connection:
                connection.execute(
                    "UPDATE records SET hash = zeroblob(32) WHERE position >> 40 = 1"
                )
        assert store.damage == ("log 1: its records are not those that were signed",)

    asyncio.run(scenario())
    assert "log 1: its records are not those that were signed" in caplog.text
    with closing(sqlite3.connect(tmp_path / "r.db")) as connection:
        places = list(connection.execute("SELECT position >> 40, call_id FROM records"))
    assert {(1, "c1"), (2, "c2")} <= set(places)
