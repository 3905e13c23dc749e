from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Connection

from callgate.audit.keys import SigningKey
from callgate.ports import StoreError
from callgate.storage.facts import carried_over, fact, origin_in, origin_of, state
from callgate.storage.settings import StoreSettings
from callgate.storage.sqlite import SqliteDatabase


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    database = SqliteDatabase(StoreSettings(path=tmp_path / "r.db"))
    with closing(database.open_to_write(may_create=True)) as connection, connection.begin():
        yield connection


def settings_in(directory: Path, **more: object) -> StoreSettings:
    return StoreSettings.model_validate({"path": directory / "r.db", **more})


def test_record_gets_an_origin_once(connection: Connection, tmp_path: Path) -> None:
    assert origin_in(connection) is None
    origin = origin_of(connection, settings_in(tmp_path))
    assert re.fullmatch(r"callgate\.dev/[0-9a-f]{16}", origin)
    assert origin_of(connection, settings_in(tmp_path)) == origin == origin_in(connection)


def test_origin_that_is_set_is_taken_and_cannot_be_changed(
    connection: Connection, tmp_path: Path
) -> None:
    assert (
        origin_of(connection, settings_in(tmp_path, origin="one.example.com")) == "one.example.com"
    )
    assert (
        origin_of(connection, settings_in(tmp_path, origin="one.example.com")) == "one.example.com"
    )
    with pytest.raises(StoreError, match=r"is one\.example\.com, store.origin says two\.example"):
        origin_of(connection, settings_in(tmp_path, origin="two.example.com"))


def test_record_that_is_begun_beside_a_key_has_the_origin_of_the_key(
    connection: Connection, tmp_path: Path
) -> None:
    key = SigningKey.generated("old.example.com")
    assert origin_of(connection, settings_in(tmp_path, signing_key=key.text)) == "old.example.com"


def test_what_was_carried_over_is_said_once(connection: Connection) -> None:
    assert carried_over(connection, 1.0) == []
    state(connection, "chain_carried_over", '{"records":3,"head":"ab"}')
    (entry,) = carried_over(connection, 1.0)
    assert (entry.kind, entry.code) == ("event", "chain_carried_over")
    assert b'"records":3,"head":"ab"' in entry.body
    assert carried_over(connection, 1.0) == []
    assert fact(connection, "chain_carried_over") is None
