"""Targets that speak MCP over HTTP+SSE, the transport of 2024-11-05."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urljoin, urlsplit

from callgate.model import NOTHING, Era, Features, Offer, Ran, Reply
from callgate.ports import Caller, Clock, Listing, TargetRequest, TargetStatus
from callgate.protocol.framing import Events, FramingError
from callgate.protocol.http1 import HttpError
from callgate.protocol.outbound import Message, WireError, read_message
from callgate.upstream.duplex import Asked, Duplex, Terms
from callgate.upstream.faults import Lost, Unreachable
from callgate.upstream.http_client import Exchange, HttpClient
from callgate.upstream.http_exchange import EVENTS, is_compressed, kind_of
from callgate.upstream.mcp_http import HttpTargetSettings
from callgate.upstream.opening import Opening
from callgate.upstream.pipes import EVERYBODY, Pipe, PipeRules, Pipes
from callgate.upstream.session import WORDS

MAX_CONNECTIONS = 1000  # event streams to one target
OPENING_SECONDS = 15.0  # until the stream is there and the handshake is done
COURTESY_SECONDS = 5.0  # for what we tell a target without needing its answer
PING_SECONDS = 10.0  # for the answer, where a call was given up
HEALTHY_SECONDS = 5.0  # servers and proxies end streams at will: that is no fault
MAX_SAYING = 64  # messages without an answer that are under way at a time
MAX_BODY_BYTES = 64 << 10  # how much of the answer to a POST is read; it says nothing
MAX_ENDPOINT_CHARACTERS = 8192

# Statuses that say that a message was turned down, so that nothing was executed.
WITHOUT_EFFECT = frozenset(range(400, 500)) - {408, 499}


class SseLink(Duplex):
    """One event stream from a target, and the URL that takes what we say to it."""

    def __init__(self, terms: Terms, settings: HttpTargetSettings) -> None:
        super().__init__(terms)
        self._settings = settings
        self._stream = self._client(settings.url, ("Accept", "text/event-stream"))
        self._endpoint: HttpClient | None = None
        self._saying = 0
        self._is_in_doubt = False

    def _client(self, url: str, *headers: tuple[str, str]) -> HttpClient:
        settings = self._settings
        pairs = [*headers, ("User-Agent", "callgate"), *settings.headers.items()]
        seconds = settings.connect_timeout_seconds
        return HttpClient(url, pairs, seconds, settings.pass_headers)

    async def connect(self) -> None:
        """Opens the stream and waits for the endpoint. Raises Unreachable, Lost, WireError."""
        exchange = self._stream.request("GET")
        found: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        reading = self.tasks.start(self._listen(exchange, found), "events")
        waiting: set[asyncio.Future[Any]] = {found, reading}
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if not found.done():
            reading.result()  # raises what was wrong
            raise Lost(self.end_reason)
        url = _endpoint_url(self._settings.url, found.result())
        self._endpoint = self._client(url, ("Content-Type", "application/json"))

    async def _listen(self, exchange: Exchange, found: asyncio.Future[str]) -> None:
        reason = "the event stream ended"
        try:
            async with exchange:
                _check_stream(exchange)
                events = Events(self._settings.max_response_bytes)
                while (chunk := await exchange.chunk()) is not None:
                    for event in events.feed_named(chunk):
                        self._hear_event(event.name, event.data, found)
        except (Lost, HttpError, FramingError) as error:
            reason = f"the event stream broke: {error}"
            if not self.features:
                raise Lost(reason) from None
        except WireError as error:
            reason = str(error)
            raise
        finally:
            self.die(reason)

    def _hear_event(self, name: str, data: bytes, found: asyncio.Future[str]) -> None:
        if name == "endpoint" and not found.done():
            found.set_result(data.decode("utf-8", "replace"))
        elif name == "message":
            self.hear(read_message(data))

    async def write_asked(self, asked: Asked, body: bytes) -> None:
        """Posts one request, with what interceptors want sent with it."""
        wanted = asked.notes.request.headers if asked.notes is not None else {}
        await self._post(body, asked.mark_sent, wanted)

    async def write(self, body: bytes, sent: Callable[[], None]) -> None:
        """Posts one message. Raises Unreachable, Lost, HttpError, WireError."""
        await self._post(body, sent, {})

    async def _post(self, body: bytes, sent: Callable[[], None], wanted: Mapping[str, str]) -> None:
        assert self._endpoint is not None  # noqa: S101 - connected before anything is said
        exchange = self._endpoint.request("POST", body=body, wanted=wanted)
        try:
            async with exchange:
                status = exchange.status
                if status not in WITHOUT_EFFECT:
                    sent()
                await exchange.read(MAX_BODY_BYTES)
        except FramingError:
            return  # the status is all that matters
        except BaseException:
            if exchange.is_sent and exchange.status not in WITHOUT_EFFECT:
                sent()
            raise
        if status in (404, 410):
            self.die(f"HTTP {status}: the target does not know the session any more")
            raise Lost(self.end_reason)
        if not 200 <= status < 300:
            raise WireError(f"HTTP {status} to a message", ran=_ran(status))

    async def ask(self, asked: Asked, body: bytes) -> Message:
        """As any pipe does. Who gave up waiting may have waited at a stream that is dead."""
        try:
            return await super().ask(asked, body)
        except asyncio.CancelledError:
            if self.is_alive and not self._is_in_doubt:
                self._is_in_doubt = True
                self.tasks.start(self._ping(), "ping")
            raise

    async def _ping(self) -> None:
        """Ends a stream that nothing comes on any more, although nobody closed it."""
        number = self.next_id()
        try:
            async with asyncio.timeout(PING_SECONDS):
                await super().ask(Asked(number), WORDS.request(number, "ping", b"{}", b""))
        except TimeoutError:
            self.die(f"it did not answer a ping within {PING_SECONDS:g} s")
        finally:
            self._is_in_doubt = False

    def say(self, body: bytes) -> None:
        """Posts one message in the background; too many at a time: dropped."""
        if self.is_alive and self._saying < MAX_SAYING:
            self._saying += 1
            self.tasks.start(self._say(body), "telling")

    async def _say(self, body: bytes) -> None:
        try:
            async with asyncio.timeout(COURTESY_SECONDS):
                await self.write(body, lambda: None)
        finally:
            self._saying -= 1

    async def close(self) -> None:
        """Ends the stream, and with it what the target keeps for it."""
        self.die("the connection was closed")
        try:
            await self.tasks.close()
        finally:
            self._stream.close()
            if self._endpoint is not None:
                self._endpoint.close()


def _check_stream(exchange: Exchange) -> None:
    kind = kind_of(exchange)
    if exchange.status != 200:
        raise Lost(f"HTTP {exchange.status}")
    if kind != EVENTS:
        raise WireError(f"no event stream, but {kind[:80]!r}", ran=Ran.NO)
    if is_compressed(exchange):
        raise WireError("a compressed event stream, although we accept none", ran=Ran.NO)


def _endpoint_url(url: str, said: str) -> str:
    """Where to post to. Raises WireError where that is another origin: our headers hold secrets."""
    is_plain = said.isascii() and all(0x20 < ord(character) < 0x7F for character in said)
    if not is_plain or len(said) > MAX_ENDPOINT_CHARACTERS:
        raise WireError("an endpoint that is no URL", ran=Ran.NO)
    try:
        endpoint = urljoin(url, said)
        if _origin(endpoint) != _origin(url):
            raise WireError("an endpoint at another origin than its own", ran=Ran.NO)
    except ValueError:
        raise WireError("an endpoint that is no URL", ran=Ran.NO) from None
    return endpoint.partition("#")[0]


def _origin(url: str) -> tuple[str, str | None, int | None, str | None]:
    parts = urlsplit(url)
    port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    return parts.scheme, parts.hostname, port, parts.username


def _ran(status: int) -> Ran:
    return Ran.NO if status in WITHOUT_EFFECT else Ran.UNKNOWN


class McpSseConnector:
    """Implements Connector: one event stream per session of an agent, opened when it is used."""

    def __init__(self, name: str, settings: HttpTargetSettings, clock: Clock) -> None:
        self.name = name
        self._settings = settings
        rules = PipeRules(
            most=MAX_CONNECTIONS,
            timeout_seconds=settings.timeout_seconds,
            hint=Era.LEGACY,
            healthy_seconds=HEALTHY_SECONDS,
        )
        self._pipes = Pipes(name, self._launch, clock.ticks, rules)

    @property
    def status(self) -> TargetStatus:
        """How it stands, without touching it."""
        standing = self._pipes.standing
        return TargetStatus(
            name=self.name,
            kind="mcp_http",
            is_ready=standing.is_ready,
            era=Era.LEGACY.value if standing.is_ready else None,
            tools=standing.tools,
            detail=standing.detail,
        )

    def on_change(self, callback: Callable[[str], None]) -> Callable[[], None]:
        """Has `callback` called with `tools`, `resources` or `prompts` when that list changed.

        Returns what ends that.
        """
        return self._pipes.changes.listen(callback)

    async def start(self) -> None:
        """Nothing runs in the background; the first request connects."""

    async def close(self) -> None:
        """Ends the streams. Calls still in flight are lost."""
        await self._pipes.close()

    async def features(self, offer: Offer = NOTHING) -> Features:
        """What it can do for a client with this offer. Raises TargetError."""
        return await self._pipes.features(offer)

    async def list_tools(self, offer: Offer = NOTHING) -> Listing:
        """All pages, as a client with this offer sees them. Raises TargetError."""
        return await self._pipes.list_tools(offer)

    async def call(self, request: TargetRequest, caller: Caller) -> Reply:
        """Makes one request, once. Raises TargetError. Cancelled: the target is told to stop."""
        scope = f"session {request.session_key}" if request.session_key else EVERYBODY
        return await self._pipes.call(request, caller, scope)

    async def release(self, session_key: str) -> None:
        """Ends what is kept for a session."""
        await self._pipes.release(session_key, f"session {session_key}")

    async def roots_changed(self, session_key: str) -> None:
        """Tells the target in the session's stream."""
        self._pipes.roots_changed(session_key)

    async def _launch(self, pipe: Pipe, hint: Era | None) -> SseLink:
        """Opens a stream. Raises Unreachable; nothing is left behind then."""
        link = SseLink(self._pipes.terms(pipe), self._settings)
        try:
            async with asyncio.timeout(OPENING_SECONDS):
                await link.connect()
                await Opening(link, pipe.subscriptions).run(Era.LEGACY)
        except (TimeoutError, Lost, WireError, HttpError) as error:
            await link.close()
            slow = f"no answer within {OPENING_SECONDS:g} s"
            raise Unreachable(slow if isinstance(error, TimeoutError) else str(error)) from None
        except BaseException:
            await link.close()
            raise
        return link
