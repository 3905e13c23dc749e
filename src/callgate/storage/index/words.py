"""What is said in calls, to be searched: the same words on every database."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Protocol

from sqlalchemy import Connection

from callgate.audit.searching import LONGEST_WORD, Search, bounded, texts_of, words
from callgate.model import Json

_SPACES = {code: " " for code in range(128) if not chr(code).isalnum()}
_LONG = re.compile(rf"([a-z0-9]{{{LONGEST_WORD}}})[a-z0-9]+")

Said = tuple[int, str]
"""The position of an outcome, and all words of its call: `plain`."""


class Words(Protocol):
    """Full-text search by a database. Positions are those of outcomes."""

    def create(self, connection: Connection) -> None:
        """Makes what it needs, where that is not there."""

    def drop(self, connection: Connection) -> None:
        """Takes away all of it."""

    def add(self, connection: Connection, log: int, number: int, said: Sequence[Said]) -> None:
        """Adds a block of which nothing is there."""

    def forget(self, connection: Connection, log: int, number: int) -> range:
        """Takes away a block; returns all the blocks that are gone with it."""

    def hits(self, connection: Connection, search: Search, first: int, last: int) -> Iterator[int]:
        """Where the search finds something among these positions, the last one first."""


def plain(call: dict[str, Json]) -> str:
    """The words that a call is found by, with spaces between them."""
    texts = " ".join(bounded(texts_of(call)))
    if texts.isascii():  # at once, as `searching.words` does one by one
        return _LONG.sub(r"\1", texts.lower().translate(_SPACES))
    return " ".join(words(texts))
