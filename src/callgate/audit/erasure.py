"""What the record says of what was deleted in it: which entries, and whether all or the payload."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from operator import itemgetter
from typing import Literal

import msgspec

from callgate.audit.event import event
from callgate.audit.record import Entry
from callgate.model import Json

ERASED = "erased"
MAX_STRETCHES = 10_000  # in one event

What = Literal["body", "payload"]
Stretch = tuple[int, int, int]  # log, first seq, last seq


class _Erased(msgspec.Struct):
    what: What
    places: list[Stretch]


_decode = msgspec.json.Decoder(_Erased).decode


def erased(places: Iterable[Stretch], what: What, at: float, said: dict[str, Json]) -> Entry:
    """The event to record, and to have under a signed checkpoint, before anything is deleted.

    INVARIANT: in this order, so that nobody without the key can delete what is not to be deleted.
    """
    stretches = [list(one) for one in places]
    if not 0 < len(stretches) <= MAX_STRETCHES:
        raise ValueError(f"an event has 1 to {MAX_STRETCHES} stretches, not {len(stretches)}")
    return event(ERASED, at, {**said, "what": what, "places": stretches})


def stretches(places: Iterable[tuple[int, int]]) -> Iterator[Stretch]:
    """Places (log, seq), in order, as stretches."""
    current: tuple[int, int, int] | None = None
    for log, seq in places:
        if current is not None and current[0] == log and current[2] + 1 == seq:
            current = (log, current[1], seq)
            continue
        if current is not None:
            yield current
        current = (log, seq, seq)
    if current is not None:
        yield current


class Erasures:
    """All that events say was deleted."""

    def __init__(self) -> None:
        self._said: dict[tuple[int, What], list[tuple[int, int]]] = {}
        self._joined: dict[tuple[int, bool], list[tuple[int, int]]] = {}

    def add(self, body: bytes) -> None:
        """What the body of an `erased` event says. Raises ValueError where it says nothing."""
        try:
            said = _decode(body)
        except (msgspec.DecodeError, UnicodeError) as error:
            raise ValueError(f"this is no event of a deletion: {error}") from error
        for log, first, last in said.places:
            self._said.setdefault((log, said.what), []).append((first, last))
        self._joined.clear()

    def first_unsaid(self, log: int, first: int, last: int, *, has_body: bool) -> int | None:
        """The first seq in this stretch of which no event says that it was deleted.

        `has_body`: only the payload is gone, which goes with the body, too.
        """
        told = self._told(log, has_body)
        at = bisect_right(told, first, key=itemgetter(0)) - 1
        if at < 0 or told[at][1] < first:
            return first
        return None if told[at][1] >= last else told[at][1] + 1

    def _told(self, log: int, has_body: bool) -> list[tuple[int, int]]:
        key = log, has_body
        if key not in self._joined:
            told = [*self._said.get((log, "body"), ())]
            if has_body:
                told += self._said.get((log, "payload"), ())
            self._joined[key] = _joined(told)
        return self._joined[key]


def _joined(told: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Stretches in order, none touching the next."""
    made: list[tuple[int, int]] = []
    for first, last in sorted(told):
        if made and first <= made[-1][1] + 1:
            made[-1] = (made[-1][0], max(made[-1][1], last))
        else:
            made.append((first, last))
    return made
