"""Which database the record is in."""

from __future__ import annotations

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
