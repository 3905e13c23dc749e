"""The real clock."""

import time


class SystemClock:
    """See ports.Clock."""

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time()  # noqa: TID251 - this is the Clock

    def ticks(self) -> float:
        """Seconds on a clock that never goes back."""
        return time.perf_counter()
