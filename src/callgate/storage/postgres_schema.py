"""Whether a PostgreSQL database holds the record, of which schema; brings it up to date, once."""

from __future__ import annotations

from sqlalchemy import Connection

from callgate.ports import StoreError
from callgate.storage.database import NoRecordError
from callgate.storage.migrations.beginning import begin
from callgate.storage.postgres_connection import BoundedConnection, driver
from callgate.storage.postgres_locks import UPGRADE, key_of
from callgate.storage.schema import REVISION

MOST_SECONDS = 3600  # for bringing a large record up to date, or waiting for who does

_TABLES = """
SELECT relname FROM pg_class
WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p')
"""


def revision(connection: BoundedConnection) -> str | None:
    """The revision of the schema; None for an empty database. Raises StoreError for another's."""
    tables = {name for (name,) in connection.execute(_TABLES)}
    if not tables:
        return None
    if not {"alembic_version", "records"} <= tables:
        raise StoreError(
            "it holds tables, but no record of Callgate: take a database of its own, "
            "or a schema of its own by ?options=-csearch_path%3DNAME"
        )
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return None if row is None else str(row[0])


def refuse_other_revision(found: str | None) -> None:
    """For readers, which change nothing. Raises StoreError."""
    if found is None:
        raise NoRecordError("it holds no record yet")
    if found != REVISION:
        raise StoreError(
            f"it has the schema {found}, this Callgate reads {REVISION}: "
            "use the version that wrote it, or start this gateway once to bring it up to date"
        )


def bring_up_to_date(connection: Connection, place: str) -> None:
    """Whoever comes second waits, and then finds it done. Leaves the connection without limits."""
    bare = driver(connection)
    bare.patience_seconds = MOST_SECONDS
    for limit in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
        bare.execute("SELECT set_config(%s, '0', false)", (limit,))
    bare.execute("SELECT pg_advisory_lock(%s)", (key_of(bare, UPGRADE),))  # until the session ends
    found = revision(bare)
    if found is None:
        begin(connection)
    elif found != REVISION:
        from callgate.storage.migrations.upgrade import (  # noqa: PLC0415 - 0.3 s, once per schema
            upgrade,
        )

        upgrade(connection, found, place)
