"""tsvectors by themselves: that what is found is right is tests/contracts/test_records.py."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, create_engine

from callgate.audit.place import position
from callgate.audit.searching import Search
from callgate.storage.index.bits import BLOCK
from callgate.storage.index.words_postgres import PostgresWords
from fakes.postgres import a_database


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with a_database() as made:
        yield made.replace("postgresql://", "postgresql+psycopg://")


@pytest.fixture
def connection(url: str) -> Iterator[Connection]:
    engine = create_engine(url)
    with engine.connect() as made:
        PostgresWords().create(made)
        yield made
        made.rollback()
    engine.dispose()


def hits(connection: Connection, written: str, first: int = 0, last: int = 10 * BLOCK) -> list[int]:
    search = Search.parse(written)
    found = PostgresWords().hits(connection, search, position(1, first), position(1, last))
    return [at - position(1, 0) for at in found]


def add(connection: Connection, number: int, *said: str) -> None:
    first = position(1, number * BLOCK)
    rows = [(first + at, words) for at, words in enumerate(said)]
    PostgresWords().add(connection, 1, number, rows)


def test_hits_are_within_bounds_the_last_first(connection: Connection) -> None:
    add(connection, 0, "wire transfer", "transfer by wire", "wire", "nothing")
    add(connection, 1, "wire transfer")
    assert hits(connection, "wire") == [BLOCK, 2, 1, 0]
    assert hits(connection, "wire", 1, BLOCK - 1) == [2, 1]
    assert hits(connection, '"wire transfer"') == [BLOCK, 0]
    assert hits(connection, "trans* -by") == [BLOCK, 0]


def test_what_is_forgotten_is_gone(connection: Connection) -> None:
    add(connection, 0, "wire")
    add(connection, 1, "wire")
    assert PostgresWords().forget(connection, 1, 0) == range(1)
    assert hits(connection, "wire") == [BLOCK]


def test_phrases_are_found_also_where_a_text_is_too_long_for_their_places(
    connection: Connection,
) -> None:
    far = " ".join(f"w{number}" for number in range(20_000))
    often = "the end " * 300
    add(connection, 0, f"{far} wire transfer", f"{often} wire the", "wire 1e5 0x1f 12abc 7")
    assert hits(connection, '"wire transfer"') == [0]
    assert hits(connection, '"wire the"') == [1]
    assert hits(connection, '"1e5 0x1f 12abc 7"') == [2]


@pytest.mark.parametrize("written", ["a & b", "!x", "a:*B", "a <-> b", "'", "\\\\", "(a | b)"])
def test_nothing_that_is_written_is_syntax(connection: Connection, written: str) -> None:
    add(connection, 0, "something else")
    try:
        Search.parse(written)
    except ValueError:
        return
    assert hits(connection, written) == []
