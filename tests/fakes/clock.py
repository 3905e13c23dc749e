"""A clock that only moves when a test moves it."""

from __future__ import annotations


class FakeClock:
    """Implements Clock."""

    def __init__(self, now: float = 1_790_000_000.0) -> None:
        self._now = now
        self._ticks = 1000.0

    def now(self) -> float:
        """Seconds since the epoch."""
        return self._now

    def ticks(self) -> float:
        """Seconds on a clock that never goes back."""
        return self._ticks

    def advance(self, seconds: float) -> None:
        """Lets time pass."""
        self._now += seconds
        self._ticks += seconds
