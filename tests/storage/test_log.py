from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Connection

from callgate.audit.merkle import leaf_hash, root
from callgate.audit.place import position
from callgate.audit.tiles import WIDTH
from callgate.storage.log import KeptHashes, Log, LogError, size_in
from callgate.storage.settings import StoreSettings
from callgate.storage.sqlite import SqliteDatabase
from fakes.store import an_outcome

ENTRIES = [an_outcome(f"c{number}") for number in range(WIDTH + 20)]
HASHES = [leaf_hash(entry.body) for entry in ENTRIES]


@pytest.fixture
def database(tmp_path: Path) -> SqliteDatabase:
    return SqliteDatabase(StoreSettings(path=tmp_path / "r.db"))


@pytest.fixture
def connection(database: SqliteDatabase) -> Iterator[Connection]:
    with closing(database.open_to_write(may_create=True)) as connection:
        yield connection


def written(database: SqliteDatabase, connection: Connection, number: int, count: int) -> Log:
    log = Log(number)
    for first in range(0, count, 100):
        rows = log.rows(ENTRIES[first : min(first + 100, count)])
        with database.transaction(connection):
            log = log.add(database, connection, rows)
    return log


def change(tmp_path: Path, statement: str) -> None:
    with closing(sqlite3.connect(tmp_path / "r.db")) as connection, connection:
        connection.execute(statement)


def test_entries_get_the_places_that_follow() -> None:
    log = Log(3)
    rows = log.rows(ENTRIES[:2])
    assert [(row.position, row.hash, row.entry) for row in rows] == [
        (position(3, seq), HASHES[seq], ENTRIES[seq]) for seq in (0, 1)
    ]
    assert log.size == 0  # nothing is added before it is durable
    log.extend(rows)
    assert log.rows(ENTRIES[2:3])[0].position == position(3, 2)
    assert log.root() == root(HASHES[:2])


@pytest.mark.parametrize("size", [0, 1, WIDTH - 1, WIDTH, WIDTH + 20])
def test_log_is_restored_as_it_was_left(
    database: SqliteDatabase, connection: Connection, size: int
) -> None:
    written(database, connection, 2, 7)  # neighbours are none of its business
    log = written(database, connection, 1, size)
    found = Log.restored(connection, 1)
    assert (found.size, found.root()) == (log.size, log.root()) == (size, root(HASHES[:size]))
    assert size_in(connection, 1) == size


def test_group_that_fills_a_tile_says_so() -> None:
    log = Log(1)
    log.extend(log.rows(ENTRIES[: WIDTH - 2]))
    assert not log.fills_tile(log.rows(ENTRIES[:1]))
    assert log.fills_tile(log.rows(ENTRIES[:2]))


def test_what_is_grown_stands_apart(database: SqliteDatabase, connection: Connection) -> None:
    log = written(database, connection, 1, 5)
    grown = log.grown(log.rows(ENTRIES[5:7]))
    assert (log.size, grown.size, grown.root()) == (5, 7, root(HASHES[:7]))


def test_roots_of_earlier_sizes_are_known(database: SqliteDatabase, connection: Connection) -> None:
    log = written(database, connection, 1, WIDTH + 20)
    for size in (0, 1, WIDTH, WIDTH + 3):
        assert log.root_in(connection, size) == root(HASHES[:size])
        earlier = Log(1)
        earlier.extend(earlier.rows(ENTRIES[:size]))
        assert log.goes_on_from(connection, earlier)
    other = Log(1)
    other.extend(other.rows(ENTRIES[1:3]))
    assert not log.goes_on_from(connection, other)
    longer = Log(1)
    longer.extend(longer.rows([*ENTRIES, ENTRIES[0]]))
    assert not log.goes_on_from(connection, longer)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM tiles WHERE level = 1",
        "UPDATE tiles SET hashes = 'text' WHERE level = 1",
        "UPDATE tiles SET hashes = substr(hashes, 1, 20) WHERE level = 1",
        "DELETE FROM records WHERE call_id = 'c260'",
        "UPDATE records SET hash = 'text' WHERE call_id = 'c260'",
        "UPDATE records SET hash = x'00' WHERE call_id = 'c260'",
    ],
)
def test_log_whose_hashes_are_damaged_is_not_restored(
    database: SqliteDatabase, connection: Connection, tmp_path: Path, statement: str
) -> None:
    written(database, connection, 1, WIDTH + 20)
    change(tmp_path, statement)
    with pytest.raises(LogError, match="log 1"):
        log = Log.restored(connection, 1)
        log.root_in(connection, WIDTH)


def test_tile_that_has_not_begun_is_empty(database: SqliteDatabase, connection: Connection) -> None:
    written(database, connection, 1, WIDTH)
    hashes = KeptHashes(connection, 1)
    assert (hashes.tile(0, 1), hashes.tile(1, 1), hashes.tile(2, 0)) == (b"", b"", b"")
