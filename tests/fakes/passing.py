"""Time that passes at once for whoever waits until a deadline."""

from __future__ import annotations

import asyncio

from callgate.deadlines import Deadlines


def let_pass(deadlines: Deadlines, seconds: float) -> None:
    """As if so much time had gone by for all that wait now: no test depends on how fast it runs."""
    for deadline in deadlines._kept:
        deadline.at -= seconds
    deadlines._ring(asyncio.get_running_loop())
