from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from callgate.ports import StoreError
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


def test_migrations_lead_to_exactly_the_tables_of_the_schema(tmp_path: Path) -> None:
    connection = open_to_write(StoreSettings(path=tmp_path / "r.db"), may_create=True)
    differences = compare_metadata(MigrationContext.configure(connection), metadata)
    connection.close()
    assert differences == []


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
        outputs = [process.communicate("go\n", timeout=60) for process in processes]
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
