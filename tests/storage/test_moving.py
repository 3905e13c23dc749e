from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from callgate.audit.keys import SigningKey
from callgate.audit.verifying import Trust, verify
from callgate.ports import StoreError
from callgate.storage import moving
from callgate.storage.ledger_reading import open_log
from callgate.storage.moving import move
from callgate.storage.settings import StoreSettings
from callgate.storage.store import RecordStore
from callgate.storage.versions import StoredPolicyVersions
from fakes.clock import FakeClock
from fakes.kept import kept_at
from fakes.postgres import a_database
from fakes.store import an_intent, an_outcome
from fakes.versions import a_version

KEY = SigningKey.generated("records.example.com")


@pytest.fixture
def old(tmp_path: Path) -> StoreSettings:
    """A record that two gateways wrote, with policies in it."""
    settings = StoreSettings(path=tmp_path / "old.db", signing_key=KEY.text)
    asyncio.run(_write(settings, 300))
    StoredPolicyVersions(settings).add(a_version(1, a="one", b="two"))
    return settings


@pytest.fixture
def new() -> Iterator[StoreSettings]:
    with a_database() as url:
        yield StoreSettings(url=url, signing_key=KEY.text)


async def _write(settings: StoreSettings, calls: int, prefix: str = "c") -> None:
    one, other = RecordStore(settings, FakeClock()), RecordStore(settings, FakeClock())
    await one.open()
    await other.open()
    for number in range(calls):
        store = (one, other)[number % 2]
        store.append_soon(an_intent(f"{prefix}{number}"))
        store.append_soon(an_outcome(f"{prefix}{number}"))
    await one.close()
    await other.close()


def holds(settings: StoreSettings) -> bool:
    with closing(open_log(settings)) as reader:
        return verify(reader, Trust(keys=(KEY.verifier,))).failures == ()


def test_everything_arrives_as_it_was_and_goes_on(
    old: StoreSettings, new: StoreSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moving, "AT_ONCE", 7)
    steps: list[int] = []
    before = kept_at(old)

    count = move(old, new, steps.append)

    assert count == sum(steps) > len(before)  # the entries of the log of logs too
    assert kept_at(new) == before
    assert StoredPolicyVersions(new).newest() == a_version(1, a="one", b="two")
    assert holds(new)
    asyncio.run(_write(new, 4, "later"))
    assert {log for (log, _), _ in kept_at(new)} == {1, 2}
    assert len(kept_at(new)) == len(before) + 8
    assert holds(new)


def test_it_can_be_moved_back(old: StoreSettings, new: StoreSettings, tmp_path: Path) -> None:
    before = kept_at(old)
    back = StoreSettings(path=tmp_path / "back.db", signing_key=KEY.text)

    move(old, new)
    move(new, back)

    assert kept_at(back) == before
    assert holds(back)


def test_the_old_one_can_be_read_and_not_be_written_any_more(
    old: StoreSettings, new: StoreSettings
) -> None:
    move(old, new)

    assert holds(old)
    with pytest.raises(StoreError, match="was moved to postgresql:"):
        asyncio.run(_write(old, 1))
    with pytest.raises(StoreError, match="was moved"):
        move(old, new)


def test_a_record_that_a_gateway_writes_stays_where_it_is(
    old: StoreSettings, new: StoreSettings
) -> None:
    async def scenario() -> None:
        store = RecordStore(old, FakeClock())
        await store.open()
        with pytest.raises(StoreError, match="stop it first"):
            await asyncio.to_thread(move, old, new)
        await store.append(an_intent("later"))
        await store.close()

    asyncio.run(scenario())
    assert not StoredPolicyVersions(new).has_begun()
    assert holds(old)


def killed_before_the_end(
    old: StoreSettings, new: StoreSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(moving, "state", die)
        with pytest.raises(KeyboardInterrupt):
            move(old, new)


def test_killed_before_the_old_one_was_closed_it_is_closed_when_it_is_done_again(
    old: StoreSettings, new: StoreSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed_before_the_end(old, new, monkeypatch)
    before = kept_at(old)
    assert kept_at(new) == before

    assert move(old, new) > len(before)
    with pytest.raises(StoreError, match="was moved to"):
        asyncio.run(_write(old, 1, "later"))
    assert kept_at(new) == before
    assert holds(new)


def test_killed_so_and_written_meanwhile_it_is_another_record(
    old: StoreSettings, new: StoreSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed_before_the_end(old, new, monkeypatch)
    asyncio.run(_write(old, 1, "later"))
    with pytest.raises(StoreError, match="has a record already"):
        move(old, new)


def test_a_place_that_has_a_record_is_left_alone(old: StoreSettings, new: StoreSettings) -> None:
    asyncio.run(_write(new, 1))
    before = kept_at(new)

    with pytest.raises(StoreError, match="has a record already"):
        move(old, new)

    assert kept_at(new) == before
    asyncio.run(_write(old, 1, "later"))


def test_what_was_tampered_with_does_not_arrive(old: StoreSettings, new: StoreSettings) -> None:
    with closing(sqlite3.connect(old.path)) as connection, connection:
        connection.execute("UPDATE records SET hash = x'00' WHERE call_id = 'c299'")

    with pytest.raises(StoreError):
        move(old, new)

    assert kept_at(new) == []


@pytest.mark.parametrize("body", ["CAST(x'ff' AS TEXT)", "'a' || char(0)"])
def test_a_text_that_no_other_database_holds_is_said(
    old: StoreSettings, new: StoreSettings, body: str
) -> None:
    with closing(sqlite3.connect(old.path)) as connection, connection:
        connection.execute(f"UPDATE records SET body = {body} WHERE call_id = 'c3'")

    with pytest.raises(StoreError):
        move(old, new)

    assert kept_at(new) == []
