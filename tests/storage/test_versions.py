"""Versions of policies in a database; tests/contracts asks what every store promises."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest

from callgate.ports import ConflictError, StoreError
from callgate.storage.postgres import PostgresDatabase
from callgate.storage.settings import StoreSettings
from callgate.storage.sqlite_file import open_to_write
from callgate.storage.versions import StoredPolicyVersions
from fakes.postgres import a_database
from fakes.versions import a_version


@pytest.fixture
def place(tmp_path: Path) -> StoreSettings:
    settings = StoreSettings(path=tmp_path / "r.db")
    open_to_write(settings, may_create=True).close()
    return settings


def change(place: StoreSettings, statement: str) -> None:
    connection = sqlite3.connect(place.path)
    with connection:
        connection.execute(statement)
    connection.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE policy_changes SET text = 'permit(principal, action, resource);' WHERE policy = 'a'",
        "DELETE FROM policy_changes WHERE policy = 'b'",
        "INSERT INTO policy_changes VALUES (1, 'z', 'more')",
        "UPDATE policy_versions SET digest = 'other'",
    ],
)
def test_policies_that_were_edited_are_not_used(place: StoreSettings, statement: str) -> None:
    store = StoredPolicyVersions(place)
    store.add(a_version(1, a="one", b="two"))
    change(place, statement)

    with pytest.raises(StoreError, match="is not what was written"):
        store.newest()


def test_only_what_changed_is_kept(place: StoreSettings) -> None:
    store = StoredPolicyVersions(place)
    many = {f"p{number}": "text" for number in range(100)}
    store.add(a_version(1, **many))
    store.add(a_version(2, **many, one="more"))

    connection = sqlite3.connect(place.path)
    (rows,) = connection.execute("SELECT count(*) FROM policy_changes").fetchone()
    connection.close()
    assert rows == 101


def test_of_two_at_once_one_is_told_of_the_other(place: StoreSettings) -> None:
    conflicts: list[int] = []

    def add(author: str) -> None:
        try:
            StoredPolicyVersions(place).add(a_version(1, author, a=author))
        except ConflictError as error:
            conflicts.append(error.newest)

    threads = [threading.Thread(target=add, args=(str(number),)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert conflicts == [1, 1, 1]
    assert StoredPolicyVersions(place).newest_number() == 1


def test_a_file_that_cannot_be_read_or_written_is_an_error(place: StoreSettings) -> None:
    store = StoredPolicyVersions(place)
    place.path.write_bytes(b"minutes of the meeting " * 1000)
    with pytest.raises(StoreError, match="cannot be read"):
        store.newest()
    with pytest.raises(StoreError, match="cannot be opened"):
        store.add(a_version(1))
    place.path.unlink()
    with pytest.raises(StoreError, match="there is no record"):
        store.newest_number()


def test_before_a_gateway_has_run_there_is_nothing(tmp_path: Path) -> None:
    assert not StoredPolicyVersions(StoreSettings(path=tmp_path / "r.db")).has_begun()
    (tmp_path / "empty.db").touch()
    assert not StoredPolicyVersions(StoreSettings(path=tmp_path / "empty.db")).has_begun()
    with a_database() as url:
        versions = StoredPolicyVersions(StoreSettings(url=url))
        assert not versions.has_begun()
        PostgresDatabase(StoreSettings(url=url)).open_to_write(may_create=True).close()
        assert versions.has_begun()


def test_a_server_that_is_not_there_is_no_empty_store() -> None:
    versions = StoredPolicyVersions(StoreSettings(url="postgresql://127.0.0.1:1/record"))
    with pytest.raises(StoreError, match="cannot be read"):
        versions.has_begun()


def test_a_text_that_not_every_database_can_hold_is_refused(place: StoreSettings) -> None:
    with pytest.raises(StoreError, match="'a' has a NUL"):
        StoredPolicyVersions(place).add(a_version(1, a="permit\0"))
