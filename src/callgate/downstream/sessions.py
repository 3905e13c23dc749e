"""Legacy MCP sessions: bound to the principal that opened them, ended when idle."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from callgate.downstream.asking import Asks
from callgate.downstream.streams import Kept, Stream, Streams
from callgate.model import Json, Principal, Reply
from callgate.ports import Caller, Clock, Unanswerable
from callgate.protocol.jsonrpc import INVALID_PARAMS, Malformed, Message, encode, notification

READER_SECONDS = 5.0  # how long a client that must be asked has to open its stream
MOST_DECLARED_BYTES = 16_384  # what `initialize` may say of the client: every session keeps it


@dataclass(slots=True)
class InFlight:
    """A call that its caller may still cancel."""

    request_id: Json
    task: asyncio.Task[object]
    is_cancelled: bool = False


@dataclass(slots=True)
class Flights:
    """The calls that are on their way, by the request ids of whoever made them.

    An id is to be used once. Where a client does not keep to that, no call is lost sight of.
    """

    _calls: dict[Json, list[InFlight]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self._calls)

    def begin(self, request_id: Json, task: asyncio.Task[object]) -> InFlight:
        """Notes a call; keep what is returned to end it."""
        call = InFlight(request_id, task)
        self._calls.setdefault(request_id, []).append(call)
        return call

    def end(self, call: InFlight) -> None:
        """Forgets a call that has ended."""
        alike = self._calls[call.request_id]
        alike.remove(call)
        if not alike:
            del self._calls[call.request_id]

    def cancel(self, request_id: Json) -> None:
        """Ends what has this request id; nothing where there is none."""
        if type(request_id) is not str and type(request_id) is not int:
            return
        for call in self._calls.get(request_id, ()):
            if not call.is_cancelled:
                call.is_cancelled = True
                call.task.cancel()

    def cancel_all(self) -> None:
        """Ends every call."""
        for request_id in list(self._calls):
            self.cancel(request_id)


@dataclass(slots=True)
class Beyond:
    """The agent outside any call, over HTTP: what its session's own stream carries.

    Nobody waits for its reader: what is said while none reads, or faster than it reads, is kept
    within bounds, the newest last.
    """

    asks: Asks
    stream: Stream

    @property
    def is_gone(self) -> bool:
        """Whether the session has ended."""
        return self.stream.is_ended

    async def notify(self, method: str, params: dict[str, Json]) -> None:
        """Said once where the same still waits to be read: that a list changed, say."""
        body = notification(method, params)
        if not self.stream.has_unread(body):
            self.stream.put(body)

    async def ask(self, method: str, params: dict[str, Json]) -> Reply:
        """Asks on the session's own stream; the client has a moment to open it."""
        try:
            async with asyncio.timeout(READER_SECONDS):
                await self.stream.wait_for_reader()
        except TimeoutError:
            raise Unanswerable("The client keeps no stream open to be asked on.") from None
        return await self.asks.ask(self.stream, method, params)


@dataclass(slots=True, eq=False)
class Session:
    """One `initialize` handshake and what it agreed."""

    id: str
    principal: Principal
    version: str
    client: dict[str, Json]  # clientInfo
    capabilities: dict[str, Json]
    beyond: Caller  # the agent outside any call
    asks: Asks
    used_at: float
    streams: Streams = field(default_factory=Streams)
    in_flight: Flights = field(default_factory=Flights)
    log_level: str | None = None
    is_closed: bool = False

    @property
    def key(self) -> str:
        """What targets keep for this session is kept under this."""
        return f"s:{self.id}"

    @property
    def is_busy(self) -> bool:
        """Whether a call is on its way, a client is asked, or a stream is open."""
        return bool(self.in_flight) or len(self.asks) > 0 or self.streams.is_read


