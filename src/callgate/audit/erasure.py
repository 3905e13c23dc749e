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
WITHDRAWN = "erasure_withdrawn"  # what was announced and then not done, since a hold came first
MAX_STRETCHES = 10_000  # in one event

What = Literal["body", "payload"]
Stretch = tuple[int, int, int]  # log, first seq, last seq


class Erased(msgspec.Struct):
    """What is read of such an event."""

    what: What
    places: list[Stretch]
    call: str = ""  # its own id


class Withdrawn(msgspec.Struct):
    """What is read of an event that takes some of it back."""

    of: str
    what: What
    places: list[Stretch]


_decode = msgspec.json.Decoder(Erased).decode
_decode_withdrawn = msgspec.json.Decoder(Withdrawn).decode


def read_erased(body: bytes) -> Erased:
    """The body of an `erased` event. Raises ValueError where it says nothing."""
    try:
        return _decode(body)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise ValueError(f"this is no event of a deletion: {error}") from error


def read_withdrawn(body: bytes) -> Withdrawn:
    """The body of an `erasure_withdrawn` event. Raises ValueError where it says nothing."""
    try:
        return _decode_withdrawn(body)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise ValueError(f"this takes nothing back: {error}") from error


def erased(places: Iterable[Stretch], what: What, at: float, said: dict[str, Json]) -> Entry:
    """The event to record, and to have under a signed checkpoint, before anything is deleted.

    INVARIANT: in this order, so that nobody without the key can delete what is not to be deleted.
    """
    stretches = [list(one) for one in places]
    if not 0 < len(stretches) <= MAX_STRETCHES:
        raise ValueError(f"an event has 1 to {MAX_STRETCHES} stretches, not {len(stretches)}")
    return event(ERASED, at, {**said, "what": what, "places": stretches})


def withdrawn(of: str, places: Iterable[Stretch], what: What, at: float) -> Entry:
    """The event that takes places of an `erased` event back: they are there, and stay."""
    said: dict[str, Json] = {"of": of, "what": what, "places": [list(one) for one in places]}
    return event(WITHDRAWN, at, said)


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
        self._said: dict[str, Erased] = {}  # by the id of the event
        self._back: dict[str, list[Stretch]] = {}  # of each event, what was taken back
        self._joined: dict[tuple[int, bool], list[tuple[int, int]]] = {}

    def add(self, body: bytes) -> None:
        """What the body of an `erased` event says. Raises ValueError where it says nothing."""
        said = read_erased(body)
        self._said[said.call or str(len(self._said))] = said
        self._joined.clear()

    def take_back(self, body: bytes) -> None:
        """What that of an `erasure_withdrawn` event says. Raises ValueError."""
        said = read_withdrawn(body)
        self._back.setdefault(said.of, []).extend(said.places)
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
            told: list[tuple[int, int]] = []
            for identifier, said in self._said.items():
                if said.what == "body" or has_body:
                    back = self._back.get(identifier, ())
                    told += without(_of(log, said.places), _of(log, back))
            self._joined[key] = _joined(told)
        return self._joined[key]


def _of(log: int, places: Iterable[Stretch]) -> list[tuple[int, int]]:
    return [(first, last) for of, first, last in places if of == log]


def without(
    stretches: Iterable[tuple[int, int]], back: Iterable[tuple[int, int]]
) -> Iterator[tuple[int, int]]:
    """What of the stretches lies in none of those that were taken back."""
    holes = _joined(list(back))
    for first, last in stretches:
        start = first
        for from_, to in holes:
            if to >= start and from_ <= last:
                if from_ > start:
                    yield start, from_ - 1
                start = to + 1
        if start <= last:
            yield start, last


def _joined(told: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Stretches in order, none touching the next."""
    made: list[tuple[int, int]] = []
    for first, last in sorted(told):
        if made and first <= made[-1][1] + 1:
            made[-1] = (made[-1][0], max(made[-1][1], last))
        else:
            made.append((first, last))
    return made
