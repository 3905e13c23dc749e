"""A clock that stands still until a test moves it."""

from __future__ import annotations

from datetime import UTC, datetime


class StillClock:
    """Implements Clock."""

    def __init__(self, at: datetime | str = "2026-10-01T12:00:00Z") -> None:
        """`at` without a zone is UTC."""
        instant = datetime.fromisoformat(at) if isinstance(at, str) else at
        self._now = (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).timestamp()
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
