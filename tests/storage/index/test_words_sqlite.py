"""FTS5 by itself: that what is found is right is tests/contracts/test_records.py."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from callgate.audit.place import position
from callgate.audit.searching import Search
from callgate.storage.index.bits import BLOCK
from callgate.storage.index.link import Link, SqliteLink
from callgate.storage.index.words_sqlite import BLOCKS_OF_TABLE, SqliteWords, query

TABLE = BLOCK * BLOCKS_OF_TABLE


@pytest.fixture
def index() -> Iterator[Link]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as made:
        yield SqliteLink(made)


def hits(index: Link, written: str, first: int = 0, last: int = 10 * TABLE) -> list[int]:
    search = Search.parse(written)
    found = SqliteWords().hits(index, search, position(1, first), position(1, last))
    return [at - position(1, 0) for at in found]


@pytest.fixture
def words(index: Link) -> SqliteWords:
    words = SqliteWords()
    for number in (0, BLOCKS_OF_TABLE - 1, BLOCKS_OF_TABLE):
        at = position(1, number * BLOCK)
        words.add(index, 1, number, [(at, "wire transfer"), (at + 3, "transfer by wire")])
    words.add(index, 2, 0, [(position(2, 0), "wire transfer")])
    return words


def test_hits_are_of_one_log_the_last_first_across_tables(index: Link, words: SqliteWords) -> None:
    last = (BLOCKS_OF_TABLE - 1) * BLOCK
    assert hits(index, "wire") == [TABLE + 3, TABLE, last + 3, last, 3, 0]
    assert hits(index, '"wire transfer"') == [TABLE, last, 0]
    assert hits(index, "wire", 1, TABLE) == [TABLE, last + 3, last, 3]
    assert hits(index, "nothing") == []


def test_what_is_forgotten_is_gone_with_its_table(index: Link, words: SqliteWords) -> None:
    assert words.forget(index, 1, 7) == range(BLOCKS_OF_TABLE)
    assert hits(index, "wire") == [TABLE + 3, TABLE]
    names = [name for (name,) in index.ask("SELECT name FROM sqlite_schema")]
    assert not any(name.startswith("search_words_1_0") for name in names)
    words.drop(index)
    assert [*index.ask("SELECT name FROM sqlite_schema")] == []


@pytest.mark.parametrize(
    "written",
    ["AND", "NOT near", 'a" OR "b', "words:x", "^a", "(", "{a b}: c", "a + b", "NEAR(a b)"],
)
def test_nothing_that_is_written_is_syntax(index: Link, written: str) -> None:
    words = SqliteWords()
    words.add(index, 1, 0, [(position(1, 0), "something else")])
    try:
        search = Search.parse(written)
    except ValueError:
        return
    assert list(words.hits(index, search, position(1, 0), position(1, 9))) == []


def test_unwanted_phrases_are_left_to_those_who_look() -> None:
    assert query(Search.parse('a "b c" d* -e -"f g"')) == ('("a" AND "b c" AND "d" *) NOT ("e")')
    assert query(Search.parse('a -"f g"')) == '"a"'
