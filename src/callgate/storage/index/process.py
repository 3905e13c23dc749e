"""The process that keeps the index: brings it up to date once, with what it is given, and ends."""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable

from callgate.ports import StoreError
from callgate.storage.index.bits import BLOCK
from callgate.storage.index.schema import SHELF

AT_ONCE = SHELF * BLOCK  # records
NICE = 10  # it takes what calls leave, but does not starve
COMMAND = "from callgate.storage.index.process import main; main()"


def main() -> None:
    """Given: what catches up by so many records, pickled. Said: `done 4096`, or what is wrong."""
    if sys.platform != "win32":
        os.nice(NICE)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal: our parent says when to end
    catch_up = pickle.load(sys.stdin.buffer)  # noqa: S301 - from our own parent
    threading.Thread(target=_end_with_parent, daemon=True).start()
    sys.stdout.write(work(catch_up))
    sys.stdout.flush()


def _end_with_parent() -> None:
    os.read(sys.stdin.fileno(), 1)  # nothing comes, until it is closed
    os._exit(1)  # whatever is being written is all or nothing


def work(catch_up: Callable[[int], int]) -> str:
    """Until there is nothing left to do. What is to be said of it."""
    done = 0
    try:
        while count := catch_up(AT_ONCE):
            done += count
    except (StoreError, OSError) as error:
        return str(error)
    return f"done {done}"
