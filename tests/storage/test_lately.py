"""What a gateway that starts is told of the runs before it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from callgate.audit.record import Entry
from callgate.ports import StoreError
from callgate.storage import lately
from callgate.storage.appending import Appender
from callgate.storage.databases import database_of
from callgate.storage.lately import last_calls
from callgate.storage.settings import StoreSettings
from fakes.clock import FakeClock
from fakes.store import NOW, an_intent, an_outcome


def kept(path: Path, *entries: Entry) -> StoreSettings:
    settings = StoreSettings(path=path / "r.db")
    appender = Appender(settings, database_of(settings), FakeClock())
    appender.open()
    appender.write(entries)
    appender.close()
    return settings


def ids(settings: StoreSettings, since: float) -> list[str]:
    return [entry["call"] for entry in last_calls(settings, since)]


def test_there_is_one_entry_for_each_run_its_last(tmp_path: Path) -> None:
    settings = kept(
        tmp_path,
        an_intent("c1", NOW, run="r1"),
        an_outcome("c1", NOW + 1, run="r1"),
        an_intent("c2", NOW + 2, run="r2"),
        an_intent("c3", NOW + 3, run="r1"),
    )

    assert ids(settings, NOW) == ["c2", "c3"]
    assert ids(settings, NOW + 2.5) == ["c3"]
    assert ids(settings, NOW + 9) == []


def test_only_the_newest_entries_are_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lately, "MOST_ENTRIES", 2)
    calls = [an_intent(f"c{number}", NOW + number, run=f"r{number}") for number in range(5)]

    assert len(ids(kept(tmp_path, *calls), NOW)) <= 2


def test_a_record_that_was_tampered_with_is_not_believed(tmp_path: Path) -> None:
    settings = kept(tmp_path, an_intent("c1", NOW, run="r1"))
    with closing(sqlite3.connect(settings.path)) as connection, connection:
        connection.execute("UPDATE records SET body = replace(body, 'ada', 'eve')")

    with pytest.raises(StoreError, match="tampered"):
        last_calls(settings, NOW)
