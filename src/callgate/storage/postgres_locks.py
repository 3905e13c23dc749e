"""Locks of PostgreSQL that end with the session that took them: who lives, and who goes first."""

from __future__ import annotations

import hashlib
from contextlib import suppress

import psycopg

from callgate.storage.postgres_connection import GRACE_SECONDS, BoundedConnection

ALONE = "alone"  # taken while logs are claimed
UPGRADE = "upgrade"  # taken while the schema is made or changed


class SessionLife:
    """A lock that the server gives up when it ends our session, for whatever reason.

    INVARIANT: it is taken in the session that writes, so that whoever lost it cannot write either.
    """

    def __init__(self, connection: BoundedConnection, key: int) -> None:
        self._connection = connection
        self._key = key

    def end(self) -> None:
        """Gives it up, if it is not lost with its session anyway."""
        with suppress(psycopg.Error):
            self._connection.held.discard(self._key)
            if not self._connection.closed:
                self._connection.execute("SELECT pg_advisory_unlock(%s)", (self._key,))


def claim(connection: BoundedConnection, token: str) -> SessionLife | None:
    """The lock of this name, at once; None where a session holds it."""
    key = key_of(connection, token)
    if key in connection.held:
        return None  # by ourselves: PostgreSQL would give it to its session twice
    row = connection.execute("SELECT pg_try_advisory_lock(%s)", (key,)).fetchone()
    if row != (True,):
        return None
    connection.held.add(key)
    return SessionLife(connection, key)


def key_of(connection: BoundedConnection, name: str) -> int:
    """The number that stands for a name. Locks are per database: stores may share one by schema."""
    schema = connection.execute("SELECT current_schema()").fetchone()
    digest = hashlib.sha256(f"callgate\0{schema}\0{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def end_session(connection: BoundedConnection, lost: BoundedConnection) -> None:
    """Ends a session that we gave up but the server may not have: it holds our locks."""
    pid, started = lost.session
    connection.execute(
        "SELECT pg_terminate_backend(pid, %s) FROM pg_stat_activity"
        " WHERE pid = %s AND backend_start::text = %s AND pid <> pg_backend_pid()",
        (round(GRACE_SECONDS * 1000), pid, started),
    )
