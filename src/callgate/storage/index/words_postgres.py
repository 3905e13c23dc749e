"""Full-text search by PostgreSQL: a tsvector for each call, and a GIN index over them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from callgate.audit.place import position
from callgate.audit.searching import Search, Term
from callgate.storage.index.bits import BLOCK
from callgate.storage.index.link import Link
from callgate.storage.index.words import Said

# A tsvector has no positions for what comes after: there phrases cannot be told.
MOST_PLACED_WORDS = 16_000
MOST_PLACES_OF_WORD = 255
FURTHER = 4  # times as far, where too few were found so far

_CREATE = (
    "CREATE TABLE IF NOT EXISTS search_words "
    "(position BIGINT PRIMARY KEY, is_long BOOLEAN NOT NULL, words TSVECTOR NOT NULL)",
    "CREATE INDEX IF NOT EXISTS search_words_words ON search_words USING GIN (words)",
)
# Written out, not parsed by PostgreSQL: its letters and digits are those of its locale.
_ADD = "INSERT INTO search_words VALUES (?, ?, ?::tsvector)"
_FORGET = "DELETE FROM search_words WHERE position BETWEEN ? AND ?"
# Without ORDER BY and LIMIT: they would have PostgreSQL read row by row where few are found.
_HITS = (
    "SELECT position FROM search_words WHERE position BETWEEN ? AND ? "
    "AND words @@ ?::tsquery AND (is_long OR words @@ ?::tsquery)"
)


class PostgresWords:
    """Implements Words."""

    def create(self, index: Link) -> None:
        for statement in _CREATE:
            index.ask(statement)

    def drop(self, index: Link) -> None:
        index.ask("DROP TABLE IF EXISTS search_words")

    def add(self, index: Link, log: int, number: int, said: Sequence[Said]) -> None:
        if said:
            index.tell(_ADD, [(at, *_vector(words.split())) for at, words in said])

    def forget(self, index: Link, log: int, number: int) -> range:
        first = position(log, number * BLOCK)
        index.ask(_FORGET, (first, first + BLOCK - 1))
        return range(number, number + 1)

    def hits(
        self, index: Link, search: Search, first: int, last: int, most: int | None = None
    ) -> Iterator[int]:
        # All of a stretch are delivered, so the first is not longer than as many could be in.
        size = last - first + 1 if most is None else 2 * most
        while last >= first:
            start = max(first, last - size + 1)
            found = index.ask(_HITS, (start, last, _words(search), _phrases(search)))
            yield from sorted((at for (at,) in found), reverse=True)
            last = start - 1
            size *= FURTHER


def _vector(words: Sequence[str]) -> tuple[bool, str]:
    """Whether some have no place, and each with its places."""
    places: dict[str, list[str]] = {}
    for at, word in enumerate(words, 1):
        places.setdefault(word, []).append(str(min(at, MOST_PLACED_WORDS)))
    most = max(map(len, places.values()), default=0)
    written = (f"'{word}':{','.join(ats[:MOST_PLACES_OF_WORD])}" for word, ats in places.items())
    return len(words) > MOST_PLACED_WORDS or most > MOST_PLACES_OF_WORD, " ".join(written)


def _words(search: Search) -> str:
    """All words that must be there, and those that must not. No syntax in it is anybody's."""
    wanted = [_each(term, " & ") for term in search.wanted]
    # A phrase may stand where one text ends and the next begins, which is none: see words_sqlite.
    unwanted = [f"!{_each(term, ' & ')}" for term in search.unwanted if len(term.words) == 1]
    return " & ".join((*wanted, *unwanted))


def _phrases(search: Search) -> str:
    return " & ".join(f"({_each(term, ' <-> ')})" for term in search.wanted)


def _each(term: Term, joined: str) -> str:
    # Words are letters and digits only: no quote can be among them.
    *first, last = (f"'{word}'" for word in term.words)
    return joined.join((*first, f"{last}:*" if term.is_prefix else last))
