"""The record in PostgreSQL while things go wrong: what is refused, what comes back, what is kept."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from callgate.audit.keys import SigningKey
from callgate.audit.record import Entry, content_of
from callgate.ports import StoreError
from callgate.storage import committing, postgres_connection
from callgate.storage.databases import database_of
from callgate.storage.log import Log
from callgate.storage.settings import StoreSettings
from callgate.storage.store import RecordStore
from fakes.clock import FakeClock
from fakes.cut_wire import CutWire
from fakes.kept import kept, kept_at
from fakes.postgres import (
    Postgres,
    a_database,
    a_server,
    ask,
    in_database,
    port_of,
    terminate,
    through,
)
from fakes.store import an_intent, an_outcome, until

KEY = SigningKey.generated("callgate.example").text


@pytest.fixture(autouse=True)
def _quick_retry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(committing, "RETRY_SECONDS", 0.01)
    monkeypatch.setattr(postgres_connection, "GRACE_SECONDS", 0.1)


@pytest.fixture
def url() -> Iterator[str]:
    with a_database() as made:
        yield made


def settings(url: str, **more: object) -> StoreSettings:
    return StoreSettings.model_validate({"url": url, "signing_key": KEY, **more})


def a_store(url: str, **more: object) -> RecordStore:
    return RecordStore(settings(url, **more), FakeClock())


def run(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(scenario)


async def settled(store: RecordStore, *call_ids: str) -> None:
    """From the second on, nothing is under way any more: the first signature was in between."""
    for call_id in call_ids:
        await store.append(an_intent(call_id))


def ids(entries: list[Entry]) -> list[tuple[str, str]]:
    return [(entry.kind, entry.call_id) for entry in entries if entry.kind != "event"]


def held(url: str) -> list[tuple[int, int]]:
    """Each log with its size, its hashes recomputed. Raises LogError."""
    with database_of(settings(url)).open_to_read().connect() as connection:
        numbers = connection.exec_driver_sql("SELECT id FROM logs WHERE id > 0 ORDER BY id")
        return [(one, Log.restored(connection, one).size) for (one,) in numbers.all()]


def test_a_session_that_ended_while_nothing_was_written_refuses_nobody(url: str) -> None:
    async def scenario() -> None:
        store = a_store(url)
        await store.open()
        await settled(store, "c0", "c1")
        assert terminate(url) == 1
        await store.append(an_intent("c2"))
        store.append_soon(an_outcome("c1"))
        await store.close()

    run(scenario())
    assert ids(kept(settings(url)))[1:] == [("intent", "c1"), ("intent", "c2"), ("outcome", "c1")]
    assert held(url) == [(1, 4)]


def test_sessions_that_are_ended_again_and_again_lose_and_repeat_nothing(url: str) -> None:
    done: list[str] = []

    async def scenario() -> None:
        store = a_store(url)
        await store.open()

        async def agent(name: str) -> None:
            for turn in range(60):
                call_id = f"{name}-{turn}"
                try:
                    await store.append(an_intent(call_id))
                except StoreError:
                    await asyncio.sleep(0.005)
                    continue
                done.append(call_id)
                store.append_soon(an_outcome(call_id))

        async with asyncio.TaskGroup() as agents:
            for number in range(8):
                agents.create_task(agent(f"a{number}"))
            for _ in range(12):
                await asyncio.to_thread(terminate, url)
        await store.close()

    run(scenario())
    found = ids(kept(settings(url)))
    assert len(found) == len(set(found))
    assert {call_id for kind, call_id in found if kind == "outcome"} == set(done)
    assert {call_id for kind, call_id in found if kind == "intent"} >= set(done)
    assert [log for log, _ in held(url)] == [1]


def test_what_was_committed_without_our_hearing_of_it_is_not_written_twice(url: str) -> None:
    async def scenario() -> None:
        with CutWire(port_of(url)) as wire:
            store = a_store(through(url, wire.port))
            await store.open()
            await settled(store, "c1", "c2")
            wire.lose_the_next_answer()
            store.append_soon(an_outcome("c1"))
            store.append_soon(an_outcome("c2"))
            await until(lambda: len(kept(settings(url))) == 4 and store.is_healthy)
            await store.append(an_intent("c3"))
            await store.close()

    run(scenario())
    assert ids(kept(settings(url))) == [
        ("intent", "c1"),
        ("intent", "c2"),
        ("outcome", "c1"),
        ("outcome", "c2"),
        ("intent", "c3"),
    ]
    assert held(url) == [(1, 5)]


def test_an_intent_whose_commit_we_did_not_hear_of_refuses_its_call(url: str) -> None:
    async def scenario() -> None:
        with CutWire(port_of(url)) as wire:
            store = a_store(through(url, wire.port))
            await store.open()
            await settled(store, "c0", "c1")
            wire.lose_the_next_answer()
            with pytest.raises(StoreError):
                await store.append(an_intent("c2"))
            store.append_soon(an_outcome("c2", code="record_unavailable"))
            await until(lambda: store.is_healthy)
            await store.close()

    run(scenario())
    assert ids(kept(settings(url)))[1:] == [
        ("intent", "c1"),
        ("intent", "c2"),
        ("outcome", "c2"),
    ]


def test_a_log_that_somebody_took_meanwhile_is_not_written_any_more(url: str) -> None:
    async def scenario() -> None:
        with CutWire(port_of(url)) as wire:
            store, other = a_store(through(url, wire.port)), a_store(url)
            await store.open()
            await settled(store, "c0", "c1")
            wire.cut()
            terminate(url)
            await other.open()  # finds the log free, and its call left alone
            await other.append(an_intent("d1"))
            await store.append(an_intent("c2"))
            store.append_soon(an_outcome("c1"))
            store.append_soon(an_outcome("c2"))
            other.append_soon(an_outcome("d1"))
            await store.close()
            await other.close()

    run(scenario())
    places: dict[str, set[int]] = {}
    for (log, _), entry in kept_at(settings(url)):
        places.setdefault(entry.call_id, set()).add(log)
    assert places["d1"] == {1}
    assert places["c2"] == {2}
    assert [log for log, _ in held(url)] == [1, 2]


def test_a_call_that_another_gateway_took_for_dead_has_one_outcome_and_the_record_says_how_it_ended(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        store, other = a_store(url), a_store(url)
        await store.open()
        await settled(store, "c0", "c1")
        terminate(url)
        await other.open()  # finds the log free, and its calls open
        store.append_soon(an_outcome("c0"))
        store.append_soon(an_outcome("c1"))
        await store.append(an_intent("c2"))
        store.append_soon(an_outcome("c2"))
        await store.close()
        await other.close()

    run(scenario())
    assert outcomes(url) == {
        "c0": ["interrupted"],
        "c1": ["interrupted"],
        "c2": ["ok"],
    }
    told = {content["of"]: content for content in ended_after_all(url)}
    assert told.keys() == {"c0", "c1"}
    assert (told["c1"]["code"], told["c1"]["ran"], told["c1"]["delivered"]) == ("ok", "yes", True)
    assert "another gateway" in caplog.text


def test_of_several_that_were_taken_for_dead_each_call_has_one_outcome_whichever_log_was_taken(
    url: str,
) -> None:
    async def scenario() -> None:
        first, second, other = a_store(url), a_store(url), a_store(url)
        await first.open()
        await second.open()
        await settled(first, "c0", "c1")
        await settled(second, "d0", "d1")
        terminate(url)
        await other.open()  # goes on with one of their logs, and ends the calls of both
        for store, name in ((first, "c"), (second, "d")):
            store.append_soon(an_outcome(f"{name}1"))
            await store.append(an_intent(f"{name}2"))
            store.append_soon(an_outcome(f"{name}2"))
            await store.close()
        await other.close()

    run(scenario())
    assert outcomes(url) == {
        **{call: ["interrupted"] for call in ("c0", "c1", "d0", "d1")},
        **{call: ["ok"] for call in ("c2", "d2")},
    }
    assert {content["of"] for content in ended_after_all(url)} == {"c1", "d1"}


def test_an_outcome_whose_commit_we_did_not_hear_of_is_not_written_again_into_another_log(
    url: str,
) -> None:
    async def scenario() -> None:
        with CutWire(port_of(url)) as wire:
            store, other = a_store(through(url, wire.port)), a_store(url)
            await store.open()
            await settled(store, "c0", "c1")
            wire.lose_the_next_answer()
            wire.turn_away()
            store.append_soon(an_outcome("c0"))
            await until(lambda: ("outcome", "c0") in ids(kept(settings(url))))
            await until(lambda: not store.is_healthy)
            terminate(url)
            await other.open()
            wire.let_in()
            await until(lambda: store.is_healthy)
            store.append_soon(an_outcome("c1"))
            await store.close()
            await other.close()

    run(scenario())
    assert outcomes(url) == {"c0": ["ok"], "c1": ["interrupted"]}
    assert [content["of"] for content in ended_after_all(url)] == ["c1"]


def test_an_intent_whose_commit_we_did_not_hear_of_has_one_outcome_whoever_takes_the_log(
    url: str,
) -> None:
    async def scenario() -> None:
        with CutWire(port_of(url)) as wire:
            store, other = a_store(through(url, wire.port)), a_store(url)
            await store.open()
            await settled(store, "c0", "c1")
            wire.lose_the_next_answer()
            wire.turn_away()
            with pytest.raises(StoreError):
                await store.append(an_intent("c2"))
            store.append_soon(an_outcome("c2", code="record_unavailable"))
            terminate(url)
            await other.open()
            wire.let_in()
            await until(lambda: store.is_healthy)
            await store.close()
            await other.close()

    run(scenario())
    assert outcomes(url)["c2"] == ["interrupted"]
    assert [content["code"] for content in ended_after_all(url)] == ["record_unavailable"]


def outcomes(url: str) -> dict[str, list[str | None]]:
    """The codes of all outcomes of each call."""
    found: dict[str, list[str | None]] = {}
    for entry in kept(settings(url)):
        if entry.kind == "outcome":
            found.setdefault(entry.call_id, []).append(entry.code)
    return found


def ended_after_all(url: str) -> list[dict[str, Any]]:
    return [
        content_of(entry) for entry in kept(settings(url)) if entry.code == "call_ended_after_all"
    ]


def test_a_log_that_the_database_forgot_the_end_of_is_left(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        store = a_store(url)
        await store.open()
        for number in range(4):
            await store.append(an_intent(f"c{number}"))
            store.append_soon(an_outcome(f"c{number}"))
        await store.append(an_intent("c4"))
        terminate(url)
        # A standby that lagged behind has taken over, or a backup was put back.
        ask(url, "DELETE FROM records WHERE call_id IN ('c3', 'c4')")
        await store.append(an_intent("c5"))
        store.append_soon(an_outcome("c4"))
        await store.close()

    run(scenario())
    found = [(log, entry.call_id) for (log, _), entry in kept_at(settings(url))]
    assert found[-2:] == [(2, "c5"), (2, "c4")]
    assert "log 1 is not what this gateway wrote" in caplog.text


def test_a_full_disk_refuses_until_there_is_room(url: str) -> None:
    async def scenario() -> None:
        store = a_store(url)
        await store.open()
        await store.append(an_intent("c1"))
        with _full_disk(url):
            with pytest.raises(StoreError, match="its disk is full"):
                await store.append(an_intent("c2"))
            store.append_soon(an_outcome("c1"))
            assert not store.is_healthy
        await until(lambda: store.is_healthy)
        await store.append(an_intent("c3"))
        await store.close()

    run(scenario())
    assert ids(kept(settings(url))) == [("intent", "c1"), ("outcome", "c1"), ("intent", "c3")]


@contextmanager
def _full_disk(url: str) -> Iterator[None]:
    ask(
        url,
        "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$",
    )
    ask(url, "CREATE TRIGGER full_disk BEFORE INSERT ON records EXECUTE FUNCTION full_disk()")
    yield
    ask(url, "DROP FUNCTION full_disk CASCADE")


def test_a_record_that_another_holds_locked_refuses_and_heals(url: str) -> None:
    async def scenario() -> None:
        store = a_store(url, busy_timeout_seconds=0.05)
        await store.open()
        await store.append(an_intent("c1"))
        with _locked(url), pytest.raises(StoreError, match="busy_timeout_seconds"):
            await store.append(an_intent("c2"))
        await until(lambda: store.is_healthy)
        await store.append(an_intent("c3"))
        await store.close()

    run(scenario())
    assert ids(kept(settings(url))) == [("intent", "c1"), ("intent", "c3")]


@contextmanager
def _locked(url: str) -> Iterator[None]:
    with psycopg.connect(url) as connection:
        connection.execute("LOCK TABLE records")
        yield
        connection.rollback()


@pytest.mark.e2e
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT])
def test_a_server_that_restarts_refuses_meanwhile_and_loses_nothing(how: signal.Signals) -> None:
    async def scenario(server: Postgres) -> None:
        store = a_store(server.url)
        await store.open()
        await store.append(an_intent("c1"))
        await asyncio.to_thread(server.stop, how)
        with pytest.raises(StoreError, match=r"cannot be opened|closed the connection"):
            await store.append(an_intent("c2"))
        store.append_soon(an_outcome("c1"))
        await asyncio.to_thread(server.start)
        await until(lambda: store.is_healthy)
        await store.append(an_intent("c3"))
        await store.close()

    with a_server() as server:
        run(scenario(server))
        found = ids(kept(settings(server.url)))
        assert found == [("intent", "c1"), ("outcome", "c1"), ("intent", "c3")]
        assert held(server.url) == [(1, 3)]


@pytest.mark.e2e
def test_a_server_that_may_forget_and_does_gets_another_log() -> None:
    async def scenario(server: Postgres) -> None:
        clock = FakeClock()
        store = RecordStore(settings(server.url, synchronous="normal"), clock)
        await store.open()
        await store.append(an_intent("c1"))
        clock.advance(60)  # so that a signature follows, which brings all before it to the disk
        await settled(store, "c2", "c2 again")
        server.hold_back()
        await store.append(an_intent("c3"))
        server.lose_power()
        await asyncio.to_thread(server.start)
        await store.append(an_intent("c4"))
        await store.close()

    with a_server() as server:
        run(scenario(server))
        places = {entry.call_id: log for (log, _), entry in kept_at(settings(server.url))}
        assert (places["c1"], places["c4"]) == (1, 2)
        assert "c3" not in places
        assert [log for log, _ in held(server.url)] == [1, 2]


@pytest.mark.e2e
def test_a_server_that_stands_still_refuses_until_it_goes_on() -> None:
    async def scenario(server: Postgres) -> None:
        store = a_store(server.url, statement_timeout_seconds=1.0, connect_timeout_seconds=2)
        await store.open()
        await store.append(an_intent("c1"))
        with server.held():
            with pytest.raises(StoreError, match=r"has not answered|cannot be opened"):
                await store.append(an_intent("c2"))
            store.append_soon(an_outcome("c1"))
        await until(lambda: store.is_healthy)
        await store.append(an_intent("c3"))
        await store.close()

    with a_server() as server:
        run(scenario(server))
        found = ids(kept(settings(server.url)))
        assert found[0] == ("intent", "c1")
        # The server may have heard of `c2` before it stood still: then that is in the record.
        assert found[-2:] == [("outcome", "c1"), ("intent", "c3")]
        assert [log for log, _ in held(server.url)] == [1]


def test_a_database_that_is_not_there_is_an_error_at_the_start(url: str) -> None:
    missing = in_database(url, "callgate_test_missing")

    async def scenario() -> None:
        with pytest.raises(StoreError, match="does not exist"):
            await a_store(missing).open()

    run(scenario())
