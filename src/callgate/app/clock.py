"""The real clock."""

import time


class SystemClock:
    """See ports.Clock. The functions themselves: a call reads it about twenty times."""

    now = staticmethod(time.time)  # noqa: TID251 - this is the Clock
    ticks = staticmethod(time.perf_counter)
