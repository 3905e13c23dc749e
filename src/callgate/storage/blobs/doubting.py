"""Large payloads whose entries are on their way into the record, until they are known to be there.

Whoever erases sets a payload aside, waits, looks for entries that have it, and deletes it where
there is none. An entry that takes longer than that would refer to nothing. Hence whoever hands an
entry on keeps its payload, and puts it again so often that it is there whenever the entry comes.
"""

from __future__ import annotations

from dataclasses import dataclass

AGAIN_SECONDS = 10.0  # between two times: well within what eraser wait (`erasing.GRACE_SECONDS`)
SETTLED_SECONDS = 60.0  # with nothing amiss for so long, an entry has been written


@dataclass(slots=True)
class Doubt:
    """The payload of one entry that was handed on."""

    content: bytes
    number: int  # in the order in which entries are handed on, and so written
    since: float  # when it was handed on, or the record last known to fail
    put_at: float | None  # None: it is to be put again as soon as the record takes entries
    is_written: bool = False


class Doubts:
    """All of them, in order. Times are those of one clock, in seconds."""

    def __init__(self, most_bytes: int) -> None:
        """Of more than so many bytes the oldest are no longer kept here."""
        self._most_bytes = most_bytes
        self._bytes = 0
        self._doubts: dict[int, Doubt] = {}
        self._handed = 0

    def __bool__(self) -> bool:
        return bool(self._doubts)

    @property
    def handed(self) -> int:
        """The number of the entry that was handed on last."""
        return self._handed

    def add(self, content: bytes, now: float) -> None:
        """Its entry has just been handed on; it itself was put not long before."""
        self._handed += 1
        self._doubts[self._handed] = Doubt(content, self._handed, now, now)
        self._bytes += len(content)
        while self._bytes > self._most_bytes:
            self._drop(next(iter(self._doubts.values())))

    def written(self, number: int, now: float) -> None:
        """All entries up to this one are durable."""
        for doubt in [one for one in self._doubts.values() if one.number <= number]:
            if doubt.put_at is not None and now - doubt.put_at <= AGAIN_SECONDS:
                self._drop(doubt)
            else:  # by then it may have gone
                doubt.is_written = True
                doubt.put_at = None

    def failed(self, now: float) -> None:
        """The record does not take entries; what was handed on comes who knows when."""
        for doubt in self._doubts.values():
            doubt.since = now
            doubt.put_at = None

    def due(self, now: float) -> Doubt | None:
        """One that is to be put again."""
        for doubt in self._doubts.values():
            if doubt.put_at is None or now - doubt.put_at >= AGAIN_SECONDS:
                return doubt
        return None

    def put(self, doubt: Doubt, now: float) -> None:
        """It was put again, begun at this time."""
        doubt.put_at = now
        if doubt.is_written or now - doubt.since >= SETTLED_SECONDS:
            self._drop(doubt)

    def _drop(self, doubt: Doubt) -> None:
        if self._doubts.pop(doubt.number, None) is not None:
            self._bytes -= len(doubt.content)
