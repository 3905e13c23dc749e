"""What came back in each run, as fingerprints: bounded in time, in runs and in bytes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from callgate.interceptors.tainting.fingerprints import Kept

BYTES_EACH = 8  # of a fingerprint
BYTES_PER_RUN = 2_000  # what a run takes besides
MAX_TAILS = 64  # fields of one run of which the last letters are kept
MAX_SOURCES = 256  # tools of one run
NOTHING = Kept()


class FullError(Exception):
    """There is no room for what came back, without forgetting what may not be forgotten."""


class Run:
    """One run: what came back in it, from which tools, and how much of that went out."""

    def __init__(self, now: float) -> None:
        self.sources: dict[str, Kept] = {}  # qualified name of the tool → what it returned
        self.sent_bytes = 0
        self.opaque_bytes = 0
        self.tails: OrderedDict[str, bytes] = OrderedDict()
        self.used_at = now

    @property
    def size_bytes(self) -> int:
        """About what it takes."""
        return BYTES_PER_RUN + BYTES_EACH * sum(map(len, self.sources.values()))

    def tail(self, field: str) -> bytes:
        """The last letters that went out in this field: less than a window."""
        return self.tails.get(field, b"")

    def keep_tail(self, field: str, letters: bytes) -> None:
        """Keeps the last letters of a field, for what is split over calls."""
        self.tails[field] = letters
        self.tails.move_to_end(field)
        if len(self.tails) > MAX_TAILS:
            self.tails.popitem(last=False)


class _Kept:
    """What is remembered."""

    def __init__(self) -> None:
        self.runs: OrderedDict[str, Run] = OrderedDict()  # the least recently used first
        self.bytes = 0


class Memory:
    """The runs. In this process only: a restart forgets them.

    A memory `like` another shares what that one remembers, within bounds of its own.
    """

    def __init__(
        self,
        ticks: Callable[[], float],
        *,
        most_bytes: int,
        most_run_bytes: int,
        idle_seconds: float,
        may_forget: bool,
        like: Memory | None = None,
    ) -> None:
        self._ticks = ticks
        self._most_bytes = most_bytes
        self._most_run_bytes = most_run_bytes
        self._idle_seconds = idle_seconds
        self._may_forget = may_forget
        self._kept: _Kept = like._kept if like is not None else _Kept()

    def __len__(self) -> int:
        return len(self._kept.runs)

    @property
    def size_bytes(self) -> int:
        """About what all runs take."""
        return self._kept.bytes

    def find(self, key: str) -> Run | None:
        """The run, if something came back in it and it is not forgotten."""
        self._expire()
        run = self._kept.runs.get(key)
        if run is not None:
            run.used_at = self._ticks()
            self._kept.runs.move_to_end(key)
        return run

    def kept(self, key: str, source: str) -> Kept:
        """What is remembered of a tool in a run; an empty set where nothing is."""
        run = self._kept.runs.get(key)
        return run.sources.get(source, NOTHING) if run is not None else NOTHING

    def keep(self, key: str, source: str, before: Kept, after: Kept) -> None:
        """Remembers what a tool returned: `after` is `before`, as `kept` gave it, and more.

        Raises FullError: then nothing more is remembered.
        """
        run = self.find(key) or Run(self._ticks())
        if len(run.sources) >= MAX_SOURCES and source not in run.sources:
            raise FullError("this run uses too many tools")
        now = run.sources.get(source, NOTHING)
        if now is not before:
            after = now.beside(after)  # more came back meanwhile
        new_bytes = BYTES_EACH * (len(after) - len(now))
        if run.size_bytes + new_bytes > self._most_run_bytes:
            raise FullError("this run has returned too much")
        is_new = key not in self._kept.runs
        self._make_room(key, new_bytes + (BYTES_PER_RUN if is_new else 0))
        run.sources[source] = after
        self._kept.runs[key] = run
        self._kept.bytes += new_bytes + (BYTES_PER_RUN if is_new else 0)

    def _make_room(self, key: str, new_bytes: int) -> None:
        while self._kept.bytes + new_bytes > self._most_bytes:
            oldest = next(iter(self._kept.runs), None)
            if not self._may_forget or oldest is None or oldest == key:
                raise FullError("the memory of what came back is full")
            self._forget(oldest)

    def _expire(self) -> None:
        long_ago = self._ticks() - self._idle_seconds
        while self._kept.runs:
            key, run = next(iter(self._kept.runs.items()))
            if run.used_at > long_ago:
                return
            self._forget(key)

    def _forget(self, key: str) -> None:
        self._kept.bytes -= self._kept.runs.pop(key).size_bytes
