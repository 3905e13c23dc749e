"""The GET stream of a legacy session: what the target says by itself, taken up again when cut."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial

from callgate.ports import TargetError
from callgate.protocol.framing import FramingError
from callgate.protocol.http1 import HttpError
from callgate.protocol.outbound import UPDATED, Message, WireError
from callgate.upstream.faults import Lost, Unreachable
from callgate.upstream.http_exchange import NO_STREAM, StreamEnd, overhear
from callgate.upstream.http_session import Session
from callgate.upstream.http_wire import VISIBLE, NoHandshake, Wire
from callgate.upstream.tasks import Closed

FIRST_PAUSE_SECONDS = 1.0  # before a stream that ended is opened again, doubling
MOST_PAUSE_SECONDS = 60.0
STEADY_SECONDS = 30.0  # a stream that held so long starts with the first pause again
PASSING = frozenset({408, 409, 425, 429})  # statuses below 500 that may be another the next time
_log = logging.getLogger("callgate.upstream")


class Pauses:
    """How long to wait before a stream is opened again, the longer the oftener it failed."""

    def __init__(self, ticks: Callable[[], float]) -> None:
        self._ticks = ticks
        self._next = FIRST_PAUSE_SECONDS
        self._began_at = ticks()

    async def wait(self, at_least: float | None = None) -> None:
        """Waits; the target may have said how long at least."""
        if self._ticks() - self._began_at >= STEADY_SECONDS:
            self._next = FIRST_PAUSE_SECONDS
        await asyncio.sleep(min(max(self._next, at_least or 0.0), MOST_PAUSE_SECONDS))
        self._next = min(self._next * 2, MOST_PAUSE_SECONDS)
        self._began_at = self._ticks()


class SessionStream:
    """The GET streams of all sessions with one target."""

    def __init__(
        self,
        wire: Wire,
        hear: Callable[[Session, Message], Awaitable[None]],
        replace: Callable[[Session], Awaitable[Session]],
        ticks: Callable[[], float],
    ) -> None:
        self.exist = True  # until the target says that it has none
        self._wire = wire
        self._hear = hear
        self._replace = replace
        self._ticks = ticks

    def open(self, session: Session) -> None:
        """Opens the stream of a session, once, in the background."""
        if self.exist and not session.is_deaf and session.listening is None:
            session.opened = asyncio.Event()
            session.listening = self._wire.tasks.start(self._listen(session), "listening")

    async def opened(self, session: Session, seconds: float) -> None:
        """Opens it and waits until it is there or will not be; no longer than so many seconds."""
        self.open(session)
        if session.opened is not None:
            try:
                async with asyncio.timeout(seconds):
                    await session.opened.wait()
            except TimeoutError:
                session.opened = None  # the next call does not wait for it

    async def _listen(self, session: Session) -> None:
        pauses = Pauses(self._ticks)
        last_id: str | None = None
        is_again = False
        try:
            while True:
                end = await self._listen_once(session, last_id, is_again=is_again)
                if end.status == 404 and session.id is not None:
                    if await self._is_replaced(session):
                        return
                elif not (end.status in (0, 200) or end.status in PASSING or end.status >= 500):
                    self.exist = end.status != NO_STREAM and self.exist
                    session.is_deaf = True
                    return
                is_again = True
                last_id = end.last_id or last_id
                await pauses.wait(end.retry_seconds)
        finally:
            _settle(session)
            if session.listening is asyncio.current_task():
                session.listening = None

    async def _listen_once(
        self, session: Session, last_id: str | None, *, is_again: bool
    ) -> StreamEnd:
        is_resumed = last_id is not None and VISIBLE.fullmatch(last_id) is not None
        headers = session.headers
        if is_resumed:
            headers.append(("Last-Event-ID", last_id or ""))

        async def on_open() -> None:
            _settle(session)
            if is_again and not is_resumed:
                await self.tell_missed(session)

        exchange = self._wire.client.request("GET", headers)
        hear = partial(self._hear, session)
        try:
            return await overhear(exchange, on_open, hear, self._wire.max_bytes)
        except (Unreachable, Lost, HttpError, FramingError, WireError) as error:
            _log.debug("a stream of a session broke: %s", error)
            return StreamEnd(status=0)

    async def _is_replaced(self, session: Session) -> bool:
        """The target does not know the session any more: there is another, or will be later."""
        try:
            await self._replace(session)
        except Closed:
            return True
        except (TargetError, NoHandshake, Unreachable, Lost, HttpError, FramingError) as error:
            _log.debug("a lost session could not be restored: %s", error)
            return False
        return True

    async def tell_missed(self, session: Session) -> None:
        """What was said meanwhile is lost: whoever wants to know looks for itself."""
        for what in ("tools", "resources", "prompts"):
            if session.features.has(what, "listChanged"):
                self._wire.changes.announce(what)
        if session.beyond is not None:
            for uri in sorted(session.subscriptions):
                await session.beyond.notify(UPDATED, {"uri": uri})


def _settle(session: Session) -> None:
    if session.opened is not None:
        session.opened.set()
        session.opened = None
