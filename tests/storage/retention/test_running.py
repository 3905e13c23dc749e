"""Retention runs beside the calls, survives whatever happens, and says so once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path

import pytest

from callgate.audit.erasure import erased
from callgate.audit.record import Entry
from callgate.ports import StoreError
from callgate.storage.retention import running
from callgate.storage.retention.erasing import Eraser
from callgate.storage.retention.reading import UNREFERRED
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


def a_retention(settings: StoreSettings, store: RecordStore) -> Retention:
    made = Retention(settings, FakeClock(), store.append, lambda: ())
    made.first_seconds = 0
    return made


@pytest.mark.anyio
async def test_what_is_due_goes_while_the_gateway_runs(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    settings = StoreSettings(path=tmp_path / "r.db", checkpoint_seconds=0.01)
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

    retention = Retention(settings, clock, append, lambda: RULES)
    retention.first_seconds = 0
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
    retention = a_retention(settings, RecordStore(settings, FakeClock()))
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
    fault = await a_retention(settings, store)._turn()
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


@pytest.mark.anyio
async def test_rules_that_come_into_force_meanwhile_count_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "WATCH_SECONDS", 0.001)
    settings = StoreSettings(path=tmp_path / "r.db")
    clock = FakeClock(NOW)
    store = RecordStore(settings, clock)
    await store.open()
    rules: list[tuple[RetentionRule, ...]] = [()]
    turns: list[tuple[RetentionRule, ...]] = []
    is_over = asyncio.Event()
    retention = Retention(settings, clock, store.append, lambda: rules[0])
    retention.first_seconds = 0

    async def turn() -> str | None:
        turns.append(rules[0])
        if rules[0] == RULES:
            is_over.set()
        rules[0] = RULES
        return None

    monkeypatch.setattr(retention, "_turn", turn)
    work = asyncio.ensure_future(retention.run())
    await is_over.wait()
    work.cancel()
    await asyncio.wait([work])
    await store.close()
    assert turns == [(), RULES]


@pytest.mark.anyio
async def test_rules_that_change_while_they_are_carried_out_are_not_carried_out_further(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "WATCH_SECONDS", 0.001)
    settings = StoreSettings(path=tmp_path / "r.db")
    rules: list[tuple[RetentionRule, ...]] = [RULES]
    retention = Retention(settings, FakeClock(), a_store(settings).append, lambda: rules[0])

    def work(eraser: Eraser, given: Sequence[RetentionRule]) -> str | None:
        assert given == RULES
        rules[0] = ()
        assert eraser._stop.wait(120)
        return None

    monkeypatch.setattr(retention, "_work", work)
    assert await retention._turn() is None


@pytest.mark.anyio
async def test_a_description_that_another_gateway_erased_is_recorded_once_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "WATCH_SECONDS", 0.001)
    settings = StoreSettings(path=tmp_path / "r.db")
    store = a_store(settings)
    await store.open()
    forgotten: list[bool] = []
    is_over = asyncio.Event()

    def forget() -> None:
        forgotten.append(True)
        is_over.set()

    retention = Retention(settings, FakeClock(NOW), store.append, lambda: (), forget)
    assert not await retention._look()
    await store.append(erased([(1, 1, 1)], "body", NOW, {"why": UNREFERRED}))
    assert await retention._look()
    await store.append(erased([(1, 2, 2)], "body", NOW, {"why": "retention"}))
    assert not await retention._look()
    work = asyncio.ensure_future(retention._rest(60.0, ()))
    await store.append(erased([(1, 3, 3)], "body", NOW, {"why": UNREFERRED}))
    await is_over.wait()
    work.cancel()
    await asyncio.wait([work])
    await store.close()
    assert forgotten == [True]


def a_store(settings: StoreSettings) -> RecordStore:
    return RecordStore(settings, FakeClock(NOW))
