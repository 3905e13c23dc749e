from __future__ import annotations

import ctypes
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace
from sqlalchemy import Connection, select

from callgate.ports import StoreError
from callgate.storage.appending import GROUP
from callgate.storage.database import Holds, TakenError
from callgate.storage.log import Log
from callgate.storage.schema import records
from callgate.storage.settings import StoreSettings
from callgate.storage.sqlite import EXACT, MAX_BYTES, SqliteDatabase
from callgate.storage.sqlite_file import driver
from fakes.store import an_intent, an_outcome


def a_database(directory: Path, **more: object) -> SqliteDatabase:
    settings = {"path": directory / "r.db", "busy_timeout_seconds": 0.05, **more}
    return SqliteDatabase(StoreSettings.model_validate(settings))


@pytest.fixture
def database(tmp_path: Path) -> SqliteDatabase:
    return a_database(tmp_path)


@pytest.fixture
def connection(database: SqliteDatabase) -> Iterator[Connection]:
    with closing(database.open_to_write(may_create=True)) as connection:
        yield connection


def test_rows_are_inserted_with_all_their_columns(
    database: SqliteDatabase, connection: Connection
) -> None:
    entry = replace(an_outcome("c1"), run="r1", payload='{"arguments":{"ü":1}}'.encode())
    (row,) = rows = Log(1).rows([entry])
    database.insert(connection, rows)
    kept = connection.execute(select(records)).one()._asdict()
    assert kept == {
        "position": row.position,
        "hash": row.hash,
        "body": entry.body.decode(),
        "payload": '{"arguments":{"ü":1}}',
        **{
            name: getattr(entry, name)
            for name in kept
            if name not in ("position", "hash", "body", "payload")
        },
    }


def test_group_is_inserted_whole_or_not_at_all(
    database: SqliteDatabase, connection: Connection
) -> None:
    database.insert(connection, Log(1).rows([an_intent("c1")]))
    with pytest.raises(TakenError, match="somebody else has written to our log"):
        database.insert(connection, Log(1).rows([an_intent("c2"), an_intent("c3")])[::-1])
    assert connection.execute(select(records.c.call_id)).scalars().all() == ["c1"]


def test_groups_of_every_size_are_inserted_whole_by_few_statements(
    database: SqliteDatabase, connection: Connection
) -> None:
    log, expected = Log(1), list[tuple[int, bytes]]()
    before = memory_used()
    for size in range(1, GROUP + 1):
        rows = log.rows([an_intent(f"c{size}-{number}") for number in range(size)])
        database.insert(connection, rows)
        log.extend(rows)
        expected += [(row.position, row.hash) for row in rows]
    query = select(records.c.position, records.c.hash).order_by(records.c.position)
    assert [tuple(row) for row in connection.execute(query)] == expected
    if before:
        assert memory_used() - before < 7_000_000  # with a statement for each size: 22 million


def test_group_that_shares_a_statement_is_whole_or_not_there(
    database: SqliteDatabase, connection: Connection
) -> None:
    rows = Log(1).rows([an_intent(f"c{number}") for number in range(EXACT + 1)])
    database.insert(connection, rows[-1:])
    with pytest.raises(TakenError):
        database.insert(connection, rows)
    assert len(connection.execute(select(records)).all()) == 1


def memory_used() -> int:
    """Bytes that SQLite holds; 0 where it is no library of the system."""
    try:
        used = ctypes.CDLL("libsqlite3.so.0").sqlite3_memory_used
    except OSError:
        return 0
    used.restype = ctypes.c_int64
    return int(used())


def test_other_constraints_are_faults_of_their_own(
    database: SqliteDatabase, connection: Connection
) -> None:
    broken = replace(an_intent("c1"), call_id=None)
    with pytest.raises(sqlite3.IntegrityError, match="NOT NULL"):
        database.insert(connection, Log(1).rows([broken]))


@pytest.mark.parametrize(
    ("synchronous", "holds", "level"),
    [
        ("full", "intents", 2),
        ("full", "outcomes", 1),
        ("full", "checkpoint", 2),
        ("normal", "intents", 1),
        ("normal", "outcomes", 1),
        ("normal", "checkpoint", 2),
    ],
)
def test_disk_is_waited_for_where_that_was_asked_and_always_for_what_is_signed(
    tmp_path: Path, synchronous: str, holds: Holds, level: int
) -> None:
    database = a_database(tmp_path, synchronous=synchronous)
    with closing(database.open_to_write(may_create=True)) as connection:
        for _ in range(2):
            database.before_group(connection, "outcomes")
            database.before_group(connection, holds)
            assert driver(connection).execute("PRAGMA synchronous").fetchone() == (level,)


def test_lock_of_a_name_is_held_by_one(database: SqliteDatabase, connection: Connection) -> None:
    life = database.claim(connection, "name")
    assert life is not None
    assert database.claim(connection, "name") is None
    life.end()
    again = database.claim(connection, "name")
    assert again is not None
    again.end()


def test_directory_in_which_no_lock_can_be_made_is_an_error(
    database: SqliteDatabase, connection: Connection, tmp_path: Path
) -> None:
    (tmp_path / "r.db-writer-name").mkdir()
    with pytest.raises(StoreError, match=f"no lock file can be made in {tmp_path}"):
        database.claim(connection, "name")


def test_entry_beyond_what_a_row_can_hold_is_unstorable(database: SqliteDatabase) -> None:
    class Huge(bytes):
        def __len__(self) -> int:
            return MAX_BYTES + 1

    assert database.unstorable(an_intent()) is None
    reason = database.unstorable(replace(an_intent(), payload=Huge(b"{}")))
    assert reason is not None
    assert f"more than {MAX_BYTES}" in reason
