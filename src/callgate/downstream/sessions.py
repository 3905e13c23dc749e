"""Legacy MCP sessions: bound to the principal that opened them, ended when idle."""

from __future__ import annotations

import asyncio
import secrets
from collections import OrderedDict
from dataclasses import dataclass, field

from callgate.model import Json, Principal
from callgate.ports import Clock


@dataclass(slots=True)
class InFlight:
    """A call that its caller may still cancel."""

    task: asyncio.Task[object]
    is_cancelled: bool = False


@dataclass(slots=True)
class Flights:
    """The calls that are on their way, by the request ids of whoever made them."""

    _calls: dict[str | int, InFlight] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self._calls)

    def begin(self, request_id: Json, task: asyncio.Task[object]) -> InFlight:
        """Notes a call; keep what is returned to end it."""
        call = self._calls[request_id] = InFlight(task)
        return call

    def end(self, request_id: Json) -> None:
        """Forgets a call that has ended."""
        self._calls.pop(request_id, None)

    def cancel(self, request_id: Json) -> None:
        """Ends the call with this request id; nothing where there is none."""
        if type(request_id) is not str and type(request_id) is not int:
            return
        call = self._calls.get(request_id)
        if call is not None and not call.is_cancelled:
            call.is_cancelled = True
            call.task.cancel()

    def cancel_all(self) -> None:
        """Ends every call."""
        for request_id in list(self._calls):
            self.cancel(request_id)


@dataclass(slots=True)
class Session:
    """One `initialize` handshake and what it agreed."""

    id: str
    principal_key: str
    version: str
    client: dict[str, Json]
    used_at: float
    in_flight: Flights = field(default_factory=Flights)


class Sessions:
    """All open sessions of this process, least recently used first."""

    def __init__(self, clock: Clock, *, idle_seconds: float = 1800, most: int = 10_000) -> None:
        self._clock = clock
        self._idle_seconds = idle_seconds
        self._most = most
        self._open: OrderedDict[str, Session] = OrderedDict()

    def __len__(self) -> int:
        return len(self._open)

    def open(self, principal: Principal, version: str, client: dict[str, Json]) -> Session:
        """A new session; the one idle longest makes room where there are too many."""
        self.end_idle()
        if len(self._open) >= self._most:
            self._open.popitem(last=False)
        session = Session(
            id=secrets.token_urlsafe(24),
            principal_key=principal.key,
            version=version,
            client=client,
            used_at=self._clock.now(),
        )
        self._open[session.id] = session
        return session

    def find(self, session_id: str, principal: Principal) -> Session | None:
        """The session, if it is this principal's: somebody else's is as unknown as none."""
        session = self._open.get(session_id)
        now = self._clock.now()
        if session is None or session.principal_key != principal.key:
            return None
        if now - session.used_at > self._idle_seconds and not session.in_flight:
            del self._open[session_id]
            return None
        session.used_at = now
        self._open.move_to_end(session_id)
        return session

    def close(self, session: Session) -> None:
        """Ends it; calls in flight are cancelled."""
        self._open.pop(session.id, None)
        session.in_flight.cancel_all()

    def end_idle(self) -> None:
        """Forgets sessions that nobody used for the idle time."""
        oldest_used_at = self._clock.now() - self._idle_seconds
        while self._open:
            session = next(iter(self._open.values()))
            if session.used_at > oldest_used_at or session.in_flight:
                return
            self._open.popitem(last=False)
