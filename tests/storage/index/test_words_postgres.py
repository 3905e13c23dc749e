"""tsvectors by themselves: that what is found is right is tests/contracts/test_records.py."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import psycopg
import pytest

from callgate.audit.place import position
from callgate.audit.searching import Search
from callgate.storage.index.bits import BLOCK
from callgate.storage.index.link import Link, PostgresLink
from callgate.storage.index.words_postgres import PostgresWords
from fakes.postgres import a_database


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with a_database() as made:
        yield made


@pytest.fixture
def index(url: str) -> Iterator[Link]:
    with psycopg.connect(url) as made:
        index = PostgresLink(made)
        PostgresWords().create(index)
        yield index
        made.rollback()


def hits(index: Link, written: str, first: int = 0, last: int = 10 * BLOCK) -> list[int]:
    search = Search.parse(written)
    found = PostgresWords().hits(index, search, position(1, first), position(1, last))
    return [at - position(1, 0) for at in found]


def add(index: Link, number: int, *said: str) -> None:
    first = position(1, number * BLOCK)
    rows = [(first + at, words) for at, words in enumerate(said)]
    PostgresWords().add(index, 1, number, rows)


def test_hits_are_within_bounds_the_last_first(index: Link) -> None:
    add(index, 0, "wire transfer", "transfer by wire", "wire", "nothing")
    add(index, 1, "wire transfer")
    assert hits(index, "wire") == [BLOCK, 2, 1, 0]
    assert hits(index, "wire", 1, BLOCK - 1) == [2, 1]
    assert hits(index, '"wire transfer"') == [BLOCK, 0]
    assert hits(index, "trans* -by") == [BLOCK, 0]


class CountingLink:
    """Tells how many rows were delivered."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.delivered = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.link, name)

    def ask(self, statement: str, values: Sequence[object] = ()) -> Iterator[Any]:
        for row in self.link.ask(statement, values):
            self.delivered += 1
            yield row


def test_of_a_word_that_is_everywhere_not_all_is_delivered_where_few_are_wanted(
    index: Link,
) -> None:
    add(index, 0, *["wire"] * BLOCK)
    add(index, 1, "rare", *["wire"] * (BLOCK - 1))
    link = CountingLink(index)
    bounds = position(1, 0), position(1, 2 * BLOCK - 1)
    found = PostgresWords().hits(link, Search.parse("wire"), *bounds, 10)
    assert [next(found) for _ in range(11)][-1] == position(1, 2 * BLOCK - 11)
    assert link.delivered == 20
    assert len(list(found)) == 2 * BLOCK - 1 - 11  # and yet nothing is missing
    (only,) = PostgresWords().hits(index, Search.parse("rare"), *bounds, 10)
    assert only == position(1, BLOCK)


def test_what_is_forgotten_is_gone(index: Link) -> None:
    add(index, 0, "wire")
    add(index, 1, "wire")
    assert PostgresWords().forget(index, 1, 0) == range(1)
    assert hits(index, "wire") == [BLOCK]


def test_phrases_are_found_also_where_a_text_is_too_long_for_their_places(
    index: Link,
) -> None:
    far = " ".join(f"w{number}" for number in range(20_000))
    often = "the end " * 300
    add(index, 0, f"{far} wire transfer", f"{often} wire the", "wire 1e5 0x1f 12abc 7")
    assert hits(index, '"wire transfer"') == [0]
    assert hits(index, '"wire the"') == [1]
    assert hits(index, '"1e5 0x1f 12abc 7"') == [2]


@pytest.mark.parametrize("sign", ["፳", "\U00010fc5", "\u0e79", "힣", "手", "١٢", "𝼀"])
def test_signs_are_letters_whatever_the_locale_of_the_database_says(index: Link, sign: str) -> None:
    add(index, 0, f"a {sign} b")
    assert hits(index, f"{sign}*") == hits(index, f'"a {sign} b"') == [0]


@pytest.mark.parametrize("written", ["a & b", "!x", "a:*B", "a <-> b", "'", "\\\\", "(a | b)"])
def test_nothing_that_is_written_is_syntax(index: Link, written: str) -> None:
    add(index, 0, "something else")
    try:
        Search.parse(written)
    except ValueError:
        return
    assert hits(index, written) == []
