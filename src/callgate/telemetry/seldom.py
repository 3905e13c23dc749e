"""Says a complaint that repeats itself once a minute, not every time."""

from __future__ import annotations

import logging
from threading import Lock

EVERY_SECONDS = 60.0


class Seldom(logging.Filter):
    """Lets one line of each kind through per minute; the kind is the text before its values."""

    def __init__(self) -> None:
        super().__init__()
        self._said_at: dict[str, float] = {}
        self._lock = Lock()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether this line is written."""
        kind = str(record.msg)
        with self._lock:
            said_at = self._said_at.get(kind)
            # Lines of several threads need not come in the order in which they were made.
            if said_at is not None and abs(record.created - said_at) < EVERY_SECONDS:
                return False
            self._said_at[kind] = record.created
            return True
