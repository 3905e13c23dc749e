"""A connection as the index uses it: statements with `?`, whatever the database, without an ORM."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:  # neither is needed to keep the index of a SQLite file
    import psycopg
    from sqlalchemy import Connection

Rows = Iterator[tuple[Any, ...]]


class Link(Protocol):
    """What is asked and told here is ours: values come apart from it, numbers may stand in it.

    Outside of `one_change` each statement sees what is committed when it begins.
    """

    has_bytes: bool  # whether `bytes_of` gives bytes; else it gives a text
    bytes_of: str  # an expression for the bytes of the text `{}`

    def ask(self, statement: str, values: Sequence[object] = ()) -> Rows:
        """The rows, as they are found. Also for statements without any."""

    def tell(self, statement: str, rows: Iterable[Sequence[object]]) -> None:
        """The statement with each of the rows."""


class SqliteLink:
    """Implements Link."""

    has_bytes = True
    bytes_of = "CAST({} AS BLOB)"

    def __init__(self, bare: sqlite3.Connection) -> None:
        self._bare = bare

    def ask(self, statement: str, values: Sequence[object] = ()) -> Rows:
        return self._bare.execute(statement, values)

    def tell(self, statement: str, rows: Iterable[Sequence[object]]) -> None:
        self._bare.executemany(statement, rows)


class PostgresLink:
    """Implements Link."""

    has_bytes = False
    bytes_of = "{}"

    def __init__(self, bare: psycopg.Connection[Any]) -> None:
        self._bare = bare

    def ask(self, statement: str, values: Sequence[object] = ()) -> Rows:
        cursor = self._bare.execute(statement.replace("?", "%s"), values or None)
        return iter(cursor) if cursor.description is not None else iter(())

    def tell(self, statement: str, rows: Iterable[Sequence[object]]) -> None:
        with self._bare.cursor() as cursor:
            cursor.executemany(statement.replace("?", "%s"), rows)


def link_of(connection: Connection) -> Link:
    """Of SQLAlchemy's connection, which must not be in a transaction of its own."""
    bare: Any = connection.connection.driver_connection
    return SqliteLink(bare) if isinstance(bare, sqlite3.Connection) else PostgresLink(bare)


@contextmanager
def one_change(link: Link) -> Iterator[None]:
    """A transaction: all of it or nothing. Of the only one who writes."""
    is_file = isinstance(link, SqliteLink)
    link.ask("BEGIN IMMEDIATE" if is_file else "BEGIN")
    try:
        yield
    except BaseException:
        with suppress(Exception):  # the connection may be gone; what went wrong is already known
            link.ask("ROLLBACK")
        raise
    link.ask("COMMIT")


@contextmanager
def one_view(link: Link) -> Iterator[None]:
    """Everything that is asked within is of one moment. Of one who only reads."""
    link.ask("BEGIN")
    try:
        yield
    finally:
        with suppress(Exception):  # as above
            link.ask("COMMIT")


def marks(count: int) -> str:
    """So many marks for values."""
    return ", ".join(["?"] * count)


def listed(numbers: Iterable[int]) -> str:
    """Numbers to stand in a statement: there may be more of them than a driver takes values."""
    return ", ".join(map(str, numbers))
