"""What a start took and freed goes back to the system."""

from __future__ import annotations

import ctypes
import linecache
import sys


def give_back() -> None:
    """About 10 MB after a start, which glibc would keep. It takes some milliseconds.

    INVARIANT: it changes nothing but how much memory is held; without glibc it does nothing.
    """
    linecache.clearcache()  # the source of settings, which pydantic read for their descriptions
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
