"""Instants in requests: with an offset, so that they can be read in one way only."""

from __future__ import annotations

from datetime import datetime


def read_instant(text: str) -> float | None:
    """Seconds since the epoch; None where it is no such instant."""
    try:
        at = datetime.fromisoformat(text)
        return None if at.tzinfo is None else at.timestamp()
    except (ValueError, OverflowError):
        return None
