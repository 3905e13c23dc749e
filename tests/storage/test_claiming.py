from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from callgate.storage.settings import StoreSettings
from fakes.logs import kept_logs, sizes
from fakes.store import an_outcome
from fakes.writing import an_appender, write


@pytest.fixture
def settings(tmp_path: Path) -> StoreSettings:
    return StoreSettings(path=tmp_path / "r.db")


def change(settings: StoreSettings, statement: str) -> None:
    with closing(sqlite3.connect(settings.path)) as connection, connection:
        connection.execute(statement)


def numbers(settings: StoreSettings) -> dict[str, int]:
    """Which log an entry of a call is in."""
    with closing(sqlite3.connect(settings.path)) as connection:
        return dict(connection.execute("SELECT call_id, position >> 40 FROM records"))


def two_logs(settings: StoreSettings) -> None:
    one, other = an_appender(settings), an_appender(settings)
    one.write([an_outcome("one")])
    other.write([an_outcome("other")])
    one.close()
    other.close()


def test_log_that_nobody_writes_is_taken_up_again_and_no_other_is_begun(
    settings: StoreSettings,
) -> None:
    for number in range(4):
        write(settings, an_outcome(f"c{number}"))
    assert kept_logs(settings)[1] == ["c0", "c1", "c2", "c3"]


def test_as_many_logs_as_processes_at_a_time(settings: StoreSettings) -> None:
    two_logs(settings)
    living = [an_appender(settings) for _ in range(3)]
    for number, appender in enumerate(living):
        appender.write([an_outcome(f"c{number}")])
    assert [numbers(settings)[f"c{number}"] for number in range(3)] == [2, 1, 3]
    for appender in living:
        appender.close()


def test_log_that_does_not_hold_is_left_and_the_next_one_taken(
    settings: StoreSettings, caplog: pytest.LogCaptureFixture
) -> None:
    two_logs(settings)
    change(settings, "UPDATE records SET hash = zeroblob(32) WHERE call_id = 'other'")
    damage = write(settings, an_outcome("c1"))
    assert numbers(settings)["c1"] == 1
    assert damage == ("log 2: its records are not those that were signed",)
    assert "a log is not continued: log 2" in caplog.text
    assert (2, 2) not in sizes(settings.path)


def test_where_no_log_holds_a_new_one_is_begun(settings: StoreSettings) -> None:
    two_logs(settings)
    change(settings, "UPDATE records SET hash = zeroblob(32) WHERE kind = 'outcome'")
    assert len(write(settings, an_outcome("c1"))) == 2
    assert numbers(settings)["c1"] == 3
    assert write(settings, an_outcome("c2")) == ()  # the newest first: others are not looked at
    assert numbers(settings)["c2"] == 3


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE records SET position = position + (7 << 40) WHERE call_id = 'other'",
        "INSERT INTO checkpoints VALUES (9, 1, 0, '')",
        "INSERT INTO tiles VALUES (9, 0, 0, x'00')",
    ],
)
def test_new_log_has_a_number_that_nothing_is_of(settings: StoreSettings, statement: str) -> None:
    two_logs(settings)
    change(settings, statement)
    change(settings, "DELETE FROM logs")
    write(settings, an_outcome("c1"))
    assert numbers(settings)["c1"] == 10


@pytest.mark.parametrize("token", ["''", "'../../elsewhere'", "7.5"])
def test_edited_name_of_a_lock_touches_no_file(
    settings: StoreSettings, tmp_path: Path, token: str
) -> None:
    write(settings, an_outcome("c1"))
    change(settings, f"UPDATE logs SET token = {token}")
    assert write(settings, an_outcome("c2")) == ("log 1: what is noted of its writer was edited",)
    assert numbers(settings)["c2"] == 2
    assert sorted(file.name for file in tmp_path.iterdir()) == ["r.db", "r.db-key"]


def test_settled_that_was_edited_does_not_keep_the_gateway_from_starting(
    settings: StoreSettings,
) -> None:
    write(settings, an_outcome("c1"))
    change(settings, "UPDATE logs SET settled_seq = 'x'")
    write(settings, an_outcome("c2"))
    assert numbers(settings)["c2"] == 2
