"""One session of the handshake era: what the target was told in it, and what goes on in it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Iterator
from contextlib import ExitStack

from callgate.model import Features, Offer
from callgate.ports import Caller
from callgate.protocol.jsonrpc import INTERNAL_ERROR, error_response
from callgate.protocol.outbound import Headers, Message
from callgate.upstream.http_asking import Asks
from callgate.upstream.http_wire import Attempt
from callgate.upstream.session import answered

_log = logging.getLogger("callgate.upstream")
MAX_SUBSCRIPTIONS = 1000
NO_URIS: frozenset[str] = frozenset()


class Session:
    """Kept small: a target may have thousands that do nothing.

    INVARIANT: it serves one session key, and `offer` is what its handshake declared.
    """

    __slots__ = (
        "_quiet",
        "asks",
        "attempts",
        "beyond",
        "features",
        "id",
        "is_deaf",
        "is_doubtful",
        "key",
        "listening",
        "log_level",
        "offer",
        "opened",
        "session_key",
        "subscriptions",
        "used_at",
    )

    def __init__(
        self, session_key: str, offer: Offer, session_id: str | None, features: Features
    ) -> None:
        self.session_key = session_key
        self.key = key_of(session_key, offer)
        self.offer = offer
        self.id = session_id  # None: the target keeps none
        self.features = features
        self.used_at = 0.0
        self.attempts: dict[int, Attempt] = {}
        self.asks: Asks | None = None  # of the target, outside any call
        self.beyond: Caller | None = None
        self.log_level: str | None = None  # what the target was told
        self.subscriptions = NO_URIS
        self.listening: asyncio.Task[None] | None = None  # to its GET stream
        self.opened: asyncio.Event | None = None  # that stream is there, or will not be
        self.is_doubtful = False  # the target may not know it any more
        self.is_deaf = False  # the target has no such stream for it
        self._quiet: asyncio.Event | None = None

    @property
    def calls(self) -> int:
        """What it is in use for; subscriptions and an open stream are a use."""
        return len(self.attempts) + bool(self.subscriptions) + (self.listening is not None)

    @property
    def headers(self) -> Headers:
        """What every later request of the session carries."""
        headers = [("MCP-Protocol-Version", self.features.version)]
        if self.id is not None:
            headers.append(("Mcp-Session-Id", self.id))
        return headers

    def enter(self, attempt: Attempt) -> None:
        """A request is in flight in it from now on."""
        self.attempts[attempt.request_id] = attempt

    def leave(self, attempt: Attempt) -> None:
        """The request is over."""
        self.attempts.pop(attempt.request_id, None)
        if self._quiet is not None and not self.attempts:
            self._quiet.set()

    async def quiet(self) -> None:
        """Waits until nothing is in flight in it."""
        while self.attempts:
            if self._quiet is None:
                self._quiet = asyncio.Event()
            self._quiet.clear()
            await self._quiet.wait()

    def all_asks(self) -> Iterator[Asks]:
        """The target's requests that wait for an answer, during calls and outside."""
        if self.asks is not None:
            yield self.asks
        yield from (one.asks for one in self.attempts.values() if one.asks is not None)

    def stop(self) -> None:
        """Ends what goes on in the background for it; not the task that says so."""
        if self.asks is not None:
            self.asks.end()
        listening, self.listening = self.listening, None
        if listening is not None and listening is not asyncio.current_task():
            listening.cancel()


def key_of(session_key: str, offer: Offer) -> str:
    """What a session is kept under."""
    return f"{session_key}\x1f{offer.digest}"


def whom_to_ask(session: Session, calls: tuple[Attempt, ...]) -> Caller | None:
    """Who is asked outside any call; a modern client has no such place, and is asked in the call
    that it made last: all of them are its own.
    """
    if session.beyond is not None:
        return session.beyond
    return calls[-1].caller if calls else None


async def answer_target(
    offer: Offer, message: Message, caller: Caller | None, calls: Iterable[Attempt]
) -> bytes:
    """Asks whom the target's request is for; the calls that may wait for it have time."""
    try:
        with ExitStack() as waiting:
            for attempt in calls:
                if attempt.patience is not None:
                    waiting.enter_context(attempt.patience)
            return await answered(message, offer, caller)
    except Exception:  # noqa: BLE001 - a bug of ours must not leave the target waiting
        _log.exception("a target's %s failed", message.method)
        return error_response(message.id, INTERNAL_ERROR, "The client could not be asked.")
