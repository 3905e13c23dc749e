from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from callgate.audit.record import Entry, Telling
from callgate.ports import StoreError
from callgate.storage import committing
from callgate.storage.appending import GROUP, Appender
from callgate.storage.committing import Committer, Waiter
from callgate.storage.databases import database_of
from callgate.storage.settings import StoreSettings
from fakes.clock import FakeClock
from fakes.logs import ids_in
from fakes.store import an_intent, an_outcome, an_untold_intent, until


class ScriptedAppender(Appender):
    """Writes to a list. A test decides when it may, and what goes wrong."""

    def __init__(self) -> None:
        self.groups: list[list[Entry]] = []
        self.faults: list[Exception] = []
        self.may_write = threading.Event()
        self.may_write.set()
        self.is_writing = threading.Event()
        self.is_due = False
        self.tended = 0

    def open(self) -> int:
        return 0

    def reopen(self) -> None:
        if self.faults:
            raise self.faults[0]

    def write(self, entries: Sequence[Entry]) -> None:
        self.is_writing.set()
        assert self.may_write.wait(120)
        if self.faults:
            raise self.faults[0]
        self.groups.append(list(entries))

    def due_seconds(self) -> float | None:
        return 0 if self.is_due else None

    def tend(self) -> None:
        if self.is_due:
            self.is_due = False
            self.tended += 1
            if self.faults:
                raise self.faults[0]

    def unstorable(self, entry: Entry) -> str | None:
        return None

    def close(self) -> None:
        pass


def resolve(waiters: Sequence[Waiter], reason: Exception | str | None) -> None:
    for waiter in waiters:
        if reason is None:
            waiter.set_result(None)
        else:
            waiter.set_exception(StoreError(reason) if isinstance(reason, str) else reason)


def put(committer: Committer, entry: Telling) -> Waiter:
    waiter: Waiter = asyncio.get_running_loop().create_future()
    committer.put(entry, waiter)
    return waiter


@pytest.fixture(autouse=True)
def _quick_retry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(committing, "RETRY_SECONDS", 0.005)


def test_whatever_queues_up_during_a_commit_goes_into_the_next_one() -> None:
    async def scenario() -> None:
        appender = ScriptedAppender()
        committer = Committer(appender, resolve)
        await committer.start()
        appender.may_write.clear()
        waiters = [put(committer, an_intent("c0"))]
        await until(appender.is_writing.is_set)
        waiters += [put(committer, an_intent(f"c{number}")) for number in range(1, 200)]
        assert committer.backlog == 200
        appender.may_write.set()
        await asyncio.gather(*waiters)
        assert [len(group) for group in appender.groups] == [1, GROUP, 199 - GROUP]
        await committer.stop()

    asyncio.run(scenario())


def test_what_is_told_late_is_told_where_it_is_written() -> None:
    async def scenario() -> None:
        appender = ScriptedAppender()
        committer = Committer(appender, resolve)
        await committer.start()
        await put(committer, an_untold_intent("c1"))
        assert appender.groups == [[an_intent("c1")]]
        await committer.stop()

    asyncio.run(scenario())


