"""The process that keeps the index up to date, and what it does by itself."""

from __future__ import annotations

import asyncio
import multiprocessing
from pathlib import Path

import pytest

from callgate.ports import CallFilter
from callgate.storage.index.bits import BLOCK
from callgate.storage.reading import Records, keeping
from callgate.storage.reading.keeping import IndexKeeper, keep, work
from callgate.storage.settings import StoreSettings
from fakes.store import an_outcome, until
from fakes.writing import write


@pytest.fixture
def settings(tmp_path: Path) -> StoreSettings:
    settings = StoreSettings(path=tmp_path / "r.db")
    write(settings, *(an_outcome(f"c{n}") for n in range(4 * BLOCK + 5)))
    return settings


def test_work_catches_up_and_ends_when_nothing_came_for_a_while(settings: StoreSettings) -> None:
    pauses = 0

    def is_alone(seconds: float) -> bool:
        nonlocal pauses
        pauses += seconds > 0
        return False

    records = Records(settings)
    work(records, is_alone)
    assert records.behind() == 0
    assert pauses == keeping.IDLE_SECONDS / keeping.PAUSE_SECONDS


def test_work_ends_with_whom_it_is_done_for(settings: StoreSettings) -> None:
    records = Records(settings)
    work(records, lambda _: True)
    assert records.behind() == 0  # what was begun is done, at most AT_ONCE
    assert records.catch_up(1) == 0


def test_what_went_wrong_is_the_last_word(tmp_path: Path) -> None:
    ours, theirs = multiprocessing.Pipe()
    keep(StoreSettings(path=tmp_path / "none.db"), theirs)
    assert "there is no record" in ours.recv()


def test_keeper_has_it_done_beside_the_gateway_until_it_is_cancelled(
    settings: StoreSettings,
) -> None:
    records = Records(settings)

    async def live() -> None:
        task = asyncio.ensure_future(IndexKeeper(settings).run())
        async with asyncio.timeout(120):  # the process takes only what nobody else wants
            while records.behind():  # noqa: ASYNC110 - another process knows no asyncio
                await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    assert records.behind() == 4 * BLOCK
    asyncio.run(live())
    assert records.calls(CallFilter(principal="nobody")).behind == 5


def test_fault_is_said_once_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(keeping, "AFTER_FAULT_SECONDS", 0.001)
    monkeypatch.setattr(keeping, "LOOK_EVERY_SECONDS", 0.001)
    settings = StoreSettings(path=tmp_path / "r.db")
    caplog.set_level("INFO")

    async def live() -> None:
        task = asyncio.ensure_future(IndexKeeper(settings).run())
        await until(lambda: "falls behind" in caplog.text)
        write(settings, an_outcome("c1"))
        await until(lambda: "up to date again" in caplog.text)
        task.cancel()

    asyncio.run(live())
    assert caplog.text.count("falls behind") == 1
