from __future__ import annotations

import sys
from pathlib import Path

import pytest
from sqlalchemy import text

from callgate.ports import StoreError
from callgate.storage.databases import alone_in, database_of, faults_of
from callgate.storage.postgres import PostgresDatabase
from callgate.storage.settings import StoreSettings
from callgate.storage.sqlite import SqliteDatabase

URL = "postgresql://callgate:secret@db.example.com/callgate"


def test_record_is_in_a_file_unless_a_url_is_set(tmp_path: Path) -> None:
    database = database_of(StoreSettings(path=tmp_path / "r.db"))
    assert isinstance(database, SqliteDatabase)
    assert database.place == str(tmp_path / "r.db")


def test_record_is_in_the_database_of_the_url_which_is_told_without_the_password() -> None:
    database = database_of(StoreSettings(url=URL))
    assert isinstance(database, PostgresDatabase)
    assert database.place == "postgresql://db.example.com/callgate"


def test_missing_package_is_named_with_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "callgate.storage.postgres", None)
    with pytest.raises(StoreError, match=r"pip install 'callgate\[postgres\]'"):
        database_of(StoreSettings(url=URL))


def test_faults_of_the_database_are_told_with_its_place_and_others_as_they_are(
    tmp_path: Path,
) -> None:
    database = database_of(StoreSettings(path=tmp_path / "r.db"))
    database.open_to_write(may_create=True).close()

    with (
        pytest.raises(StoreError, match=r"r\.db cannot be read: .*no such table"),
        faults_of(database, " cannot be read"),
        database.open_to_read().connect() as kept,
    ):
        kept.execute(text("SELECT * FROM absent"))
    with pytest.raises(KeyError), faults_of(database):
        raise KeyError


def test_who_is_alone_keeps_all_or_nothing_and_lets_others_in_again(tmp_path: Path) -> None:
    database = database_of(StoreSettings(path=tmp_path / "r.db"))
    database.open_to_write(may_create=True).close()
    with pytest.raises(KeyError), alone_in(database) as connection:
        connection.execute(text("CREATE TABLE half (a)"))
        raise KeyError
    with pytest.raises(StoreError, match="no such table"), alone_in(database) as connection:
        connection.execute(text("INSERT INTO half VALUES (1)"))
    with alone_in(database) as connection:
        connection.execute(text("CREATE TABLE whole (a)"))
    with database.open_to_read().connect() as kept:
        assert kept.execute(text("SELECT count(*) FROM whole")).scalar() == 0
