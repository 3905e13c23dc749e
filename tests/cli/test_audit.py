from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from callgate.audit.record import Entry
from callgate.cli.audit import audit
from callgate.storage.appending import Appender
from callgate.storage.reading import SqliteRecords
from callgate.storage.settings import StoreSettings
from fakes.clock import FakeClock
from fakes.store import an_intent, an_outcome


def fill(path: Path, *entries: Entry) -> Path:
    appender = Appender(StoreSettings(path=path), FakeClock())
    appender.open()
    if entries:
        appender.write(entries)
    appender.close()
    return path


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return fill(tmp_path / "r.db", an_intent("c1"), an_outcome("c1"), an_outcome("c2"))


def run(store: Path) -> Result:
    return CliRunner().invoke(audit, ["verify", "--store", str(store)])


def test_untouched_record_holds_and_its_head_is_named(store: Path) -> None:
    head = list(SqliteRecords(store).records())[-1].hash
    result = run(store)
    assert result.exit_code == 0
    assert result.stdout == (f"{store}: all 3 records hold.\nThe head is record 3, hash {head}.\n")


def test_empty_record_holds(tmp_path: Path) -> None:
    store = fill(tmp_path / "r.db")
    assert (run(store).exit_code, run(store).stdout) == (0, f"{store}: all 0 records hold.\n")


def test_first_record_that_does_not_hold_is_named(store: Path) -> None:
    with closing(sqlite3.connect(store)) as connection, connection:
        connection.execute("UPDATE records SET principal = 'bob\x1b[2K' WHERE seq = 2")
        connection.execute("DELETE FROM records WHERE seq = 3")
    result = run(store)
    assert result.exit_code == 1
    assert result.stderr == (
        f"{store}: record 2 does not hold: its column principal was edited: "
        "it is 'bob\\x1b[2K', the body says 'ada'.\nThe 1 records before it hold.\n"
    )


def test_damaged_file_does_not_hold(store: Path) -> None:
    content = store.read_bytes()
    store.write_bytes(content[:100] + b"\xff" * (len(content) - 100))
    result = run(store)
    assert (result.exit_code, type(result.exception)) == (1, SystemExit)
    assert "cannot be read" in result.stderr
