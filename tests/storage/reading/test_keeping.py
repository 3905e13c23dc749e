"""The process that keeps the index up to date, and what it does by itself."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
from msgspec.structs import replace

from callgate.ports import CallFilter
from callgate.storage.index.bits import BLOCK
from callgate.storage.reading import Records, keeping
from callgate.storage.reading.keeping import Due, IndexKeeper
from callgate.storage.reading.records import Lag
from callgate.storage.settings import StoreSettings
from fakes.store import an_outcome, until
from fakes.writing import write


@pytest.fixture
def settings(tmp_path: Path) -> StoreSettings:
    settings = StoreSettings(path=tmp_path / "r.db")
    write(settings, *(an_outcome(f"c{n}") for n in range(4 * BLOCK + 5)))
    return settings


def test_process_catches_up_says_how_much_that_was_and_ends(settings: StoreSettings) -> None:
    process = keeping.start(keeping.catching_up(settings))
    assert keeping.last_word(process) == f"done {4 * BLOCK}"
    assert process.returncode == 0
    assert Records(settings).behind() == 0


def test_process_ends_with_whom_it_is_done_for(settings: StoreSettings) -> None:
    process = keeping.start(time.sleep)  # type: ignore[arg-type]  # for as many seconds
    said, _ = process.communicate(timeout=300)  # closes what it reads from
    assert said == b""
    assert process.returncode == 1


def test_what_went_wrong_is_the_last_word(tmp_path: Path) -> None:
    process = keeping.start(keeping.catching_up(StoreSettings(path=tmp_path / "none.db")))
    assert "none.db cannot be read" in keeping.last_word(process)


def test_record_of_another_kind_is_caught_up_with_by_the_same_process(
    settings: StoreSettings,
) -> None:
    process = keeping.start(partial(keeping.catch_up, settings))
    assert keeping.last_word(process) == f"done {4 * BLOCK}"


def test_process_for_a_file_imports_no_more_than_it_needs() -> None:
    asked = "import sys, callgate.storage.index.process, callgate.storage.index.file; "
    asked += "print(*sys.modules)"
    told = subprocess.run([sys.executable, "-c", asked], capture_output=True, check=True)
    heavy = {"cedarpy", "sqlalchemy", "pydantic", "asyncio", "psycopg", "cryptography", "httptools"}
    assert heavy.isdisjoint(told.stdout.decode().split())


BUSY = Lag(records=100_000, behind=0)


@pytest.mark.parametrize(
    ("lag", "is_now"),
    [
        (replace(BUSY, behind=keeping.MOST - BLOCK), False),
        (replace(BUSY, behind=keeping.MOST), True),
        (Lag(records=50_010, behind=0), False),
        (Lag(records=50_010, behind=BLOCK), True),
        (replace(BUSY, is_to_be_erased=True), True),
    ],
)
def test_what_is_left_waits_for_a_quieter_moment_but_not_for_ever(lag: Lag, is_now: bool) -> None:
    assert Due(records=50_000).after(lag).is_now is is_now


def test_what_cannot_be_indexed_is_not_tried_again_and_again() -> None:
    due = Due(records=50_000).after(Lag(records=50_000, behind=2 * BLOCK)).left(BLOCK)
    assert not due.after(Lag(records=50_000, behind=BLOCK)).is_now
    assert due.after(Lag(records=50_000, behind=2 * BLOCK)).is_now
    # … and what somebody else indexed meanwhile is not expected to come back.
    due = due.after(Lag(records=50_000, behind=0))
    assert due.after(Lag(records=50_000, behind=BLOCK)).is_now


def test_keeper_has_it_done_beside_the_gateway_until_it_is_cancelled(
    settings: StoreSettings,
) -> None:
    records = Records(settings)

    async def live() -> None:
        task = asyncio.ensure_future(IndexKeeper(settings).run())
        async with asyncio.timeout(300):  # the process takes only what nobody else wants
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
    assert caplog.text.count("there is no record at") == 1  # of a half made one it may tell too
