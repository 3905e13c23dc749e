from __future__ import annotations

import sys
from pathlib import Path

import pytest

from callgate.ports import StoreError
from callgate.storage.databases import database_of
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
