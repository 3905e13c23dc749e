"""The subscriptions/listen streams of a modern target: the gateway's own, and one per session."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

import msgspec

from callgate.model import NOTHING, Era, Features, Json, Offer, Reply
from callgate.ports import Caller, TargetError, TargetRequest
from callgate.protocol.framing import FramingError
from callgate.protocol.http1 import HttpError
from callgate.protocol.jsonrpc import INVALID_PARAMS, METHOD_NOT_FOUND, REFUSED
from callgate.protocol.outbound import (
    ACKNOWLEDGED,
    CHANGES,
    UPDATED,
    Message,
    WireError,
    cut_reply,
    modern_headers,
    read_params,
    without_subscription,
)
from callgate.upstream.faults import Lost, Unreachable
from callgate.upstream.http_exchange import converse
from callgate.upstream.http_listening import PASSING, Pauses
from callgate.upstream.http_session import MAX_SUBSCRIPTIONS
from callgate.upstream.http_wire import Attempt, NoHandshake, Wire, answer_of
from callgate.upstream.session import WORDS, failure
from callgate.upstream.sharing import Full
from callgate.upstream.tasks import Closed

MAX_LISTENERS = 20_000
SUBSCRIBE = "resources/subscribe"
DONE = Reply(body=b"{}")
_log = logging.getLogger("callgate.upstream")


class Refusal(Exception):  # noqa: N818 - an answer, not an error of ours
    """The target does not say what it was asked to say; `reply` is its error, or ours."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.body[:200].decode("utf-8", "replace"))
        self.reply = reply


class Ended(Exception):  # noqa: N818 - says what is so
    """A stream is over for now; it may be asked for again."""


class Stream:
    """One subscriptions/listen stream, asked for again after each loss until it is stopped."""

    def __init__(
        self,
        wire: Wire,
        wanted: Mapping[str, Json],
        offer: Offer,
        beyond: Caller | None,
        reopen: Callable[[], Awaitable[Era]],
    ) -> None:
        self.wanted = wanted
        self.needed: str | None = None  # the URI without which it is of no use
        self.beyond = beyond
        self._wire = wire
        self._offer = offer
        self._reopen = reopen
        self._agreed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task: asyncio.Task[None] | None = None

    def start(self, ticks: Callable[[], float], *, is_patient: bool) -> None:
        """Begins to listen. Patient: also a first try that fails is followed by others."""
        self._task = self._wire.tasks.start(self._listen(Pauses(ticks), is_patient), "listening")

    @property
    def is_over(self) -> bool:
        """Whether nothing will come any more."""
        return self._task is None or self._task.done()

    async def agreed(self) -> None:
        """Waits until the target agreed. Raises Refusal and what an exchange raises."""
        await asyncio.shield(self._agreed)

    def stop(self) -> None:
        """Ends it; the target sees the connection close."""
        if self._task is not None:
            self._task.cancel()

    async def _listen(self, pauses: Pauses, is_patient: bool) -> None:
        try:
            while True:
                try:
                    await self._listen_once()
                except Refusal as refusal:
                    self._fail(refusal)
                    return
                except (Unreachable, Lost, HttpError, FramingError, WireError, Ended) as error:
                    if not (is_patient or self._agreed.done()):
                        self._fail(error)
                        return
                    _log.debug("a stream of subscriptions ended: %s", error)
                await pauses.wait()
                if not await self._is_modern_still():
                    return
        finally:
            self._fail(Closed("the subscription was ended"))

    def _fail(self, error: Exception) -> None:
        if not self._agreed.done():
            self._agreed.set_exception(error)
            self._agreed.exception()  # nobody may be waiting for it

    async def _is_modern_still(self) -> bool:
        """What answers there may be another server since. Down: as it was."""
        try:
            return await self._reopen() is Era.MODERN
        except (TargetError, NoHandshake, Unreachable, Lost, HttpError, FramingError, WireError):
            return True

    async def _listen_once(self) -> None:
        """Raises Refusal where it is no use to ask again, else Ended or what an exchange raises."""
        attempt = Attempt(self._wire.next_id(), offer=self._offer)
        body = WORDS.listen(attempt.request_id, self.wanted, self._offer)
        headers = modern_headers("subscriptions/listen")
        exchange = attempt.exchange = self._wire.client.request("POST", headers, body)
        answer = await converse(
            exchange, attempt.request_id, self._hear, self._wire.max_bytes, is_endless=True
        )
        message = answer_of(answer, attempt)
        if message is not None and bytes(message.error):
            raise Refusal(cut_reply(message))
        if message is None and answer.status < 500 and answer.status not in PASSING:
            raise Refusal(failure(METHOD_NOT_FOUND, f"The target does not tell: {answer.detail}."))
        raise Ended(answer.detail or "the target ended it")

    async def _hear(self, message: Message) -> None:
        params = read_params(message)
        if message.id is not None:
            raise WireError("a request of its own on a stream of subscriptions")
        if message.method == ACKNOWLEDGED:
            await self._acknowledge(params.get("notifications"))
        elif (method := message.method or "") in CHANGES:
            self._wire.changes.announce(CHANGES[method])
        elif message.method == UPDATED and self.beyond is not None:
            onward, _ = without_subscription(params)
            await self.beyond.notify(UPDATED, onward)

    async def _acknowledge(self, honoured: Json) -> None:
        if self._agreed.done():
            await self._tell_missed()
            return
        granted = honoured.get("resourceSubscriptions") if isinstance(honoured, dict) else None
        if self.needed is not None and self.needed not in (granted or ()):
            text = f"The target takes no subscription to {self.needed[:200]}."
            raise Refusal(failure(INVALID_PARAMS, text))
        self._agreed.set_result(None)

    async def _tell_missed(self) -> None:
        """What was said while it was lost is not said again: whoever wants to know looks itself."""
        for what in CHANGES.values():
            if self.wanted.get(f"{what}ListChanged"):
                self._wire.changes.announce(what)
        if self.beyond is not None:
            for uri in self.wanted.get("resourceSubscriptions", ()):
                await self.beyond.notify(UPDATED, {"uri": uri})


