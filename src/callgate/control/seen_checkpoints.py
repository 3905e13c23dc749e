"""What a witness has seen: the newest checkpoint of each log, in a small SQLite file of its own."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from callgate.model import Value
from callgate.ports import StoreError

BUSY_SECONDS = 5.0
_TABLE = """
CREATE TABLE IF NOT EXISTS seen (
    origin TEXT PRIMARY KEY, size INTEGER NOT NULL, root BLOB NOT NULL, note TEXT NOT NULL
) STRICT
"""


class Seen(Value):
    """The newest checkpoint of one log."""

    size: int
    root: bytes
    note: str


class SeenCheckpoints:
    """Safe for several threads, and for several processes with the same file."""

    def __init__(self, path: Path) -> None:
        """Makes the file where there is none, for its owner only. Raises StoreError."""
        self._path = path
        self._lock = threading.Lock()
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            self._connection = sqlite3.connect(
                path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.execute(_TABLE)
        except (OSError, sqlite3.Error) as error:
            raise self._fault(error) from None

    def replace(self, origin: str, decide: Callable[[Seen | None], Seen]) -> Seen:
        """Puts what `decide` makes of the newest one in its place, durably. Raises StoreError.

        Nobody else is in between. What `decide` raises leaves all as it was.
        """
        with self._lock:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                try:
                    new = decide(self._of(origin))
                    self._connection.execute(
                        "INSERT OR REPLACE INTO seen VALUES (?, ?, ?, ?)",
                        (origin, new.size, new.root, new.note),
                    )
                except BaseException:
                    self._connection.execute("ROLLBACK")
                    raise
                self._connection.execute("COMMIT")
            except sqlite3.Error as error:
                with suppress(sqlite3.Error):
                    self._connection.rollback()
                raise self._fault(error) from None
        return new

    def newest(self, origin: str) -> Seen | None:
        """The newest one of this log. Raises StoreError."""
        with self._lock:
            try:
                return self._of(origin)
            except sqlite3.Error as error:
                raise self._fault(error) from None

    def close(self) -> None:
        """Closes the file."""
        with self._lock:
            self._connection.close()

    def _of(self, origin: str) -> Seen | None:
        query = "SELECT size, root, note FROM seen WHERE origin = ?"
        row = self._connection.execute(query, (origin,)).fetchone()
        return None if row is None else Seen(size=row[0], root=row[1], note=row[2])

    def _fault(self, error: Exception) -> StoreError:
        return StoreError(f"{self._path}: {error}")
