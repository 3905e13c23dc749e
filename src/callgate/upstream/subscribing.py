"""What a target says of its own accord: asked for once, shared out to those who want to hear it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Set

from callgate.model import Era, Json, Reply
from callgate.protocol.jsonrpc import INTERNAL_ERROR, INVALID_PARAMS, METHOD_NOT_FOUND, encode
from callgate.protocol.outbound import Message, WireError, cut_reply
from callgate.upstream.audience import MAX_URIS, Attached, Audience
from callgate.upstream.duplex import Asked, Duplex, Listener
from callgate.upstream.faults import Lost
from callgate.upstream.session import WORDS, failure

FIRST_PAUSE_SECONDS = 0.5  # before a stream that ended is asked for again, doubling
MOST_PAUSE_SECONDS = 60.0
SUBSCRIBE = "resources/subscribe"
UNSUBSCRIBE = "resources/unsubscribe"
LISTS = ("tools", "prompts", "resources")
DONE = Reply(body=b"{}")


class Subscriptions:
    """The subscriptions at one target, across restarts. The audience keeps what is wanted."""

    def __init__(self, audience: Audience) -> None:
        self._audience = audience
        self._listening: dict[str, Listening] = {}  # session key → its stream at a modern target

    async def change(
        self, pipe: Duplex, asked: Asked, attached: Attached, method: str, uri: Json
    ) -> Reply:
        """Answers `resources/subscribe` and `resources/unsubscribe`. Raises as `ask` does."""
        if not isinstance(uri, str):
            return failure(INVALID_PARAMS, "`uri` must be a string.")
        async with attached.changing:
            if method == UNSUBSCRIBE:
                return await self._unsubscribe(pipe, asked, attached, uri)
            if uri not in attached.uris and len(attached.uris) >= MAX_URIS:
                return failure(INVALID_PARAMS, f"More than {MAX_URIS} subscriptions.")
            reply = await self._subscribe(pipe, asked, attached, uri)
            if not reply.is_error:
                attached.uris.add(uri)
                if self._audience.find(attached.key) is not attached:
                    attached.uris.clear()  # it left meanwhile
                    self.forget(pipe, attached.key, {uri})
            return reply

    async def _subscribe(self, pipe: Duplex, asked: Asked, attached: Attached, uri: str) -> Reply:
        if pipe.era is Era.MODERN:
            return await self._listen(pipe, attached, attached.uris | {uri})
        if uri in self._audience.uris:
            return DONE
        return cut_reply(await _send(pipe, asked, SUBSCRIBE, uri))

    async def _unsubscribe(self, pipe: Duplex, asked: Asked, attached: Attached, uri: str) -> Reply:
        attached.uris.discard(uri)
        if pipe.era is Era.MODERN:
            return await self._listen(pipe, attached, set(attached.uris))
        if uri in self._audience.uris:
            return DONE
        return cut_reply(await _send(pipe, asked, UNSUBSCRIBE, uri))

    async def _listen(self, pipe: Duplex, attached: Attached, uris: set[str]) -> Reply:
        """Replaces the stream of one session; the old one ends once the new one is there."""
        old = self._listening.get(attached.key)
        if not uris:
            self._stop(attached.key)
            return DONE
        features = pipe.features
        if features is None or not features.has("resources", "subscribe"):
            return failure(METHOD_NOT_FOUND, "The target takes no subscriptions.")
        if old is not None and uris == old.uris:
            return DONE
        new = _listening(pipe, attached, uris)
        try:
            refused = await new.agreed()
        except BaseException:
            new.stop()
            raise
        if refused is not None:
            new.stop()
            return refused
        if old is not None:
            old.stop()
        self._listening[attached.key] = new
        return DONE

    def _stop(self, key: str) -> None:
        listening = self._listening.pop(key, None)
        if listening is not None:
            listening.stop()

    def restore(self, pipe: Duplex) -> None:
        """Asks a target that was just opened for what is wanted, in the background."""
        features = pipe.features
        self._listening.clear()  # those of the pipe before ended with it
        if features is None:
            return
        if pipe.era is Era.LEGACY:
            pipe.tasks.start(pipe.tell_level(), "setting the level")
            for uri in self._audience.uris:
                pipe.request(SUBSCRIBE, {"uri": uri})
            return
        lists = {f"{what}ListChanged": True for what in LISTS if features.has(what, "listChanged")}
        if lists:
            Listening(pipe, lists)
        for attached in self._audience:
            if attached.uris:
                self._listening[attached.key] = _listening(pipe, attached, attached.uris)

    def forget(self, pipe: Duplex, key: str, uris: set[str]) -> None:
        """A session has gone: what nobody else wants is not said any more."""
        self._stop(key)
        if pipe.era is Era.LEGACY and pipe.is_alive:
            for uri in uris - self._audience.uris:
                pipe.request(UNSUBSCRIBE, {"uri": uri})


class Listening(Listener):
    """One subscriptions/listen stream, asked for again when it ends, until it is stopped."""

    def __init__(
        self,
        pipe: Duplex,
        wanted: Mapping[str, Json],
        attached: Attached | None = None,
        uris: Set[str] = frozenset(),
    ) -> None:
        self.attached = attached
        self.uris = uris
        self._pipe = pipe
        self._wanted = wanted
        self._is_agreed = False
        self._agreed: asyncio.Future[Reply | None] = asyncio.get_running_loop().create_future()
        self._task = pipe.tasks.start(self._listen(), "listening")

    async def agreed(self) -> Reply | None:
        """Waits for the target's word: None where it agreed to all, else its refusal."""
        return await asyncio.shield(self._agreed)

    def acknowledge(self, params: dict[str, Json]) -> None:
        """Takes what the target agreed to say."""
        said = params.get("notifications")
        granted = said.get("resourceSubscriptions") if isinstance(said, dict) else None
        names = granted if isinstance(granted, list) else []
        refused = sorted(uri for uri in self.uris if uri not in names)
        if refused:
            text = f"The target takes no subscription to {refused[0][:200]}."
            self._settle(failure(INVALID_PARAMS, text))
        else:
            self._settle(None)

    def _settle(self, refused: Reply | None) -> None:
        self._is_agreed = self._is_agreed or refused is None
        if not self._agreed.done():
            self._agreed.set_result(refused)

    def stop(self) -> None:
        """Ends it; the target is told."""
        self._task.cancel()

    async def _listen(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        try:
            while True:
                reply = await self._listen_once()
                if not self._is_agreed:
                    self._settle(reply if reply.is_error else _ended("it ended the stream"))
                    return
                await asyncio.sleep(pause)
                pause = min(pause * 2, MOST_PAUSE_SECONDS)
        except Lost as error:
            self._settle(_ended(str(error)))  # it is asked again when it has been opened again
        finally:
            self._settle(_ended("it was closed"))

    async def _listen_once(self) -> Reply:
        """How the target ended one stream. Raises Lost."""
        asked = Asked(self._pipe.next_id())
        self._pipe.listens[asked.request_id] = self
        try:
            body = WORDS.listen(asked.request_id, self._wanted, self._pipe.offer)
            return cut_reply(await self._pipe.ask(asked, body))
        except WireError as error:
            return _ended(str(error))
        finally:
            self._pipe.listens.pop(asked.request_id, None)


def _listening(pipe: Duplex, attached: Attached, uris: Set[str]) -> Listening:
    return Listening(pipe, {"resourceSubscriptions": sorted(uris)}, attached, frozenset(uris))


def _ended(why: str) -> Reply:
    return failure(INTERNAL_ERROR, f"The target does not say what changes: {why}."[:300])


async def _send(pipe: Duplex, asked: Asked, method: str, uri: str) -> Message:
    body = WORDS.request(asked.request_id, method, encode({"uri": uri}), b"")
    return await pipe.ask(asked, body)