class Listener:
    """One session with subscriptions."""

    def __init__(self) -> None:
        self.stream: Stream | None = None
        self.changing = asyncio.Lock()  # one change of its set at a time
        self.changes = 0  # under way
        self.is_released = False


class Subscribing:
    """All that a modern target is asked to tell of its own accord."""

    def __init__(
        self, wire: Wire, ticks: Callable[[], float], reopen: Callable[[], Awaitable[Era]]
    ) -> None:
        self._wire = wire
        self._ticks = ticks
        self._reopen = reopen
        self._own: Stream | None = None
        self._listeners: dict[str, Listener] = {}  # by session key

    def watch(self, features: Features) -> None:
        """Listens for changes of the lists that the target declares to tell about."""
        wanted = {
            f"{what}ListChanged": True
            for what in CHANGES.values()
            if features.has(what, "listChanged")
        }
        if self._own is not None and not self._own.is_over and self._own.wanted == wanted:
            return
        self.unwatch()
        if wanted:
            self._own = Stream(self._wire, wanted, NOTHING, None, self._reopen)
            self._own.start(self._ticks, is_patient=True)

    def unwatch(self) -> None:
        """Listens for them no more."""
        if self._own is not None:
            self._own.stop()
            self._own = None

    async def change(self, request: TargetRequest, features: Features) -> Reply:
        """Answers `resources/subscribe` and `resources/unsubscribe`.

        Raises what an exchange raises, and Full.
        """
        uri = msgspec.json.decode(request.params).get("uri")
        if not isinstance(uri, str):
            return failure(INVALID_PARAMS, "`uri` must be a string.")
        if request.tool.method == SUBSCRIBE and not features.has("resources", "subscribe"):
            return failure(METHOD_NOT_FOUND, "The target takes no subscriptions.")
        listener = self._listener(request.session_key)
        listener.changes += 1
        try:
            async with listener.changing:
                return await self._change(listener, request, uri)
        except Refusal as refusal:
            return refusal.reply
        finally:
            listener.changes -= 1
            if not listener.changes and listener.stream is None and not listener.is_released:
                del self._listeners[request.session_key]

    def _listener(self, key: str) -> Listener:
        listener = self._listeners.get(key)
        if listener is None:
            if len(self._listeners) >= MAX_LISTENERS:
                raise Full(f"{MAX_LISTENERS} sessions have subscriptions")
            listener = self._listeners[key] = Listener()
        return listener

    async def _change(self, listener: Listener, request: TargetRequest, uri: str) -> Reply:
        old = listener.stream
        uris = set(old.wanted["resourceSubscriptions"]) if old is not None else set()
        is_wanted = request.tool.method == SUBSCRIBE
        if old is not None and request.beyond is not None:
            old.beyond = request.beyond
        if (uri in uris) is is_wanted and (old is None or not old.is_over):
            return DONE
        uris = uris | {uri} if is_wanted else uris - {uri}
        if len(uris) > MAX_SUBSCRIPTIONS:
            text = f"More than {MAX_SUBSCRIPTIONS} subscriptions; end some of them first."
            return failure(REFUSED, text)
        new = await self._listen(request, old, uris, uri if is_wanted else None) if uris else None
        if listener.is_released:
            old, new = new, None
        if old is not None:
            old.stop()
        listener.stream = new
        return DONE

    async def _listen(
        self, request: TargetRequest, old: Stream | None, uris: set[str], needed: str | None
    ) -> Stream:
        """A stream with the new set. The old one goes on until this one is there."""
        beyond = request.beyond or (old.beyond if old is not None else None)
        wanted = {"resourceSubscriptions": sorted(uris)}
        new = Stream(self._wire, wanted, request.offer, beyond, self._reopen)
        new.needed = needed
        new.start(self._ticks, is_patient=False)
        try:
            await new.agreed()
        except BaseException:
            new.stop()
            raise
        return new

    def release(self, session_key: str) -> None:
        """Ends what was asked for under this key."""
        listener = self._listeners.pop(session_key, None)
        if listener is not None:
            listener.is_released = True
            if listener.stream is not None:
                listener.stream.stop()

    def stop(self) -> None:
        """Ends all."""
        self.unwatch()
        for key in tuple(self._listeners):
            self.release(key)
