"""One MCP request over HTTP and its answer: JSON, or the events of a stream until it is there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from callgate.model import Value
from callgate.protocol.framing import Events, FramingError
from callgate.protocol.outbound import Message, WireError, read_message
from callgate.upstream.faults import Lost
from callgate.upstream.http_client import Exchange

MAX_ERROR_BYTES = 64 << 10  # how much of a body that is no answer we read

JSON = "application/json"
EVENTS = "text/event-stream"
NO_STREAM = 405  # how a target says that it has none

OnMessage = Callable[[Message], Awaitable[None]]


class Answer(Value):
    """How a target answered: `message` is the response, None where the status is all there is."""

    status: int
    message: Message | None = None
    session_id: str | None = None
    detail: str = ""


class StreamEnd(Value):
    """How a stream of what the target says by itself ended, or why there was none."""

    status: int
    last_id: str | None = None
    retry_seconds: float | None = None


class StreamCut(Lost):
    """A stream ended before the answer. `last_id` is where it can be taken up again, if at all."""

    def __init__(self, detail: str, last_id: str | None, retry_seconds: float | None) -> None:
        super().__init__(detail)
        self.last_id = last_id
        self.retry_seconds = retry_seconds


async def converse(
    exchange: Exchange,
    request_id: int,
    on_message: OnMessage,
    max_bytes: int,
    *,
    is_endless: bool = False,
) -> Answer:
    """Sends a request, hands on what is said meanwhile, returns the response to `request_id`.

    Bounded: `max_bytes` is all that the target may send, notifications included; of an endless
    stream, the size of each event. The caller bounds the time. Raises Unreachable, Lost, StreamCut,
    HttpError, FramingError, WireError.
    """
    async with exchange:
        if is_compressed(exchange):
            raise WireError("a compressed response, although we accept none")
        kind = kind_of(exchange)
        if exchange.status != 200:
            return await _read_refusal(exchange, kind)
        if kind == JSON:
            message = read_message(await exchange.read(max_bytes))
            _check_response(message, request_id)
        elif kind == EVENTS:
            events = _Stream(max_bytes, is_endless=is_endless)
            message = await events.find(exchange, request_id, on_message)
            exchange.is_answered = True
        else:
            raise WireError(f"HTTP 200 with the content type {kind[:80]!r}")
        return Answer(
            status=200, message=message, session_id=exchange.headers.get("mcp-session-id")
        )


def _check_response(message: Message, request_id: int) -> None:
    if message.method is not None or message.id != request_id:
        raise WireError("a response to another request than ours")


class _Stream:
    """The events of one response, within bounds."""

    def __init__(self, max_bytes: int, *, is_endless: bool) -> None:
        self.events = Events(max_bytes)
        self._max_bytes = max_bytes
        self._left = None if is_endless else max_bytes

    async def find(self, exchange: Exchange, request_id: int, on_message: OnMessage) -> Message:
        """Hands on all events until the response. Raises StreamCut where there is none."""
        events = self.events
        try:
            while (chunk := await exchange.chunk()) is not None:
                for data in self.feed(chunk):
                    message = read_message(data)
                    if message.is_response:
                        _check_response(message, request_id)
                        return message
                    await on_message(message)
        except Lost as error:
            raise StreamCut(str(error), events.last_id, events.retry_seconds) from None
        raise StreamCut("the stream ended before the answer", events.last_id, events.retry_seconds)

    def feed(self, chunk: bytes) -> list[bytes]:
        """The events that a chunk completes. Raises FramingError beyond the bound."""
        if self._left is not None:
            self._left -= len(chunk)
            if self._left < 0:
                raise FramingError(f"a response of more than {self._max_bytes} bytes")
        return self.events.feed(chunk)


async def overhear(
    exchange: Exchange,
    on_open: Callable[[], Awaitable[None]],
    on_message: OnMessage,
    max_bytes: int,
) -> StreamEnd:
    """Hands on what a target says by itself until it ends the stream; no event over `max_bytes`.

    Raises Unreachable, Lost, HttpError, FramingError, WireError.
    """
    async with exchange:
        if exchange.status != 200:
            return StreamEnd(status=exchange.status)
        if kind_of(exchange) != EVENTS or is_compressed(exchange):
            return StreamEnd(status=NO_STREAM)
        await on_open()
        events = Events(max_bytes)
        try:
            while (chunk := await exchange.chunk()) is not None:
                for data in events.feed(chunk):
                    await on_message(read_message(data))
        except Lost:
            pass  # as good as its end: it is taken up again either way
        return StreamEnd(status=200, last_id=events.last_id, retry_seconds=events.retry_seconds)


def is_compressed(exchange: Exchange) -> bool:
    """Whether a response is, although we accept none that is."""
    return exchange.headers.get("content-encoding", "identity") != "identity"


def kind_of(exchange: Exchange) -> str:
    """The media type of a response, without parameters."""
    return exchange.headers.get("content-type", "").partition(";")[0].strip().lower()


async def _read_refusal(exchange: Exchange, kind: str) -> Answer:
    """Whatever is not 200: the status decides, a JSON-RPC error in the body may say more."""
    status = exchange.status
    message = None
    try:
        body = await exchange.read(MAX_ERROR_BYTES)
        if kind == JSON:
            message = read_message(body)
    except (FramingError, Lost, WireError):
        message = None  # the status alone is answer enough
    if message is not None and not (message.is_response and bytes(message.error)):
        message = None
    return Answer(status=status, message=message, detail=_detail(exchange))


def _detail(exchange: Exchange) -> str:
    text = f"HTTP {exchange.status}"
    location = exchange.headers.get("location")
    if location is not None and 300 <= exchange.status < 400:
        place = urlsplit(location)
        where = f"{place.scheme}://{place.hostname}{place.path}" if place.hostname else place.path
        text += f", a redirect to {where[:200]} that is not followed; set `url` to where it leads"
    return text
