"""Points in time as options: so long ago, or as RFC 3339; in UTC where they say no zone."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import click

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


class At(click.ParamType[float]):
    """An instant: RFC 3339, in UTC where it says no zone."""

    name = "time"
    refusal = "{!r} is no instant; write it like 2026-10-01T12:00:00Z"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Seconds since the epoch."""
        if isinstance(value, float):
            return value
        try:
            return self._read(value)
        except (ValueError, OverflowError):
            self.fail(self.refusal.format(value), param, ctx)

    def _read(self, text: str) -> float:
        at = datetime.fromisoformat(text)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


class Instant(At):
    """A point in time: `2h` ago, or `2026-10-01`, or `2026-10-01T12:00:00+02:00`; else in UTC."""

    refusal = "{!r} is neither like 90s, 15m, 2h, 7d nor like 2026-10-01T12:00Z"

    def _read(self, text: str) -> float:
        ago = re.fullmatch(r"(\d+(?:\.\d+)?)([smhdw])", text)
        if ago is None:
            return super()._read(text)
        seconds = timedelta(seconds=float(ago[1]) * UNITS[ago[2]]).total_seconds()
        return time.time() - seconds  # noqa: TID251 - the command line is where time comes in
