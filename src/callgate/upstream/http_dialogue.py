"""Talking MCP over HTTP: finds the era, and leaves the rest to the side that speaks it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from callgate.model import Era, Features, Offer, Reply
from callgate.ports import TargetRequest
from callgate.protocol.eras import LATEST_MODERN
from callgate.protocol.negotiation import Undecided, era_over_http, read_discovered
from callgate.protocol.outbound import modern_headers
from callgate.upstream.http_exchange import Answer
from callgate.upstream.http_legacy import LegacySide
from callgate.upstream.http_modern import ModernSide
from callgate.upstream.http_subscribing import Subscribing
from callgate.upstream.http_wire import Attempt, Wire, ignore
from callgate.upstream.session import WORDS
from callgate.upstream.tasks import join

OPENING_SECONDS = 15.0  # for the opening question


class HttpDialogue:
    """The conversation with one target, of whichever era it turns out to be."""

    def __init__(self, wire: Wire, ticks: Callable[[], float]) -> None:
        self.era: Era | None = None
        self.speaks_both = False  # a modern target that may take the handshake, too
        self._wire = wire
        self._discovered = Features()
        self._opening: asyncio.Task[Era] | None = None
        self._is_watched = False
        self.legacy = LegacySide(wire, ticks)
        self.modern = ModernSide(wire)
        self._subscribing = Subscribing(wire, ticks, self.open)

    def forget_era(self) -> None:
        """Has the next request ask again which era is spoken."""
        self.era = None

    async def open(self) -> Era:
        """The era, asked for once however many wait. Raises TargetError, or as an exchange does."""
        if self.era is not None:
            return self.era
        if self._opening is None or self._opening.done():
            self._opening = self._wire.tasks.start(self._ask_era(), "opening")
        return await join(self._opening)

    def known_for(self, era: Era) -> Era | None:
        """The era to speak for an agent of this one: its own, where the target speaks both, so
        that nothing has to be said in other words. `discover` does not tell whether it does: it
        may until it has turned a handshake down. None: it is not known yet.
        """
        return era if self.speaks_both and self.era is not None else self.era

    async def open_for(self, era: Era) -> Era:
        """The same, asked for where it is not known. Raises as `open` does."""
        spoken = self.era or await self.open()
        return era if self.speaks_both else spoken

    async def _ask_era(self) -> Era:
        attempt = Attempt(self._wire.next_id())
        headers = modern_headers("server/discover")
        try:
            async with asyncio.timeout(OPENING_SECONDS):
                body = WORDS.discover(attempt.request_id)
                answer = await self._wire.post(attempt, headers, body, ignore)
            self.era = era_over_http(answer.status, answer.message)
        except Undecided:
            raise self._wire.turned_down(answer) from None
        except TimeoutError:
            raise self._wire.faults.timeout(OPENING_SECONDS, is_sent=False) from None
        self._began(self.era, answer)
        return self.era

    def _began(self, era: Era, answer: Answer) -> None:
        self.speaks_both = era is Era.MODERN
        if era is Era.LEGACY:
            self._subscribing.stop()
            self.legacy.forget()
            return
        if not self.speaks_both:
            self.legacy.stop()
        message = answer.message
        if message is not None and bytes(message.result):
            self._discovered = read_discovered(message)
        else:
            self._discovered = Features(era=era, version=LATEST_MODERN)
        if self._is_watched:
            self._subscribing.watch(self._discovered)

    def watch(self, *, is_wanted: bool) -> None:
        """Whether the target is to be listened to for changes, once it is known what it can."""
        if is_wanted is self._is_watched:
            return
        self._is_watched = is_wanted
        self.legacy.watch(is_wanted=is_wanted)
        if is_wanted and self.era is Era.MODERN:
            self._subscribing.watch(self._discovered)
        elif not is_wanted:
            self._subscribing.unwatch()

    async def features(self, offer: Offer) -> Features:
        """What the target can do for a client with this offer. Raises as `ask` does."""
        if await self.open() is Era.MODERN:
            return self._discovered
        return await self.legacy.features(offer)

    async def subscribe(self, request: TargetRequest) -> Reply:
        """Answers `resources/subscribe` and `resources/unsubscribe` for a modern target."""
        return await self._subscribing.change(request, self._discovered)

    async def release(self, session_key: str) -> None:
        """Ends what is kept under this key."""
        self._subscribing.release(session_key)
        await self.legacy.release(session_key)

    async def close(self) -> None:
        """Ends the sessions."""
        self._subscribing.stop()
        await self.legacy.close()
