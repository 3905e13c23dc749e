"""Says a complaint that repeats itself once a minute, not every time."""

from __future__ import annotations

import logging

EVERY_SECONDS = 60.0


class Seldom(logging.Filter):
    """Lets one line of each kind through per minute; the kind is the text before its values."""

    def __init__(self) -> None:
        super().__init__()
        self._said_at: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether this line is written."""
        kind = str(record.msg)
        said_at = self._said_at.get(kind)
        if said_at is not None and 0 <= record.created - said_at < EVERY_SECONDS:
            return False
        self._said_at[kind] = record.created
        return True
