"""Full-text search by SQLite's FTS5: the words alone, in tables that can be dropped one by one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import Connection, text

from callgate.audit.place import place, position
from callgate.audit.searching import Search, Term
from callgate.storage.index.bits import BLOCK
from callgate.storage.index.words import Said

# What FTS5 has of a text that it does not keep cannot be taken out singly by every SQLite: what is
# erased goes with all that is in the same table, which is then filled again.
BLOCKS_OF_TABLE = 512
_TABLES = text("SELECT name FROM sqlite_schema WHERE name GLOB 'search_words_[0-9]*_[0-9]*'")


class SqliteWords:
    """Implements Words."""

    def create(self, connection: Connection) -> None:
        """Tables are made as they are needed."""

    def drop(self, connection: Connection) -> None:
        for name in _tables(connection):
            connection.exec_driver_sql(f"DROP TABLE {name}")

    def add(self, connection: Connection, log: int, number: int, said: Sequence[Said]) -> None:
        name = _table(log, number)
        # ascii: what is no ASCII letter or digit belongs to words; ours have spaces between them.
        connection.exec_driver_sql(
            f"CREATE VIRTUAL TABLE IF NOT EXISTS {name} "
            "USING fts5(words, content='', tokenize='ascii')"
        )
        if said:
            rows = [(at, words) for at, words in said]
            connection.exec_driver_sql(f"INSERT INTO {name} (rowid, words) VALUES (?, ?)", rows)  # noqa: S608 - a name of ours

    def forget(self, connection: Connection, log: int, number: int) -> range:
        connection.exec_driver_sql(f"DROP TABLE IF EXISTS {_table(log, number)}")
        first = number - number % BLOCKS_OF_TABLE
        return range(first, first + BLOCKS_OF_TABLE)

    def hits(self, connection: Connection, search: Search, first: int, last: int) -> Iterator[int]:
        there = set(_tables(connection))
        log, first_seq = place(first)
        size = BLOCK * BLOCKS_OF_TABLE
        for number in range(place(last)[1] // size, first_seq // size - 1, -1):
            name = _table(log, number * BLOCKS_OF_TABLE)
            if name in there:
                bounds = (
                    max(first, position(log, number * size)),
                    min(last, position(log, (number + 1) * size) - 1),
                )
                yield from connection.exec_driver_sql(
                    f"SELECT rowid FROM {name} WHERE {name} MATCH ? AND rowid BETWEEN ? AND ? "  # noqa: S608 - a name of ours
                    "ORDER BY rowid DESC",
                    (query(search), *bounds),
                ).scalars()


def _table(log: int, number: int) -> str:
    return f"search_words_{log}_{number // BLOCKS_OF_TABLE}"


def _tables(connection: Connection) -> list[str]:
    names = connection.execute(_TABLES).scalars()
    return [name for name in names if name.removeprefix("search_words_").replace("_", "").isdigit()]


def query(search: Search) -> str:
    """The search in FTS5's own words; nothing in it is anybody's syntax but ours."""
    wanted = " AND ".join(map(_term, search.wanted))
    # FTS5 finds a phrase also where one text ends and the next begins: what finds too much must not
    # exclude anything.
    unwanted = " OR ".join(_term(term) for term in search.unwanted if len(term.words) == 1)
    return f"({wanted}) NOT ({unwanted})" if unwanted else wanted


def _term(term: Term) -> str:
    # Words are letters and digits only: no quote can be among them.
    return f'"{" ".join(term.words)}"{" *" if term.is_prefix else ""}'
