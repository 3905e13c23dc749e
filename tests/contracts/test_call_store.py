"""What every CallStore promises, asked of the fake and of the real ones."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Protocol

import pytest

from callgate.audit.keys import SigningKey
from callgate.audit.record import Entry
from callgate.ports import CallStore, StoreError
from callgate.storage import committing
from callgate.storage.settings import StoreSettings
from callgate.storage.store import RecordStore
from fakes.clock import FakeClock
from fakes.kept import kept
from fakes.postgres import a_database, ask, in_database
from fakes.store import FakeCallStore, an_intent, an_outcome, an_untold_intent, until


class OpenStore(CallStore, Protocol):
    async def open(self) -> None: ...

    async def close(self) -> None: ...


class Bench(Protocol):
    """A store, what it keeps, and how to break it."""

    @property
    def store(self) -> OpenStore: ...

    def kept(self) -> list[Entry]: ...

    def fail(self) -> None: ...

    def mend(self) -> None: ...


class FakeBench:
    def __init__(self) -> None:
        self.store = FakeCallStore()
        self.fail = self.store.fail
        self.mend = self.store.mend

    def kept(self) -> list[Entry]:
        return self.store.entries


class SqliteBench:
    """Broken by taking its file away: what is written now would be written into nothing."""

    def __init__(self, directory: Path) -> None:
        self._settings = StoreSettings(path=directory / "callgate.db")
        self._away = directory / "away.db"
        self.store = RecordStore(self._settings, FakeClock())

    def kept(self) -> list[Entry]:
        return kept(self._settings)

    def fail(self) -> None:
        self._settings.path.rename(self._away)

    def mend(self) -> None:
        self._away.rename(self._settings.path)


class PostgresBench:
    """Broken by throwing everybody out, with the door locked."""

    def __init__(self, url: str) -> None:
        key = SigningKey.generated("callgate.example").text
        self._settings = StoreSettings(url=url, signing_key=key)
        self._name = url.rpartition("/")[2]
        self._server = in_database(url, "postgres")
        self.store = RecordStore(self._settings, FakeClock())

    def kept(self) -> list[Entry]:
        return kept(self._settings)

    def fail(self) -> None:
        ask(self._server, f"ALTER DATABASE {self._name} ALLOW_CONNECTIONS false")
        query = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = %s"
        ask(self._server, query, self._name)

    def mend(self) -> None:
        ask(self._server, f"ALTER DATABASE {self._name} ALLOW_CONNECTIONS true")


Scenario = Callable[[Bench], Coroutine[None, None, None]]
Run = Callable[[Scenario], None]


@pytest.fixture(params=["fake", "sqlite", "postgres"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    if request.param == "fake":
        yield FakeBench()
    elif request.param == "sqlite":
        yield SqliteBench(tmp_path)
    else:
        with a_database() as url:
            yield PostgresBench(url)


@pytest.fixture
def run(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setattr(committing, "RETRY_SECONDS", 0.01)

    async def with_store(scenario: Scenario) -> None:
        await bench.store.open()
        try:
            await scenario(bench)
        finally:
            await bench.store.close()

    return lambda scenario: asyncio.run(with_store(scenario))


def test_appended_entry_is_kept_byte_for_byte_with_its_index(run: Run) -> None:
    async def scenario(bench: Bench) -> None:
        entries = [an_intent("c1"), an_outcome("c1"), an_outcome("c2", code="not_permitted")]
        for entry in entries:
            await bench.store.append(entry)
            assert bench.kept()[-1] == entry
        assert bench.kept() == entries

    run(scenario)


def test_what_is_told_late_is_kept_like_what_was_told_before(run: Run) -> None:
    async def scenario(bench: Bench) -> None:
        await bench.store.append(an_untold_intent("c1"))
        with pytest.raises(TypeError):
            await bench.store.append(an_untold_intent("c2", changes=1))  # it cannot be told
        bench.store.append_soon(an_untold_intent("c3"))
        await bench.store.append(an_intent("c4"))
        assert bench.kept() == [an_intent("c1"), an_intent("c3"), an_intent("c4")]

    run(scenario)


def test_entries_are_kept_in_the_order_they_were_handed_over(run: Run) -> None:
    async def scenario(bench: Bench) -> None:
        expected = []
        for number in range(300):
            intent, outcome = an_intent(f"c{number}"), an_outcome(f"c{number}")
            await bench.store.append(intent)
            bench.store.append_soon(outcome)
            expected += [intent, outcome]
        await bench.store.close()
        assert bench.kept() == expected

    run(scenario)


def test_entries_of_many_callers_at_once_are_all_kept_once(run: Run) -> None:
    async def scenario(bench: Bench) -> None:
        async with asyncio.TaskGroup() as callers:
            for number in range(500):
                callers.create_task(bench.store.append(an_intent(f"c{number}")))
        assert sorted(entry.call_id for entry in bench.kept()) == sorted(
            f"c{number}" for number in range(500)
        )

    run(scenario)


def test_queued_entries_are_written_before_the_store_closes(run: Run) -> None:
    async def scenario(bench: Bench) -> None:
        for number in range(1000):
            bench.store.append_soon(an_outcome(f"c{number}"))
        await bench.store.close()
        assert len(bench.kept()) == 1000

    run(scenario)


def test_closed_store_takes_nothing(run: Run) -> None:
    async def scenario(bench: Bench) -> None:
        await bench.store.close()
        with pytest.raises(StoreError):
            await bench.store.append(an_intent())
        with pytest.raises(StoreError):
            bench.store.append_soon(an_outcome())

    run(scenario)


def test_store_that_cannot_write_refuses_and_keeps_outcomes_until_it_can(run: Run) -> None:
    async def scenario(bench: Bench) -> None:
        await bench.store.append(an_intent("c1"))
        bench.fail()
        with pytest.raises(StoreError):
            await bench.store.append(an_intent("c2"))
        assert not bench.store.is_healthy
        bench.store.append_soon(an_outcome("c1"))
        bench.store.append_soon(an_outcome("c2", code="record_unavailable"))
        bench.mend()
        await until(lambda: bench.store.is_healthy)
        await bench.store.append(an_intent("c3"))
        kept = [(entry.kind, entry.call_id) for entry in bench.kept()]
        assert kept == [("intent", "c1"), ("outcome", "c1"), ("outcome", "c2"), ("intent", "c3")]

    run(scenario)
