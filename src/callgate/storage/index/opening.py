"""Opening the index: a file of its own beside SQLite's, tables of its own in PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from sqlalchemy import Connection

from callgate.ports import StoreError
from callgate.storage.databases import database_of
from callgate.storage.index import file
from callgate.storage.index.link import Link, link_of
from callgate.storage.index.schema import FORM, form
from callgate.storage.index.words import Words
from callgate.storage.index.words_postgres import PostgresWords
from callgate.storage.index.words_sqlite import SqliteWords
from callgate.storage.settings import StoreSettings

_LOCK = 0x63616C6C_73726368  # of PostgreSQL's advisory locks: who writes to the index


def words_of(settings: StoreSettings) -> Words:
    """The full-text search of the database."""
    return SqliteWords() if settings.url is None else PostgresWords()


class Index:
    """Connections to the index. Safe to share among threads."""

    def __init__(self, settings: StoreSettings) -> None:
        self._settings = settings
        self.words = words_of(settings)

    @contextmanager
    def reading(self, record: Connection) -> Iterator[Link | None]:
        """None where there is none that can be used: then calls are looked for singly.

        `record`: a connection to the record itself; in PostgreSQL the index is behind the same.
        """
        if self._settings.url is None:
            with file.reading(self._settings.path) as index:
                yield index
        else:
            index = link_of(record)
            yield index if _is_usable_there(index) else None

    def writing(self) -> AbstractContextManager[Link | None]:
        """The index, made where it is not there or cannot be used; None while another writes to it.

        To be changed within `one_change`. Raises StoreError.
        """
        if self._settings.url is None:
            return file.writing(self._settings.path)
        return _in_postgres(self._settings)


def _is_usable_there(record: Link) -> bool:
    ((there,),) = record.ask("SELECT to_regclass('search_facts') IS NOT NULL")
    return bool(there) and form(record) == FORM


@contextmanager
def _in_postgres(settings: StoreSettings) -> Iterator[Link | None]:
    database = database_of(settings)
    try:
        with database.open_to_write(may_create=False) as connection:
            index = link_of(connection)
            ((is_taken,),) = index.ask("SELECT pg_try_advisory_lock(?)", (_LOCK,))
            if not is_taken:
                yield None
                return
            file.prepare(index, PostgresWords())
            yield index  # the lock ends with the connection
    except database.errors as error:
        raise StoreError(
            f"{database.place}: the index cannot be used: {database.said(error)}"
        ) from error
