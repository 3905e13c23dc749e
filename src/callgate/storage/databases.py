"""Which database the record is in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

from sqlalchemy import Connection

from callgate.ports import StoreError
from callgate.storage.database import Database
from callgate.storage.settings import StoreSettings
from callgate.storage.sqlite import SqliteDatabase


def database_of(settings: StoreSettings) -> Database:
    """The database that the settings name. Raises StoreError where a package for it is missing."""
    if settings.url is None:
        return SqliteDatabase(settings)
    try:
        from callgate.storage.postgres import PostgresDatabase  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise StoreError(
            f"store.url needs the package {error.name}: pip install 'callgate[postgres]'"
        ) from error
    return PostgresDatabase(settings)


@contextmanager
def faults_of(database: Database, what: str = "") -> Iterator[None]:
    """Where the database fails, StoreError, with its own words; `what` stands behind its place."""
    try:
        yield
    except database.errors as error:
        raise StoreError(f"{database.place}{what}: {database.said(error)}") from error


@contextmanager
def alone_in(database: Database) -> Iterator[Connection]:
    """A transaction while nobody else writes, by a connection of its own. StoreError."""
    with (
        faults_of(database),
        closing(database.open_to_write(may_create=False)) as connection,
        database.alone(connection),
    ):
        yield connection
