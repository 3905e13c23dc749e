"""Regular expressions over texts of any size: linear in time, offsets in characters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal

import re2


class Reading:
    """A text with its bytes: engines look at bytes, and what they say is about characters."""

    __slots__ = ("body", "first_run", "is_ascii", "lacks", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.body = text.encode()
        self.is_ascii = len(self.body) == len(text)
        self.lacks: frozenset[Form] = frozenset()  # see Together
        self.first_run: tuple[int, int] | Literal["unsought"] | None = "unsought"  # see hints

    def boundary(self, offset: int) -> int:
        """The start of the character that this byte is of."""
        while 0 < offset < len(self.body) and self.body[offset] & 0xC0 == 0x80:
            offset -= 1
        return offset

    def characters(self, places: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
        """Ranges of bytes, in the order of their starts → the same ranges in characters."""
        if self.is_ascii:
            yield from places
            return
        at = reached = 0
        for start, end in places:
            at += len(self.body[reached:start].decode(errors="replace"))
            reached = start
            yield at, at + len(self.body[start:end].decode(errors="replace"))


class Form:
    """One RE2 expression. Bytes are read as UTF-8."""

    def __init__(self, pattern: str, group: int = 0) -> None:
        self.pattern = pattern
        self._group = group
        self._compiled: Any = re2.compile(pattern.encode())

    def is_in(self, reading: Reading) -> bool:
        """Whether it is found at all."""
        return self not in reading.lacks and self._compiled.search(reading.body) is not None

    def next(self, reading: Reading, at: int) -> tuple[int, int] | None:
        """Where it is found first after a byte, in bytes."""
        match = None if self in reading.lacks else self._compiled.search(reading.body, at)
        return None if match is None else match.span()

    def places(self, reading: Reading) -> Iterator[tuple[int, int]]:
        """Where it is found, in characters."""
        if self in reading.lacks:
            return iter(())
        found = (match.span(self._group) for match in self._compiled.finditer(reading.body))
        return reading.characters(found)


def any_of(forms: Iterable[Form]) -> Form:
    """One that is found where any of them is."""
    return Form("|".join(f"(?:{form.pattern})" for form in forms))


_NONE: frozenset[Form] = frozenset()


class Together:
    """Several forms, looked for in one pass: what a text lacks need not be looked for again."""

    def __init__(self, forms: Iterable[Form]) -> None:
        self._forms = tuple(forms)
        self._every = frozenset(self._forms)
        self._set: Any = re2.Set.SearchSet()
        for form in self._forms:
            self._set.Add(form.pattern.encode())
        self._end = self._set.Add(rb"\z")
        self._set.Compile()

    def may_be_in(self, body: bytes) -> frozenset[Form]:
        """Which of the forms a text has; all of them where that cannot be told."""
        found = self._set.Match(body)
        if found == [self._end]:
            return _NONE  # which is so mostly
        # INVARIANT: an engine that gives up says that nothing is found, which would be let through.
        if self._end not in found:
            return self._every
        return frozenset(self._forms[number] for number in found if number != self._end)

    def note(self, reading: Reading) -> None:
        """Notes on the reading which of the forms are not in it."""
        reading.lacks = self._every - self.may_be_in(reading.body)
