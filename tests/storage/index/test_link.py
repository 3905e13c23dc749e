"""SQLite and PostgreSQL take the same statements."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest

from callgate.storage.index.link import Link, PostgresLink, SqliteLink, listed, marks, one_change
from fakes.postgres import a_database


@pytest.fixture(params=["sqlite", "postgres"])
def link(request: pytest.FixtureRequest) -> Iterator[Link]:
    if request.param == "sqlite":
        with closing(sqlite3.connect(":memory:", isolation_level=None)) as bare:
            yield SqliteLink(bare)
        return
    with a_database() as url, psycopg.connect(url, autocommit=True) as connection:
        yield PostgresLink(connection)


def test_what_is_told_can_be_asked(link: Link) -> None:
    assert [*link.ask("CREATE TABLE t (number INTEGER, word TEXT)")] == []
    link.tell("INSERT INTO t VALUES (?, ?)", [(1, "a?b"), (2, "100%"), (3, "ü")])
    link.tell("INSERT INTO t VALUES (?, ?)", [])
    query = f"SELECT word FROM t WHERE number IN ({marks(2)}) ORDER BY number"
    assert [*link.ask(query, (1, 2))] == [("a?b",), ("100%",)]
    query = f"SELECT number FROM t WHERE word LIKE '%b' AND number IN ({listed([1, 2])})"
    assert [*link.ask(query)] == [(1,)]


def test_texts_come_as_bytes_or_are_said_to_be_texts(link: Link) -> None:
    link.ask("CREATE TABLE t (word TEXT)")
    link.ask("INSERT INTO t VALUES (?)", ("ü",))
    ((word,),) = link.ask(f"SELECT {link.bytes_of.format('word')} FROM t")
    assert word == ("ü".encode() if link.has_bytes else "ü")


def test_change_is_made_whole_or_not_at_all(link: Link) -> None:
    link.ask("CREATE TABLE t (number INTEGER)")
    with pytest.raises(ZeroDivisionError), one_change(link):
        link.ask("INSERT INTO t VALUES (1)")
        raise ZeroDivisionError
    assert [*link.ask("SELECT * FROM t")] == []
    with one_change(link):
        link.ask("INSERT INTO t VALUES (2)")
    assert [*link.ask("SELECT * FROM t")] == [(2,)]
