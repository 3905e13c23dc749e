"""Retention runs beside the calls, survives whatever happens, and says so once."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from callgate.audit.record import Entry
from callgate.ports import StoreError
from callgate.storage.retention import running
from callgate.storage.retention.running import Retention, appending
from callgate.storage.retention.settings import RetentionRule
from callgate.storage.settings import StoreSettings
from callgate.storage.store import RecordStore
from fakes.clock import FakeClock
from fakes.erasing import NOW
from fakes.small_entries import an_event, an_intent, an_outcome

DAY = 86_400.0
RULES = (RetentionRule.model_validate({"class": "payloads", "keep": "1d"}),)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.anyio
async def test_what_is_due_goes_while_the_gateway_runs(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    settings = StoreSettings(path=tmp_path / "r.db", retention=RULES, checkpoint_seconds=0.01)
    clock = FakeClock(NOW)
    store = RecordStore(settings, clock)
    await store.open()
    await store.append(an_intent("c1", NOW - 2 * DAY))
    await store.append(an_outcome("c1", NOW - 2 * DAY))
    is_said = asyncio.Event()

    async def append(entry: Entry) -> None:
        clock.advance(1)
        await store.append(entry)
        clock.advance(1)
        is_said.set()

    retention = Retention(settings, clock, append, first_seconds=0)
    work = asyncio.ensure_future(retention.run())
    await is_said.wait()
    while "2 entries were erased" not in caplog.text:
        assert not work.done()
        clock.advance(1)
        await asyncio.sleep(0)
    work.cancel()
    await asyncio.wait([work])
    await store.close()
    assert "2 entries were erased: payloads are kept for 1d" in caplog.text


@pytest.mark.anyio
async def test_a_fault_is_said_once_and_it_goes_on_when_that_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(running, "AFTER_FAULT_SECONDS", 0.0)
    answers = iter(["it is down", "it is down", None])
    is_over = asyncio.Event()

    async def turn() -> str | None:
        try:
            return next(answers)
        except StopIteration:
            is_over.set()
            return None

    monkeypatch.setattr(running, "EVERY_SECONDS", 0.0)
    settings = StoreSettings(path=tmp_path / "r.db")
    retention = Retention(settings, FakeClock(), RecordStore(settings, FakeClock()).append, 0)
    monkeypatch.setattr(retention, "_turn", turn)
    work = asyncio.ensure_future(retention.run())
    await is_over.wait()
    work.cancel()
    await asyncio.wait([work])
    assert caplog.text.count("retention does not go on: it is down") == 1
    assert caplog.text.count("retention goes on") == 1


@pytest.mark.anyio
async def test_a_record_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    settings = StoreSettings(path=tmp_path / "r.db")
    store = RecordStore(settings, FakeClock())
    fault = await Retention(settings, FakeClock(), store.append, 0)._turn()
    assert fault is not None
    assert "r.db" in fault


@pytest.mark.anyio
async def test_what_cannot_be_recorded_in_time_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(running, "APPEND_SECONDS", 0.01)

    async def never(_entry: Entry) -> None:
        await asyncio.Event().wait()

    append = appending(never, asyncio.get_running_loop())
    with pytest.raises(StoreError, match="in time"):
        await asyncio.to_thread(append, an_event("erased"))