def declared(message: Message) -> tuple[dict[str, Json], dict[str, Json]]:
    """clientInfo and capabilities of an `initialize`. Raises Malformed where they are too large."""
    params = message.params
    client, capabilities = params.get("clientInfo"), params.get("capabilities")
    found = (
        client if isinstance(client, dict) else {},
        capabilities if isinstance(capabilities, dict) else {},
    )
    if len(encode(found)) > MOST_DECLARED_BYTES:
        reason = f"clientInfo and capabilities are larger than {MOST_DECLARED_BYTES} bytes."
        raise Malformed(INVALID_PARAMS, reason, message_id=message.id)
    return found


class Sessions:
    """All open sessions of this process, least recently used first.

    `on_close` is told of each session that has ended, once; it must not raise.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        idle_seconds: float = 1800,
        most: int = 10_000,
        on_close: Callable[[Session], None] = lambda _: None,
    ) -> None:
        self._clock = clock
        self._idle_seconds = idle_seconds
        self._most = most
        self._on_close = on_close
        self._open: OrderedDict[str, Session] = OrderedDict()
        self._of_each: Counter[str] = Counter()  # how many, by the principal's key
        self._kept = Kept(clock)

    def __len__(self) -> int:
        return len(self._open)

    def open(
        self,
        principal: Principal,
        version: str,
        client: dict[str, Json],
        capabilities: dict[str, Json],
    ) -> Session:
        """A new session; where there are too many, one of whoever has most makes room."""
        self.sweep()
        if len(self._open) >= self._most:
            self.close(self._dispensable())
        asks, streams = Asks(), Streams(self._kept)
        session = Session(
            id=secrets.token_urlsafe(24),
            principal=principal,
            version=version,
            client=client,
            capabilities=capabilities,
            beyond=Beyond(asks, streams.standing),
            asks=asks,
            streams=streams,
            used_at=self._clock.now(),
        )
        self._open[session.id] = session
        self._count(principal, 1)
        return session

    def _count(self, principal: Principal, more: int) -> None:
        self._of_each[principal.key] += more
        if not self._of_each[principal.key]:
            del self._of_each[principal.key]

    def _dispensable(self) -> Session:
        """The one idle longest of the principal with most of them: who opens one after the other
        ends nobody else's.
        """
        [(key, _)] = self._of_each.most_common(1)
        theirs = (one for one in self._open.values() if one.principal.key == key)
        oldest = next(theirs)
        return next((one for one in (oldest, *theirs) if not one.is_busy), oldest)

    def find(self, session_id: str, principal: Principal) -> Session | None:
        """The session, if it is this principal's: somebody else's is as unknown as none."""
        session = self._open.get(session_id)
        if session is None or session.principal.key != principal.key:
            return None
        if self._is_idle(session):
            self.close(session)
            return None
        self.use(session)
        return session

    def use(self, session: Session) -> None:
        """Somebody uses it now."""
        if not session.is_closed:
            session.used_at = self._clock.now()
            self._open.move_to_end(session.id)

    def close(self, session: Session) -> None:
        """Ends it, once: calls are cancelled, streams end, what targets keep for it is released."""
        if session.is_closed:
            return
        session.is_closed = True
        if self._open.pop(session.id, None) is not None:
            self._count(session.principal, -1)
        session.in_flight.cancel_all()
        session.asks.close()
        session.streams.close()
        self._on_close(session)

    def close_all(self) -> None:
        """Ends every session, so that no stream stays open when the gateway stops."""
        for session in list(self._open.values()):
            self.close(session)

    def sweep(self) -> None:
        """Ends sessions that nobody used for the idle time, and forgets what was kept of streams.

        To be called every now and then: a session in use is not idle, so it is looked at again.
        """
        self._kept.sweep()
        oldest_used_at = self._clock.now() - self._idle_seconds
        for session in list(self._open.values()):
            if session.used_at > oldest_used_at:
                return
            if session.is_busy:
                self.use(session)
            else:
                self.close(session)

    def _is_idle(self, session: Session) -> bool:
        return self._clock.now() - session.used_at > self._idle_seconds and not session.is_busy
