"""Full-text search by SQLite's FTS5: the words alone, in tables that can be dropped one by one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from callgate.audit.place import place, position
from callgate.audit.searching import Search, Term
from callgate.storage.index.bits import BLOCK
from callgate.storage.index.link import Link
from callgate.storage.index.words import Said

# What FTS5 has of a text that it does not keep cannot be taken out singly by every SQLite: what is
# erased goes with all that is in the same table, which is then filled again.
BLOCKS_OF_TABLE = 512
_TABLES = "SELECT name FROM sqlite_schema WHERE name GLOB 'search_words_[0-9]*_[0-9]*'"


class SqliteWords:
    """Implements Words."""

    def create(self, index: Link) -> None:
        """Tables are made as they are needed."""

    def drop(self, index: Link) -> None:
        for name in _tables(index):
            index.ask(f"DROP TABLE {name}")

    def add(self, index: Link, log: int, number: int, said: Sequence[Said]) -> None:
        name = _table(log, number)
        # ascii: what is no ASCII letter or digit belongs to words; ours have spaces between them.
        index.ask(
            f"CREATE VIRTUAL TABLE IF NOT EXISTS {name} "
            "USING fts5(words, content='', tokenize='ascii')"
        )
        if said:
            index.tell(f"INSERT INTO {name} (rowid, words) VALUES (?, ?)", said)  # noqa: S608 - a name of ours

    def forget(self, index: Link, log: int, number: int) -> range:
        index.ask(f"DROP TABLE IF EXISTS {_table(log, number)}")
        first = number - number % BLOCKS_OF_TABLE
        return range(first, first + BLOCKS_OF_TABLE)

    def hits(
        self, index: Link, search: Search, first: int, last: int, most: int | None = None
    ) -> Iterator[int]:
        there = set(_tables(index))
        log, first_seq = place(first)
        size = BLOCK * BLOCKS_OF_TABLE
        for number in range(place(last)[1] // size, first_seq // size - 1, -1):
            name = _table(log, number * BLOCKS_OF_TABLE)
            if name in there:
                bounds = (
                    max(first, position(log, number * size)),
                    min(last, position(log, (number + 1) * size) - 1),
                )
                rows = index.ask(
                    f"SELECT rowid FROM {name} WHERE {name} MATCH ? AND rowid BETWEEN ? AND ? "  # noqa: S608 - a name of ours
                    "ORDER BY rowid DESC",
                    (query(search), *bounds),
                )
                yield from (at for (at,) in rows)


def _table(log: int, number: int) -> str:
    return f"search_words_{log}_{number // BLOCKS_OF_TABLE}"


def _tables(index: Link) -> list[str]:
    names = [str(name) for (name,) in index.ask(_TABLES)]
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
