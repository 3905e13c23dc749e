"""`like` patterns as languages: which can match one text together, and a text for each case."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypeAlias

Pattern: TypeAlias = tuple[str | None, ...]
"""Literal pieces and wildcards (None), none of them twice in a row; a text alone is itself."""

ANYTHING: Pattern = (None,)
MAX_STATES = 3_000  # of the automaton that reads all patterns at once
MAX_TEXTS = 16  # a case with so many texts has enough of them
_MAX_PATHS = 4_000
_FILLERS = "xyzabcdefghijklmnopqrstuvw0123456789"


def pattern_of(pieces: Iterable[str | None]) -> Pattern:
    """The pattern in its one form."""
    found: list[str | None] = []
    for piece in pieces:
        last = found[-1] if found else ""
        if piece is None:
            if not found or last is not None:
                found.append(None)
        elif found and last is not None:
            found[-1] = last + piece
        elif piece:
            found.append(piece)
    return tuple(found) or ("",)


def is_literal(pattern: Pattern) -> bool:
    """Whether it is one text."""
    return None not in pattern


@lru_cache(maxsize=4096)
def _compiled(pattern: Pattern) -> re.Pattern[str]:
    parts = (".*" if piece is None else re.escape(piece) for piece in pattern)
    return re.compile("".join(parts), re.DOTALL)


def fits(pattern: Pattern, text: str) -> bool:
    """Cedar's `like`."""
    return _compiled(pattern).fullmatch(text) is not None


@dataclass(slots=True)
class Case:
    """Texts that fit the same patterns."""

    fitting: frozenset[Pattern]
    shortest: str
    has_plenty: bool = False  # more texts than anybody asks for
    texts: list[str] = field(default_factory=list)  # all of them, where they are few


class TooMany(Exception):  # noqa: N818 - a finding about patterns
    """The patterns have too many cases to be told one by one."""


@lru_cache(maxsize=512)
def cases(patterns: frozenset[Pattern]) -> tuple[Case, ...]:
    """Every case that occurs: which patterns fit a text at the same time. Raises TooMany."""
    return _Automaton(sorted(patterns, key=str)).cases()


def texts_like(patterns: frozenset[Pattern], fitting: frozenset[Pattern]) -> Iterator[str]:
    """Many texts that fit just these of the patterns, none where there is none. Raises TooMany."""
    return _Automaton(sorted(patterns, key=str)).texts_like(fitting)


class _Automaton:
    """All patterns read at once: a state is the set of places reached in all of them.

    Each pattern has a bit per place; a wildcard is a place that every character stays at.
    """

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        self._patterns = patterns
        self._stay = self._start = 0
        self._moves: dict[str, int] = {}  # character → places that it leads on from
        self._final: list[int] = []
        bit = 0
        for pattern in patterns:
            bit = self._add(pattern, bit)
        literal = {c for pattern in patterns for piece in pattern if piece for c in piece}
        self._alphabet = sorted(literal)
        self._other = next((c for c in _FILLERS if c not in literal), "\u4e00")

    def _add(self, pattern: Pattern, bit: int) -> int:
        self._start |= 1 << bit
        for piece in pattern:
            if piece is None:
                self._stay |= 1 << bit
                continue
            for character in piece:
                self._moves[character] = self._moves.get(character, 0) | 1 << bit
                bit += 1
        self._final.append(1 << bit)
        return bit + 1

    def _after(self, state: int, character: str) -> int:
        return (state & self._stay) | (state & self._moves.get(character, 0)) << 1

    def _fitting(self, state: int) -> frozenset[Pattern]:
        return frozenset(
            pattern
            for pattern, final in zip(self._patterns, self._final, strict=True)
            if state & final
        )

    def cases(self) -> tuple[Case, ...]:
        found: dict[frozenset[Pattern], Case] = {}
        seen = {(self._start, False)}
        open_ones = [(self._start, False, "")]
        while open_ones:
            following: list[tuple[int, bool, str]] = []
            for state, is_free, text in open_ones:
                fitting = self._fitting(state)
                case = found.setdefault(fitting, Case(fitting, text))
                case.has_plenty |= is_free
                for character in (*self._alphabet, self._other):
                    after = self._after(state, character), is_free or character == self._other
                    if after not in seen:
                        seen.add(after)
                        following.append((*after, text + character))
            if len(seen) > MAX_STATES:
                raise TooMany
            open_ones = following
        self._count_texts(found)
        return tuple(found.values())

    def texts_like(self, fitting: frozenset[Pattern]) -> Iterator[str]:
        """The shortest ways to a state of this case, and those with one step that is another."""
        starts, before = {self._start: ""}, dict[int, list[tuple[str, int]]]()
        open_ones = deque([self._start])
        while open_ones:
            state = open_ones.popleft()
            for character in (*self._alphabet, self._other):
                after = self._after(state, character)
                before.setdefault(after, []).append((character, state))
                if after not in starts:
                    starts[after] = starts[state] + character
                    open_ones.append(after)
            if len(starts) > MAX_STATES:
                raise TooMany
        ends = {state: "" for state in starts if self._fitting(state) == fitting}
        open_ones.extend(ends)
        while open_ones:
            state = open_ones.popleft()
            for character, earlier in before.get(state, ()):
                if earlier not in ends:
                    ends[earlier] = character + ends[state]
                    open_ones.append(earlier)
        yield from (starts[state] + end for state, end in ends.items())
        for state, end in ends.items():
            yield from (starts[one] + step + end for step, one in before.get(state, ()))

    def _count_texts(self, found: dict[frozenset[Pattern], Case]) -> None:
        """Lists the texts of the cases that have few. A case it cannot finish has plenty."""
        few = {fitting for fitting, case in found.items() if not case.has_plenty}
        useful = self._leading_to(few) if few else set()
        paths, open_ones = 0, [(self._start, "")] if self._start in useful else []
        while open_ones and paths < _MAX_PATHS:
            following = []
            for state, text in open_ones:
                case = found[self._fitting(state)]
                if not case.has_plenty and len(case.texts) <= MAX_TEXTS:
                    case.texts.append(text)
                after = ((self._after(state, c), text + c) for c in self._alphabet)
                following += [(state, text) for state, text in after if state in useful]
            open_ones = following
            paths += len(open_ones)
        for fitting in few:
            case = found[fitting]
            case.has_plenty = bool(open_ones) or len(case.texts) > MAX_TEXTS

    def _leading_to(self, few: set[frozenset[Pattern]]) -> set[int]:
        """The states from which characters of the patterns lead to one of these cases."""
        before: dict[int, set[int]] = {}
        seen, open_ones = {self._start}, [self._start]
        while open_ones:
            state = open_ones.pop()
            for after in (self._after(state, character) for character in self._alphabet):
                before.setdefault(after, set()).add(state)
                if after not in seen:
                    seen.add(after)
                    open_ones.append(after)
        useful = {state for state in seen if self._fitting(state) in few}
        open_ones = list(useful)
        while open_ones:
            for state in before.get(open_ones.pop(), ()):
                if state not in useful:
                    useful.add(state)
                    open_ones.append(state)
        return useful


def sketch(fitting: Iterable[Pattern], filler: str) -> str:
    """A first guess at a text that fits patterns: their pieces, with something for a wildcard."""
    longest = max(fitting, key=len, default=ANYTHING)
    return "".join(filler if piece is None else piece for piece in longest)
