"""What is said in calls, to be searched: the same words on every database."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Protocol

from callgate.audit.searching import LONGEST_WORD, Search, bounded, texts_of, words
from callgate.model import Json
from callgate.storage.index.link import Link

_SPACES = {code: " " for code in range(128) if not chr(code).isalnum()}
_SPACES_WITHIN_LINES = {code: to for code, to in _SPACES.items() if code != ord("\n")}
_AS_ONE = {code: "a" for code in range(128) if chr(code).isalnum()}
_TOO_LONG = "a" * (LONGEST_WORD + 1)
_LONG = re.compile(rf"([a-z0-9]{{{LONGEST_WORD}}})[a-z0-9]+")

Said = tuple[int, str]
"""The position of an outcome, and all words of its call: `plain`."""


class Words(Protocol):
    """Full-text search by a database. Positions are those of outcomes."""

    def create(self, index: Link) -> None:
        """Makes what it needs, where that is not there."""

    def drop(self, index: Link) -> None:
        """Takes away all of it."""

    def add(self, index: Link, log: int, number: int, said: Sequence[Said]) -> None:
        """Adds a block of which nothing is there."""

    def forget(self, index: Link, log: int, number: int) -> range:
        """Takes away a block; returns all the blocks that are gone with it."""

    def hits(
        self, index: Link, search: Search, first: int, last: int, most: int | None = None
    ) -> Iterator[int]:
        """Where the search finds something among these positions, the last one first.

        `most`: after about so many nobody asks further; None: all are wanted.
        """


def plain(call: dict[str, Json]) -> str:
    """The words that a call is found by, with spaces between them."""
    return plain_of(" ".join(bounded(texts_of(call))))


def plain_of(texts: str) -> str:
    """The same of what is said in the call, joined by spaces."""
    if texts.isascii():  # at once, as `searching.words` does one by one
        return _cut(texts.lower().translate(_SPACES))
    return " ".join(words(texts))


def plain_of_each(texts: Sequence[str]) -> list[str]:
    """The same of several calls, sooner."""
    joined = "\n".join(texts)
    if not joined.isascii() or joined.count("\n") >= len(texts):
        return [plain_of(one) for one in texts]
    return _cut(joined.lower().translate(_SPACES_WITHIN_LINES)).split("\n")


def _cut(plain: str) -> str:
    # Looking whether there is a long word at all takes a thirtieth of the time.
    is_long = _TOO_LONG in plain.translate(_AS_ONE)
    return _LONG.sub(r"\1", plain) if is_long else plain
