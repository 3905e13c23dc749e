"""Finds what is sensitive in a document, also where it is encoded: in every sight of its text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import re2

from callgate.interceptors.redacting.credentials import KEY_FORMS, Credentials
from callgate.interceptors.redacting.forms import Form, Together
from callgate.interceptors.redacting.hints import NAMED, ODD, SURE, TURNED_URL, may_be_turned
from callgate.interceptors.redacting.personal import CARD, PersonalData, is_card
from callgate.interceptors.redacting.regions import OPAQUE, SCREEN, Budget, looked_into
from callgate.interceptors.redacting.settings import RedactSettings
from callgate.interceptors.redacting.sights import (
    NEIGHBOURS,
    SOFT,
    SOFT_ASCII,
    Sight,
    backwards,
    joined,
    rotated,
    softened,
    whole,
)
from callgate.interceptors.redacting.spans import SECRET, Span, merged
from callgate.ports import Clock

MAX_SECONDS = 30.0
"""How long one value may take. Its time limit ends the wait of the call long before; this ends the
work."""


class Scanner:
    """Finds the kinds that the settings choose."""

    def __init__(self, settings: RedactSettings, clock: Clock) -> None:
        self._clock = clock
        self._personal = PersonalData(settings.find)
        self._credentials = Credentials() if SECRET in settings.find else None
        self._card = Form(CARD) if "card" in settings.find else None
        screen = self._personal.screen
        own = (self._personal.engine, *(() if screen is None else (screen,)))
        keys = (KEY_FORMS, ODD, SURE, NAMED, TURNED_URL)
        self._together = Together((*own, *keys, SCREEN, SOFT, SOFT_ASCII, NEIGHBOURS))
        self._keep = frozenset(settings.keep)
        self._depth = settings.decode_depth
        self._most_unpacked = settings.max_unpacked_bytes
        self._own: list[tuple[str, Any, Any]] = [
            (name, re2.compile(form), re2.compile(f"(?m:{form})"))
            for name, form in settings.patterns.items()
        ]

    def find(self, text: str) -> list[Span]:
        """What is sensitive in a document: spans in order, that do not overlap.

        Raises TimeoutError.
        """
        ends_at = self._clock.ticks() + MAX_SECONDS
        budget = Budget(self._most_unpacked)
        base = whole(text)
        self._together.note(base.reading)
        spans = list(self._in(base, ends_at))
        if self._depth == 0:
            return merged(spans)
        if self._credentials is not None and may_be_turned(base.reading):
            spans += self._in(backwards(base), ends_at)
            spans += self._in(rotated(base), ends_at)
        sights = [base]
        if (across := joined(base)) is not None:
            spans += self._in(across, ends_at)
            sights.append(across)
        for depth in range(self._depth + 1):
            found, opaque = self._deeper(sights, budget)
            spans += [Span(*place, OPAQUE) for place in opaque]
            if depth == self._depth:
                spans += (Span(*place, OPAQUE) for place in _unseen(found))
                break
            for sight in found:
                spans += self._in(sight, ends_at)
            sights = [sight for sight in found if not sight.is_loose or sight.only_across]
            if not sights:
                break
        return merged(spans)

    def own(self, text: str) -> list[Span]:
        """What the operator's own patterns find in one string, from its start to its end."""
        found = [span for span in _matches(text, self._own, 1) if self._counts(text, span)]
        soft = softened(whole(text)) if self._depth else None
        if soft is not None:
            for span in _matches(soft.text, self._own, 1):
                if self._counts(soft.text, span):
                    found.append(Span(*soft.origin(span.start, span.end), span.kind))
        return found

    @property
    def has_own(self) -> bool:
        """Whether there are own patterns."""
        return bool(self._own)

    def _deeper(
        self, sights: list[Sight], budget: Budget
    ) -> tuple[list[Sight], list[tuple[int, int]]]:
        found: list[Sight] = []
        opaque: list[tuple[int, int]] = []
        for sight in sights:
            if (soft := softened(sight)) is not None:
                found.append(soft)
            seen = looked_into(sight, budget)
            found += seen.sights
            opaque += seen.opaque
        return found, opaque

    def _in(self, sight: Sight, ends_at: float) -> Iterator[Span]:
        """What is found in one sight, as spans of the document."""
        seconds = ends_at - self._clock.ticks()
        if seconds <= 0:
            raise TimeoutError(f"not done after {MAX_SECONDS:.0f} seconds")
        for span in self._found(sight, seconds):
            if sight.only_across and not sight.crosses(span.start, span.end):
                continue
            if self._counts(sight.text, span):
                yield Span(*sight.origin(span.start, span.end), span.kind)

    def _found(self, sight: Sight, seconds: float) -> Iterator[Span]:
        if sight.is_loose:
            if self._credentials is not None:
                yield from self._credentials.find_distinct(sight.reading, seconds)
            if sight.only_across and self._card is not None:
                yield from self._split_cards(sight)
            return
        yield from self._personal.find(sight.reading)
        if self._credentials is not None:
            yield from self._credentials.find(sight.reading, seconds)
        if sight.is_decoded:
            yield from _matches(sight.text, self._own, 2)

    def _split_cards(self, sight: Sight) -> Iterator[Span]:
        """Numbers of cards over several items of a list, where they are all that stands there."""
        assert self._card is not None  # noqa: S101 - asked before
        for start, end in self._card.places(sight.reading):
            if is_card(sight.text[start:end]) and sight.is_of_whole_texts(start, end):
                yield Span(start, end, "card")

    def _counts(self, text: str, span: Span) -> bool:
        return span.end > span.start and text[span.start : span.end] not in self._keep


def _matches(text: str, forms: list[tuple[str, Any, Any]], which: int) -> Iterator[Span]:
    for form in forms:
        pattern: Any = form[which]
        for match in pattern.finditer(text):
            yield Span(match.start(), match.end(), form[0])


def _unseen(sights: list[Sight]) -> Iterator[tuple[int, int]]:
    """Parts that are text, encoded once more than we look into."""
    for sight in sights:
        if not sight.is_loose and sight.is_decoded:
            yield from sight.places()
