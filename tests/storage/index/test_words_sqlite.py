"""FTS5 by itself: that what is found is right is tests/contracts/test_records.py."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, create_engine

from callgate.audit.place import position
from callgate.audit.searching import Search
from callgate.storage.index.bits import BLOCK
from callgate.storage.index.words_sqlite import BLOCKS_OF_TABLE, SqliteWords, query

TABLE = BLOCK * BLOCKS_OF_TABLE


@pytest.fixture
def connection() -> Iterator[Connection]:
    with create_engine("sqlite://").connect() as made:
        yield made


def hits(connection: Connection, written: str, first: int = 0, last: int = 10 * TABLE) -> list[int]:
    search = Search.parse(written)
    found = SqliteWords().hits(connection, search, position(1, first), position(1, last))
    return [at - position(1, 0) for at in found]


@pytest.fixture
def words(connection: Connection) -> SqliteWords:
    words = SqliteWords()
    for number in (0, BLOCKS_OF_TABLE - 1, BLOCKS_OF_TABLE):
        at = position(1, number * BLOCK)
        words.add(connection, 1, number, [(at, "wire transfer"), (at + 3, "transfer by wire")])
    words.add(connection, 2, 0, [(position(2, 0), "wire transfer")])
    return words


def test_hits_are_of_one_log_the_last_first_across_tables(
    connection: Connection, words: SqliteWords
) -> None:
    last = (BLOCKS_OF_TABLE - 1) * BLOCK
    assert hits(connection, "wire") == [TABLE + 3, TABLE, last + 3, last, 3, 0]
    assert hits(connection, '"wire transfer"') == [TABLE, last, 0]
    assert hits(connection, "wire", 1, TABLE) == [TABLE, last + 3, last, 3]
    assert hits(connection, "nothing") == []


def test_what_is_forgotten_is_gone_with_its_table(
    connection: Connection, words: SqliteWords
) -> None:
    assert words.forget(connection, 1, 7) == range(BLOCKS_OF_TABLE)
    assert hits(connection, "wire") == [TABLE + 3, TABLE]
    names = connection.exec_driver_sql("SELECT name FROM sqlite_schema").scalars().all()
    assert not any(name.startswith("search_words_1_0") for name in names)
    words.drop(connection)
    assert connection.exec_driver_sql("SELECT name FROM sqlite_schema").scalars().all() == []


@pytest.mark.parametrize(
    "written",
    ["AND", "NOT near", 'a" OR "b', "words:x", "^a", "(", "{a b}: c", "a + b", "NEAR(a b)"],
)
def test_nothing_that_is_written_is_syntax(connection: Connection, written: str) -> None:
    words = SqliteWords()
    words.add(connection, 1, 0, [(position(1, 0), "something else")])
    try:
        search = Search.parse(written)
    except ValueError:
        return
    assert list(words.hits(connection, search, position(1, 0), position(1, 9))) == []


def test_unwanted_phrases_are_left_to_those_who_look() -> None:
    assert query(Search.parse('a "b c" d* -e -"f g"')) == ('("a" AND "b c" AND "d" *) NOT ("e")')
    assert query(Search.parse('a -"f g"')) == '"a"'
