"""Who came to the control listener: told once, and again when it goes on; failures are counted."""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from callgate.model import Json

AGAIN_SECONDS = 3600.0  # after which who still comes is told of again
WINDOW_SECONDS = 60.0  # in which failures are counted together
MOST_KNOWN = 1000  # operators and addresses
MOST_ADDRESSES = 10  # that are told of one window

Told = Callable[[dict[str, Json]], None]
NO_TOKEN, UNKNOWN_TOKEN = "no token", "unknown token"


@dataclass(slots=True)
class _Coming:
    told_at: float
    requests: int = 0  # since then


@dataclass(slots=True)
class _Window:
    reasons: Counter[str] = field(default_factory=Counter)
    addresses: Counter[str] = field(default_factory=Counter)


class Logins:
    """For one event loop. Whatever anybody sends, at most two failures a minute are told.

    Each request brings its token, so that a login is the first request of an operator from an
    address, and the first after an hour of them.
    """

    def __init__(self, tell: Told = lambda _: None, ticks: Callable[[], float] = float) -> None:
        self._tell = tell
        self._ticks = ticks
        self._known: OrderedDict[tuple[str, str], _Coming] = OrderedDict()
        self._window: _Window | None = None  # None: the next failure is told at once

    def succeeded(self, operator: str, address: str) -> None:
        """A request was let in."""
        key, now = (operator, address), self._ticks()
        known = self._known.get(key)
        if known is not None and now - known.told_at < AGAIN_SECONDS:
            known.requests += 1
            return
        said: dict[str, Json] = {"result": "succeeded", "operator": operator, "from": address}
        if known is not None:
            said["requests_before"] = known.requests
        self._known[key] = _Coming(told_at=now)
        self._known.move_to_end(key)
        if len(self._known) > MOST_KNOWN:
            self._known.popitem(last=False)
        self._tell(said)

    def failed(self, address: str, reason: str) -> None:
        """A request was not: NO_TOKEN or UNKNOWN_TOKEN."""
        if self._window is not None:
            self._window.reasons[reason] += 1
            if address in self._window.addresses or len(self._window.addresses) < MOST_KNOWN:
                self._window.addresses[address] += 1
            return
        self._begin()
        self._tell({"result": "failed", "count": 1, "from": {address: 1}, "reasons": {reason: 1}})

    def _begin(self) -> None:
        self._window = _Window()
        asyncio.get_running_loop().call_later(WINDOW_SECONDS, self.flush)

    def flush(self) -> None:
        """Tells of the failures that were only counted; those that follow are counted again."""
        window, self._window = self._window, None
        if window is None or not window.reasons:
            return
        addresses = window.addresses.most_common(MOST_ADDRESSES)
        said: dict[str, Json] = {
            "result": "failed",
            "count": window.reasons.total(),
            "from": dict(addresses),
            "reasons": dict(window.reasons),
        }
        if len(window.addresses) > len(addresses):
            said["further_addresses"] = len(window.addresses) - len(addresses)
        self._begin()
        self._tell(said)
