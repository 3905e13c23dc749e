from __future__ import annotations

import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from callgate.ports import StoreError
from callgate.storage.settings import StoreSettings
from callgate.storage.sqlite_file import driver, open_to_read, open_to_write, said


def settings_for(path: Path, **more: object) -> StoreSettings:
    return StoreSettings.model_validate({"path": path, "busy_timeout_seconds": 0.05, **more})


def test_new_file_can_be_read_by_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    with open_to_write(settings_for(path), may_create=True) as connection:
        connection.exec_driver_sql("INSERT INTO logs VALUES (1, 't', 2, 3, 4, 5)")
        files = [path, tmp_path / "r.db-wal", tmp_path / "r.db-shm"]
        assert [stat.S_IMODE(file.stat().st_mode) for file in files] == [0o600] * 3


@pytest.mark.parametrize(("synchronous", "level"), [("full", 2), ("normal", 1)])
def test_file_is_written_as_safely_as_was_asked_for(
    tmp_path: Path, synchronous: str, level: int
) -> None:
    settings = settings_for(tmp_path / "r.db", synchronous=synchronous)
    with open_to_write(settings, may_create=True) as connection:
        bare = driver(connection)
        assert bare.execute("PRAGMA synchronous").fetchone() == (level,)
        assert bare.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_file_has_pages_that_entries_fill(tmp_path: Path) -> None:
    with open_to_write(settings_for(tmp_path / "r.db"), may_create=True) as connection:
        assert driver(connection).execute("PRAGMA page_size").fetchone() == (8192,)


def test_transaction_holds_the_write_lock_from_its_beginning(tmp_path: Path) -> None:
    settings = settings_for(tmp_path / "r.db")
    one = open_to_write(settings, may_create=True)
    other = open_to_write(settings, may_create=False)
    with (
        closing(one),
        closing(other),
        one.begin(),
        pytest.raises(sqlite3.OperationalError, match="locked"),
        other.begin(),
    ):
        pass


def test_missing_file_is_an_error_where_it_may_not_be_created(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is not there"):
        open_to_write(settings_for(tmp_path / "r.db"), may_create=False)
    assert list(tmp_path.iterdir()) == []


def test_directory_that_does_not_exist_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"nowhere.r\.db cannot be created: No such file"):
        open_to_write(settings_for(tmp_path / "nowhere" / "r.db"), may_create=True)


def test_file_that_is_no_database_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    path.write_bytes(b"minutes of the meeting " * 1000)
    with pytest.raises(StoreError, match="not a database"):
        open_to_write(settings_for(path), may_create=True)
    with pytest.raises(StoreError, match="not a database"):
        open_to_read(path)


def test_database_of_something_else_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE guests (name)")
    with pytest.raises(StoreError, match="not a record of Callgate"):
        open_to_write(settings_for(path), may_create=True)
    with pytest.raises(StoreError, match="not a record of Callgate"):
        open_to_read(path)


def test_file_that_stays_locked_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreError, match="locked"):
            open_to_write(settings_for(path), may_create=True)


def test_reader_cannot_write(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    open_to_write(settings_for(path), may_create=True).close()
    with (
        open_to_read(path).connect() as connection,
        pytest.raises(OperationalError, match="readonly") as raised,
    ):
        connection.execute(text("DELETE FROM records WHERE call_id = 'secret'"))
    assert said(raised.value) == "attempt to write a readonly database"


@pytest.mark.parametrize("content", [None, b""])
def test_reading_where_there_is_no_record_is_an_error(
    tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "r.db"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(StoreError, match="no record"):
        open_to_read(path)
