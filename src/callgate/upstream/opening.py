"""Opening a pipe: which era the target speaks, and what it kept before it was started again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from callgate.model import Era, Features
from callgate.protocol.negotiation import era_of_answer, read_discovered, read_initialized
from callgate.protocol.outbound import INITIALIZED, Message, WireError
from callgate.upstream.duplex import Asked, Duplex
from callgate.upstream.faults import Lost
from callgate.upstream.session import WORDS
from callgate.upstream.subscribing import Subscriptions

DISCOVER_SECONDS = 5.0  # after which the older handshake is tried too


class DiedOfQuestion(Lost):
    """The target ended when it was asked the modern question: some do so with any unknown one."""


class Opening:
    """Opens one pipe. The caller bounds the time."""

    def __init__(self, pipe: Duplex, subscriptions: Subscriptions) -> None:
        self._pipe = pipe
        self._subscriptions = subscriptions

    async def run(self, hint: Era | None) -> Features:
        """Finds out which era the target speaks. Raises DiedOfQuestion, and as `ask` does.

        The modern question comes first, unless the target spoke legacy before. No answer in time:
        the handshake is tried as well, and whichever is answered first counts, because a target
        may just be slow to start.
        """
        waiting: set[asyncio.Task[Message]] = set()
        probe = None
        if hint is not Era.LEGACY:
            probe = self._start(WORDS.discover)
            done, waiting = await asyncio.wait({probe}, timeout=DISCOVER_SECONDS)
            if done and (features := _modern(probe)):
                return await self._adopt(features)
        greeting = self._start(lambda number: WORDS.initialize(number, self._pipe.offer))
        waiting.add(greeting)
        while waiting:
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if probe in done and probe is not None and (features := _modern(probe)):
                return await self._adopt(features)
            if greeting in done:
                try:
                    features = read_initialized(greeting.result())
                except WireError:
                    if not waiting:
                        raise
                    continue  # the modern answer may still come
                except Lost as error:
                    if probe in waiting:  # its end is noticed first where something is said to it
                        raise DiedOfQuestion(str(error)) from None
                    raise
                return await self._adopt(features)
        raise WireError("neither `server/discover` nor `initialize` was answered")

    def _start(self, words: Callable[[int], bytes]) -> asyncio.Task[Message]:
        asked = Asked(self._pipe.next_id())
        work = self._pipe.ask(asked, words(asked.request_id))
        return self._pipe.tasks.start(work, "opening")

    async def _adopt(self, features: Features) -> Features:
        self._pipe.features = features  # before the target may ask: it does so at once
        if features.era is Era.LEGACY:
            await self._pipe.write(INITIALIZED, lambda: None)
        self._subscriptions.restore(self._pipe)
        return features


def _modern(probe: asyncio.Task[Message]) -> Features | None:
    try:
        message = probe.result()
    except Lost as error:
        raise DiedOfQuestion(str(error)) from None
    return read_discovered(message) if era_of_answer(message) is Era.MODERN else None
