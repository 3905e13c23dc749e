from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, create_engine, text

from callgate.ports import StoreError
from callgate.storage.migrations.beginning import begin
from callgate.storage.migrations.upgrade import upgrade
from callgate.storage.schema import REVISION, metadata
from callgate.storage.settings import StoreSettings
from callgate.storage.sqlite_file import driver, open_to_read, open_to_write

OPEN = """
import sys
from pathlib import Path
from callgate.storage.sqlite_file import open_to_write
from callgate.storage.settings import StoreSettings
print("ready", flush=True)
sys.stdin.readline()
open_to_write(StoreSettings(path=Path(sys.argv[1])), may_create=True).close()
"""


@contextmanager
def empty_sqlite(path: Path) -> Iterator[Connection]:
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def made_by_migrations(connection: Connection) -> None:
    upgrade(connection, None, "here")


def test_migrations_lead_to_exactly_the_tables_of_the_schema(tmp_path: Path) -> None:
    with empty_sqlite(tmp_path / "r.db") as connection:
        made_by_migrations(connection)
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_a_new_file_is_to_the_letter_what_the_migrations_lead_to(tmp_path: Path) -> None:
    shapes: list[dict[str, tuple[str, str]]] = []
    versions: list[str] = []
    for make in (begin, made_by_migrations):
        with empty_sqlite(tmp_path / f"{make.__name__}.db") as connection:
            make(connection)
            rows = connection.execute(text("SELECT name, type, sql FROM sqlite_schema")).all()
            shapes.append({row.name: (row.type, " ".join((row.sql or "").split())) for row in rows})
            versions += connection.execute(
                text("SELECT version_num FROM alembic_version")
            ).scalars()
    assert shapes[0] == shapes[1]
    assert versions == [REVISION, REVISION]


def test_whoever_comes_second_begins_nothing(tmp_path: Path) -> None:
    with empty_sqlite(tmp_path / "r.db") as connection:
        begin(connection)
        connection.commit()
        begin(connection)
        assert connection.execute(text("SELECT * FROM alembic_version")).all() == [(REVISION,)]


def test_upgrading_what_is_up_to_date_changes_nothing(tmp_path: Path) -> None:
    settings = StoreSettings(path=tmp_path / "r.db")
    open_to_write(settings, may_create=True).close()
    connection = open_to_write(settings, may_create=False)
    driver(connection).execute("INSERT INTO logs VALUES (1, 't', 2, 3, 4, 5)")
    connection.close()
    connection = open_to_write(settings, may_create=False)
    rows = driver(connection).execute("SELECT token FROM logs").fetchall()
    connection.close()
    assert rows == [("t",)]


def test_two_processes_that_open_a_new_file_at_once_both_succeed(tmp_path: Path) -> None:
    for attempt in range(3):
        path = tmp_path / f"{attempt}.db"
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", OPEN, str(path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for _ in range(3)
        ]
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        outputs = [process.communicate("go\n", timeout=300) for process in processes]
        assert [process.returncode for process in processes] == [0, 0, 0], outputs
        open_to_read(path)


def test_database_of_a_newer_callgate_is_an_error_that_says_so(tmp_path: Path) -> None:
    settings = StoreSettings(path=tmp_path / "r.db")
    open_to_write(settings, may_create=True).close()
    with sqlite3.connect(settings.path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(StoreError, match=r"newer Callgate \(its schema is 9999\)"):
        open_to_write(settings, may_create=True)
    with pytest.raises(StoreError, match=f"schema 9999, this Callgate reads {REVISION}"):
        open_to_read(settings.path)
