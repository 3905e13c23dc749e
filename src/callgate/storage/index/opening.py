"""Opening the index: a file of its own beside SQLite's, tables of its own in PostgreSQL."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import (
    Connection,
    Engine,
    NullPool,
    Table,
    create_engine,
    event,
    insert,
    select,
    text,
)
from sqlalchemy.exc import DBAPIError

from callgate.ports import StoreError
from callgate.storage.databases import database_of
from callgate.storage.index.schema import FORM, facts, metadata
from callgate.storage.index.words import Words
from callgate.storage.index.words_postgres import PostgresWords
from callgate.storage.index.words_sqlite import SqliteWords
from callgate.storage.liveness import FileLife
from callgate.storage.settings import StoreSettings

SUFFIX = "-search"  # of the file beside that of the record
BUSY_SECONDS = 5.0
ERRORS = (sqlite3.Error, DBAPIError, OSError)
_LOCK = 0x63616C6C_73726368  # of PostgreSQL's advisory locks: who writes to the index


def file_of(settings: StoreSettings) -> Path:
    """Where the index of a SQLite record is."""
    return settings.beside(SUFFIX)


def words_of(settings: StoreSettings) -> Words:
    """The full-text search of the database."""
    return SqliteWords() if settings.url is None else PostgresWords()


class Index:
    """Connections to the index. Safe to share among threads."""

    def __init__(self, settings: StoreSettings) -> None:
        self._settings = settings
        self._reading: Engine | None = None
        self.words = words_of(settings)

    @contextmanager
    def reading(self, record: Connection) -> Iterator[Connection | None]:
        """None where there is none that can be used: then calls are looked for singly.

        `record`: a connection to the record itself; in PostgreSQL the index is behind the same.
        """
        if self._settings.url is not None:
            yield record if _is_usable_there(record) else None
            return
        connection = self._connect()
        if connection is None:
            yield None
            return
        with connection:
            yield connection if _has_form(connection) else None

    def _connect(self) -> Connection | None:
        file = file_of(self._settings)
        if not file.is_file():
            return None
        if self._reading is None:
            self._reading = _engine(file, "ro")
        try:
            return self._reading.connect()
        except ERRORS:
            return None

    def writing(self) -> AbstractContextManager[Connection | None]:
        """The index, made where it is not there or cannot be used; None while another writes to it.

        To be changed within `one_change`. Raises StoreError.
        """
        return _in_postgres(self._settings) if self._settings.url else _in_file(self._settings)


def _is_usable_there(record: Connection) -> bool:
    there = record.execute(text("SELECT to_regclass('search_facts')")).scalar()
    return there is not None and _has_form(record)


def _has_form(connection: Connection) -> bool:
    try:
        query = select(facts.c.value).where(facts.c.name == "form")
        return connection.execute(query).scalar() == FORM
    except ERRORS:  # damaged, or in the making
        return False


@contextmanager
def _in_file(settings: StoreSettings) -> Iterator[Connection | None]:
    file = file_of(settings)
    try:
        life = FileLife.claim(settings.path, "search")
        if life is None:
            yield None
            return
        try:
            with _writable(file) as connection:
                _prepare(connection, settings)
                yield connection
        finally:
            life.end()
    except ERRORS as error:
        raise StoreError(
            f"{file} cannot be used ({_said(error)}); it may be deleted, it is made anew"
        ) from error


@contextmanager
def _in_postgres(settings: StoreSettings) -> Iterator[Connection | None]:
    database = database_of(settings)
    try:
        with database.open_to_write(may_create=False) as connection:
            taken = text("SELECT pg_try_advisory_lock(:key)")
            if not connection.execute(taken, {"key": _LOCK}).scalar():
                yield None
                return
            connection.rollback()
            _prepare(connection, settings)
            yield connection  # the lock ends with the connection
    except database.errors as error:
        raise StoreError(
            f"{database.place}: the index cannot be used: {database.said(error)}"
        ) from error


@contextmanager
def _writable(file: Path) -> Iterator[Connection]:
    # What is found there is from arguments: nobody else's business. SQLite gives -wal and -shm the
    # same mode. O_EXCL: closing an existing file would drop SQLite's locks on it.
    with suppress(FileExistsError):
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    engine = _engine(file, "rw")
    event.listen(engine, "begin", _begin)
    with engine.connect() as connection:
        bare = connection.connection.driver_connection
        assert isinstance(bare, sqlite3.Connection)  # noqa: S101 - for the type checker
        bare.execute("PRAGMA journal_mode = WAL")
        bare.execute("PRAGMA synchronous = NORMAL")
        bare.execute("PRAGMA secure_delete = ON")  # what was erased is not left in free pages
        yield connection


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _engine(file: Path, mode: str) -> Engine:
    uri = f"file:{quote(str(file.absolute()))}?mode={mode}"
    return create_engine(
        "sqlite://",
        creator=lambda: sqlite3.connect(
            uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        ),
        poolclass=NullPool,
    )


def _prepare(connection: Connection, settings: StoreSettings) -> None:
    """Makes the tables where they are not there, or not of this form."""
    with one_change(connection):
        facts.create(connection, checkfirst=True)
        found = connection.execute(select(facts.c.value).where(facts.c.name == "form")).scalar()
    if found == FORM:
        return
    throw_away(connection, settings)
    with one_change(connection):
        metadata.create_all(connection)
        words_of(settings).create(connection)
        connection.execute(insert(facts).values(name="form", value=FORM))


@contextmanager
def one_change(connection: Connection) -> Iterator[None]:
    """A transaction: all of it or nothing, after reading what there is."""
    if connection.in_transaction():
        connection.rollback()  # of questions alone
    with connection.begin():
        yield


def insert_many(connection: Connection, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
    """Rows with all columns in order. Not through Core: it would take longer than the database."""
    if rows:
        mark = "?" if connection.dialect.paramstyle == "qmark" else "%s"
        marks = ", ".join([mark] * len(table.columns))
        connection.exec_driver_sql(f"INSERT INTO {table.name} VALUES ({marks})", list(rows))  # noqa: S608 - a table of ours


def throw_away(connection: Connection, settings: StoreSettings) -> None:
    """Drops all tables of the index."""
    with one_change(connection):
        words_of(settings).drop(connection)
        metadata.drop_all(connection)


def _said(error: Exception) -> str:
    return str(error.orig) if isinstance(error, DBAPIError) else str(error)
