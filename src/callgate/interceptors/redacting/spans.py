"""Places in a text where something was found, and how overlapping ones become one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

SECRET = "key"  # noqa: S105 - a name
"""The kind of keys, tokens and passwords."""


class Span(NamedTuple):
    """Something found: `start` and `end` in characters, and of what kind it is."""

    start: int
    end: int
    kind: str


def merged(spans: Iterable[Span]) -> list[Span]:
    """Spans that do not overlap, in order; of those that did, the widest gives the kind.

    But for a secret, which stays one: the address that a password in a URL seems to be part of may
    be of a kind that is left alone.
    """
    made: list[Span] = []
    weight = (False, 0)
    for span in sorted(spans):
        own = (span.kind == SECRET, span.end - span.start)
        if not made or span.start >= made[-1].end:
            made.append(span)
            weight = own
            continue
        last = made[-1]
        kind, weight = (span.kind, own) if own > weight else (last.kind, weight)
        made[-1] = Span(last.start, max(last.end, span.end), kind)
    return made


def without(span: Span, holes: Sequence[tuple[int, int]]) -> list[Span]:
    """What is left of a span outside of the holes, which are in order."""
    left: list[Span] = []
    start = span.start
    for begins, ends in holes:
        if ends <= start:
            continue
        if begins >= span.end:
            break
        if begins > start:
            left.append(Span(start, begins, span.kind))
        start = max(start, ends)
    if start < span.end:
        left.append(Span(start, span.end, span.kind))
    return left
