"""Runs: the calls of one principal and agent that belong together, and how they are known by."""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict
from functools import lru_cache

from callgate.model import Call

GAP_SECONDS = 1800.0  # who called nothing for longer begins another run
MOST = 65_536  # principals whose last call is remembered
MOST_SESSIONS = 4096  # whose runs are not named anew with every call
_DOMAIN = "callgate.run.1"  # a hash of these is a hash of nothing else
_TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?P<trace>(?!0{32})[0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?"
)


@lru_cache(MOST_SESSIONS)
def run_of_session(principal_key: str, session_id: str) -> str:
    """The run that all calls in one MCP session of a principal are, in every process."""
    return _named("session", principal_key, session_id)


def run_of_trace(principal_key: str, traceparent: object) -> str | None:
    """The run that all calls of a principal in one W3C trace are; None where there is no trace."""
    match = _TRACEPARENT.fullmatch(traceparent) if isinstance(traceparent, str) else None
    return _named("trace", principal_key, match["trace"]) if match is not None else None


def _named(kind: str, principal_key: str, what: str) -> str:
    # INVARIANT: names have no line break, so that no two runs share an input.
    said = f"{_DOMAIN}\n{kind}\n{principal_key}\n{what}".encode("utf-8", "surrogatepass")
    return f"r{hashlib.sha256(said).hexdigest()[:28]}"


class Runs:
    """Which run a call belongs to: of its MCP session, or of its trace, or since a pause.

    What joins calls by pauses is remembered here, so that each process has its own such runs.
    """

    def __init__(self, *, gap_seconds: float = GAP_SECONDS, most: int = MOST) -> None:
        self._gap_seconds = gap_seconds
        self._most = most
        self._last: OrderedDict[str, tuple[str, float]] = OrderedDict()  # key → run, its last call

    def of(self, call: Call) -> str | None:
        """The run of a call; None while nobody is known to have made it."""
        if call.principal is None:
            return None
        key = call.principal.key
        if call.session_id is not None:
            return run_of_session(key, call.session_id)
        sent = call.sent_traceparent
        if sent is None:
            sent = call.meta.get("traceparent")
        run = run_of_trace(key, sent) if sent is not None else None
        return run if run is not None else self._since_pause(key, call)

    def _since_pause(self, key: str, call: Call) -> str:
        now = call.received_at
        known = self._last.get(key)
        if known is None or now - known[1] > self._gap_seconds:
            run, last = _named("call", key, call.id), now
        else:
            run, last = known[0], max(now, known[1])  # a clock that is set back ends no run
        self._remember(key, run, last)
        return run

    def resume(self, principal_key: str, run: str, at: float) -> None:
        """After a restart: the run of a principal's last call, and when that was."""
        known = self._last.get(principal_key)
        if known is None or known[1] < at:
            self._remember(principal_key, run, at)

    def _remember(self, key: str, run: str, at: float) -> None:
        self._last[key] = (run, at)
        self._last.move_to_end(key)
        if len(self._last) > self._most:
            self._last.popitem(last=False)