def test_what_cannot_be_told_is_refused_and_keeps_nothing_else_from_the_record(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario() -> None:
        appender = ScriptedAppender()
        committer = Committer(appender, resolve)
        await committer.start()
        appender.may_write.clear()
        first = put(committer, an_intent("c0"))
        await until(appender.is_writing.is_set)
        bad = put(committer, an_untold_intent("c1", changes=1))  # no such thing can be recorded
        committer.put(an_untold_intent("c2", changes=1), None)
        good = put(committer, an_untold_intent("c3"))
        appender.may_write.set()
        await asyncio.gather(first, good)
        with pytest.raises(TypeError):
            await bad
        assert [[entry.call_id for entry in group] for group in appender.groups] == [["c0"], ["c3"]]
        assert committer.fault is None
        await committer.stop()

    asyncio.run(scenario())
    told = [one.message for one in caplog.records]
    assert told == [f"the intent of call {call} could not be told" for call in ("c1", "c2")]


def test_outcomes_gather_until_an_intent_takes_them_along(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(committing, "COMPANY_SECONDS", 20.0)  # none is written without company

    async def scenario() -> None:
        appender = ScriptedAppender()
        committer = Committer(appender, resolve)
        await committer.start()
        for number in range(5):
            committer.put(an_outcome(f"c{number}"), None)
        await put(committer, an_intent("c5"))
        assert [entry.call_id for entry in appender.groups[0]] == [f"c{n}" for n in range(6)]
        await committer.stop()

    asyncio.run(scenario())


def test_outcomes_that_no_intent_follows_are_written_all_the_same() -> None:
    async def scenario() -> None:
        appender = ScriptedAppender()
        committer = Committer(appender, resolve)
        await committer.start()
        committer.put(an_outcome("c0"), None)
        committer.put(an_outcome("c1"), None)
        await until(lambda: [e.call_id for group in appender.groups for e in group] == ["c0", "c1"])
        await committer.stop()

    asyncio.run(scenario())


def test_stopping_does_not_wait_for_company(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(committing, "COMPANY_SECONDS", 600.0)

    async def scenario() -> None:
        appender = ScriptedAppender()
        committer = Committer(appender, resolve)
        await committer.start()
        committer.put(an_outcome("c0"), None)
        async with asyncio.timeout(30):
            await committer.stop()
        assert [e.call_id for group in appender.groups for e in group] == ["c0"]

    asyncio.run(scenario())


def test_entries_without_a_waiter_are_tried_again_in_order_until_they_are_written(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario() -> None:
        appender = ScriptedAppender()
        committer = Committer(appender, resolve)
        await committer.start()
        appender.faults.append(StoreError("disk full"))
        committer.put(an_outcome("c0"), None)
        await until(lambda: committer.fault == "disk full")
        committer.put(an_outcome("c1"), None)
        await until(lambda: committer.backlog == 2)
        appender.faults.clear()
        await until(lambda: committer.fault is None)
        assert committer.backlog == 0
        assert [e.call_id for group in appender.groups for e in group] == ["c0", "c1"]
        await committer.stop()

    asyncio.run(scenario())
    assert caplog.text.count("cannot be written") == 1


def test_signing_that_fails_makes_the_record_unhealthy_until_it_can_be_written_again() -> None:
    async def scenario() -> None:
        appender = ScriptedAppender()
        committer = Committer(appender, resolve)
        await committer.start()
        appender.faults.append(StoreError("disk full"))
        appender.is_due = True
        with pytest.raises(StoreError, match="disk full"):
            await put(committer, an_intent("c0"))
        appender.is_due = True
        appender.faults.clear()
        await until(lambda: appender.tended == 1 and committer.fault is None)
        await committer.stop()

    asyncio.run(scenario())


def test_thread_outlives_faults_that_nobody_expected() -> None:
    async def scenario() -> None:
        appender = ScriptedAppender()
        committer = Committer(appender, resolve)
        await committer.start()
        appender.faults.append(ZeroDivisionError("what"))
        with pytest.raises(StoreError, match="ZeroDivisionError: what"):
            await put(committer, an_intent())
        appender.faults.clear()
        await until(lambda: committer.fault is None)
        await put(committer, an_intent("c1"))
        await committer.stop()

    asyncio.run(scenario())


def test_bad_entry_fails_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        path = tmp_path / "r.db"
        settings = StoreSettings(path=path)
        committer = Committer(Appender(settings, database_of(settings), FakeClock()), resolve)
        await committer.start()
        good = put(committer, an_intent("good"))
        bad = put(committer, replace(an_intent("bad"), principal="\ud800"))
        committer.put(replace(an_outcome("forgotten"), tool="\ud800"), None)
        committer.put(an_outcome("kept"), None)
        also_good = put(committer, an_intent("also good"))
        await good
        await also_good
        with pytest.raises(StoreError, match="surrogates"):
            await bad
        assert committer.fault is None
        await committer.stop()
        assert ids_in(path) == ["good", "kept", "also good"]

    asyncio.run(scenario())
    assert "'forgotten' can never be stored" in caplog.text


def test_stopping_while_writing_fails_says_how_many_entries_are_lost() -> None:
    async def scenario() -> None:
        appender = ScriptedAppender()
        committer = Committer(appender, resolve)
        await committer.start()
        appender.faults.append(StoreError("disk full"))
        for number in range(3):
            committer.put(an_outcome(f"c{number}"), None)
        with pytest.raises(StoreError, match="3 entries could not be written: disk full"):
            await committer.stop()

    asyncio.run(scenario())


def test_store_that_cannot_be_opened_says_why(tmp_path: Path) -> None:
    async def scenario() -> None:
        settings = StoreSettings(path=tmp_path / "nowhere" / "r.db")
        committer = Committer(Appender(settings, database_of(settings), FakeClock()), resolve)
        with pytest.raises(StoreError, match="cannot be created"):
            await committer.start()
        assert committer.fault == "the record is not open"

    asyncio.run(scenario())
