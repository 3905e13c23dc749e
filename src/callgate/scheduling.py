"""Threads beside the event loop: when they wake, they wait for it to pause.

On a busy core each thread that wakes takes the core from the loop, only to wait for the interpreter
lock that the loop holds. SCHED_BATCH (sched(7)) gives a thread the same share without that.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

if sys.platform == "linux":

    def stand_back() -> bool:
        """The current thread interrupts no other from now on; so will threads that it starts.

        False where the system does not let us, or was told something else of this thread.
        """
        with suppress(OSError):
            if os.sched_getscheduler(0) == os.SCHED_OTHER:
                os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
                return True
        return False

    @contextmanager
    def standing_back() -> Iterator[None]:
        """Threads that the current one starts meanwhile `stand_back`; itself only until then."""
        has_changed = stand_back()
        try:
            yield
        finally:
            if has_changed:
                os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))

else:

    def stand_back() -> bool:
        """There is nothing of the kind here."""
        return False

    @contextmanager
    def standing_back() -> Iterator[None]:
        """There is nothing of the kind here."""
        yield
