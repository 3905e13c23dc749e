"""Opening the SQLite file: to write, with the schema brought up to date, or only to read."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, Engine, NullPool, create_engine, event
from sqlalchemy.exc import DBAPIError

from callgate.ports import StoreError
from callgate.storage.database import NoRecordError
from callgate.storage.liveness import FileLife
from callgate.storage.migrations.beginning import begin
from callgate.storage.schema import REVISION
from callgate.storage.settings import StoreSettings

STATEMENTS = 64  # prepared ones to keep: sqlite.py makes 30
PAGE_BYTES = 8192  # entries of 1 to 2 kB leave a fifth of SQLite's 4096 empty
WAIT_SECONDS = 0.01  # between two attempts where SQLite itself does not wait


def open_to_write(settings: StoreSettings, *, may_create: bool) -> Connection:
    """A connection for one thread; each transaction holds the write lock from its beginning.

    Raises StoreError where the file is missing and may not be created, is not ours, is from a
    newer Callgate, or stays locked.
    """
    path = settings.path
    if may_create:
        _create(path)
    if not path.is_file():
        raise StoreError(f"{path} is not there: put it back, or restart to begin a new record")
    if _is_frozen(path):
        raise StoreError(f"{path} lies on a file system that is read-only")
    engine = _engine(path, "rw", settings.busy_timeout_seconds)
    event.listen(engine, "begin", _begin)
    try:
        connection = engine.connect()
        try:
            _set_up(connection, settings)
        except BaseException:
            connection.close()
            raise
    except (sqlite3.Error, DBAPIError) as error:
        raise StoreError(f"{path} cannot be opened: {said(error)}") from error
    return connection


def open_to_read(path: Path) -> Engine:
    """An engine that can only read; it works beside a running gateway. Raises StoreError."""
    if not path.is_file():
        raise NoRecordError(f"there is no record at {path}")
    # SQLite reads a journal only where it can have shared memory beside it. Where nobody can write,
    # and nothing is left in a journal, there is no need for either.
    is_alone = _is_frozen(path) and not path.with_name(path.name + "-wal").exists()
    mode = "ro&immutable=1" if is_alone else "ro"
    engine = _engine(path, mode, busy_timeout_seconds=5)
    try:
        with engine.connect() as connection:
            found = _revision(connection, path)
    except (sqlite3.Error, DBAPIError) as error:
        raise StoreError(f"{path} cannot be read: {said(error)}{_advice(path)}") from error
    if found == REVISION:
        return engine
    if found is None:
        raise NoRecordError(f"{path} holds no record yet")
    raise StoreError(
        f"{path} has the schema {found}, this Callgate reads {REVISION}: "
        "use the version that wrote it, or start this gateway once to bring it up to date"
    )


def _advice(path: Path) -> str:
    journal = path.with_name(path.name + "-wal")
    if not journal.exists() or os.access(path.parent, os.W_OK):
        return ""
    return f"; {journal.name} needs a directory that can be written to: copy both to one"


def driver(connection: Connection) -> sqlite3.Connection:
    """The bare connection: for what must be fast or must raise the driver's own errors."""
    bare = connection.connection.driver_connection
    assert isinstance(bare, sqlite3.Connection)  # noqa: S101 - for the type checker
    return bare


def said(error: Exception) -> str:
    """The database's own words, without statement and parameters: those hold what calls carried."""
    return str(error.orig) if isinstance(error, DBAPIError) else str(error)


def _create(path: Path) -> None:
    # Arguments of calls are nobody else's business: SQLite gives -wal and -shm the same mode.
    # O_EXCL: opening and closing an existing file would drop SQLite's locks on it.
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        pass
    except OSError as error:
        raise StoreError(f"{path} cannot be created: {error.strerror}") from error


def _is_frozen(path: Path) -> bool:
    """Whether nobody can write to it: not who may write elsewhere, and not another process."""
    return hasattr(os, "statvfs") and bool(os.statvfs(path).f_flag & os.ST_RDONLY)


def _engine(path: Path, mode: str, busy_timeout_seconds: float) -> Engine:
    uri = f"file:{quote(str(path.absolute()))}?mode={mode}"

    def connect() -> sqlite3.Connection:
        bare = sqlite3.connect(
            uri,
            uri=True,
            timeout=busy_timeout_seconds,
            isolation_level=None,  # transactions begin where we say so
            cached_statements=STATEMENTS,
        )
        bare.text_factory = _text
        return bare

    return create_engine("sqlite://", creator=connect, poolclass=NullPool)


def _text(raw: bytes) -> str:
    return raw.decode(errors="surrogateescape")  # a tampered text must be readable to be named


def _begin(connection: Connection) -> None:
    driver(connection).execute("BEGIN IMMEDIATE")


def _set_up(connection: Connection, settings: StoreSettings) -> None:
    bare = driver(connection)
    bare.execute(f"PRAGMA page_size = {PAGE_BYTES}")  # counts for a file that is empty
    _set_write_ahead_log(bare, settings)
    bare.execute(f"PRAGMA synchronous = {settings.synchronous}")
    bare.execute("PRAGMA secure_delete = FAST")  # no page has copies of what it once held
    found = _revision(connection, settings.path)
    if found is None:
        begin(connection)
    elif found != REVISION:
        from callgate.storage.migrations.upgrade import (  # noqa: PLC0415 - 0.3 s, once per schema
            upgrade,
        )

        if found in ("0001", "0002"):
            _refuse_older_writers(bare, settings.path)
        upgrade(connection, found, str(settings.path))


def _refuse_older_writers(bare: sqlite3.Connection, path: Path) -> None:
    """Gateways of before the logs write to the tables that go: their calls would be refused."""
    for token, pid in bare.execute("SELECT token, pid FROM writers WHERE ended_at IS NULL"):
        life = FileLife.claim(path, str(token))
        if life is None:
            raise StoreError(
                f"{path} is of an older Callgate, and a gateway of that version still writes to it "
                f"(process {pid}): stop it first"
            )
        life.end()


def _set_write_ahead_log(bare: sqlite3.Connection, settings: StoreSettings) -> None:
    # Two first opens at once: here SQLite does not wait, whatever its busy timeout.
    attempts = int(settings.busy_timeout_seconds / WAIT_SECONDS)
    while True:
        try:
            (mode,) = bare.execute("PRAGMA journal_mode = WAL").fetchone()
            break
        except sqlite3.OperationalError as error:
            attempts -= 1
            if attempts < 0 or error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise
            time.sleep(WAIT_SECONDS)
    if mode != "wal":
        raise StoreError(
            f"{settings.path} lies on a file system without shared memory: use a local disk"
        )


def _revision(connection: Connection, path: Path) -> str | None:
    """The revision of the schema; None for an empty database."""
    bare = driver(connection)
    tables = {name for (name,) in bare.execute("SELECT name FROM sqlite_schema")}
    if not tables:
        return None
    if "alembic_version" not in tables:
        raise StoreError(f"{path} is a database, but not a record of Callgate")
    row: Any = bare.execute("SELECT version_num FROM alembic_version").fetchone()
    return None if row is None else str(row[0])
