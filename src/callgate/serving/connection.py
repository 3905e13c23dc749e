"""One connection of a caller: bytes in, one transaction after the other, and when it ends."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from typing import Protocol, cast
from urllib.parse import unquote

import httptools

from callgate.asgi import Scope
from callgate.serving.known_heads import Cut, KnownHeads, cut_length, origin_form
from callgate.serving.transaction import STATUS_LINES, HungUpError, Transaction

HEAD_SECONDS = 10.0  # from its first byte to its last
BODY_SECONDS = 30.0  # for a whole body: who sends slower holds a place that others need
IDLE_SECONDS = 75.0  # between two requests; longer than most clients and proxies keep them
TAKING_SECONDS = 30.0  # in which a caller must have taken some of what is left of its answer
LINGER_SECONDS = 2.0  # for a caller that still sends what is not read, to see the answer
MAX_HEAD_BYTES = 64 << 10
MAX_HEADERS = 128
MAX_BUFFERED = 256 << 10  # of a body that the application has not asked for yet
VERSIONS = ("1.1", "1.0")
FRAMING_PER_BYTE = 8  # of a body in chunks: what there may be beside it, and 64 KiB

REASONS = {
    400: "This is not an HTTP request that can be read in one way only.",
    408: "The request did not arrive in time.",
    431: f"The head of the request is larger than {MAX_HEAD_BYTES} bytes or {MAX_HEADERS} headers.",
    500: "The request was not answered; the log says why.",
    503: "There are too many connections.",
    505: "Only HTTP/1.1 and HTTP/1.0 are spoken here.",
}


class _Unreadable(Exception):  # noqa: N818 - never leaves this module
    """Raised where the parser calls us; it ends the reading. The status is kept beside it."""


class Owner(Protocol):
    """What all connections of a listener share."""

    is_stopping: bool
    scope: Scope  # what is the same for all requests
    known: KnownHeads

    def joined(self, connection: Connection) -> bool:
        """A caller has connected. False where there are too many already."""

    def left(self, connection: Connection) -> None:
        """The connection is no more."""

    def serve(self, transaction: Transaction, connection: Connection) -> None:
        """Has the application answer."""

    def date_line(self) -> bytes:
        """The `date` header."""

    def words(self, status: int, reason: str) -> tuple[bytes, bytes]:
        """How it is said that a request is not taken: media type and body."""


class Connection(asyncio.Protocol):
    """One connection. Requests are answered in their order, one at a time."""

    __slots__ = (
        "_arriving",
        "_body_bytes",
        "_current",
        "_cut",
        "_drain",
        "_headers",
        "_is_closing",
        "_is_paused",
        "_loop",
        "_owner",
        "_parser",
        "_queue",
        "_scope",
        "_status",
        "_surplus",
        "_transport",
        "_unsent",
        "_url",
        "date_line",
        "deadline",
        "is_lost",
    )

    def __init__(self, owner: Owner, loop: asyncio.AbstractEventLoop) -> None:
        self.is_lost = False
        self.deadline = math.inf  # in the loop's time; see `expire`
        self.date_line = owner.date_line
        self._owner = owner
        self._loop = loop
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport
        self._scope = owner.scope
        self._current: Transaction | None = None  # what is being answered
        self._arriving: Transaction | None = None  # what the parser reads the body of
        self._queue: deque[Transaction] = deque()
        self._cut: Cut | None = None  # of the head that comes next: it may be learnt
        self._status = 400  # what is answered to what cannot be read
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []
        # Bytes of a head; then of a body's framing, but for those that came along with the head.
        self._surplus = 0
        self._body_bytes = 0
        self._unsent = 0  # of an answer, when it was last looked
        self._is_closing = False  # nothing that arrives is read any more
        self._is_paused = False
        self._drain: asyncio.Future[None] | None = None  # while the caller takes nothing

    @property
    def is_stopping(self) -> bool:
        """Whether connections end with the response that is on its way."""
        return self._owner.is_stopping

    @property
    def is_idle(self) -> bool:
        """Whether nobody waits for an answer here."""
        return self._current is None

    # What asyncio says

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A caller has connected."""
        self._transport = transport = cast("asyncio.Transport", transport)  # TCP or TLS
        peer = transport.get_extra_info("peername")
        here = transport.get_extra_info("sockname")
        self._scope = {
            **self._owner.scope,
            "client": tuple(peer[:2]) if peer else None,
            "server": tuple(here[:2]) if here else None,
        }
        self.deadline = self._loop.time() + HEAD_SECONDS
        if not self._owner.joined(self):
            self._say(503)
            self._end(lingers=True)

    def connection_lost(self, error: Exception | None) -> None:
        """The caller has hung up, or we have closed."""
        self._lose()
        self._queue.clear()
        self._owner.left(self)

    def pause_writing(self) -> None:
        """The caller takes nothing at the moment."""
        self._drain = self._loop.create_future()

    def resume_writing(self) -> None:
        """The caller has taken most of it."""
        drain, self._drain = self._drain, None
        if drain is not None and not drain.done():
            drain.set_result(None)

    def data_received(self, data: bytes) -> None:
        """Bytes of requests."""
        if self._is_closing:
            return
        if self._current is None and not self._surplus:
            if self._took_known(data):
                return
            self.deadline = self._loop.time() + HEAD_SECONDS
        self._surplus += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._is_closing = True  # no other protocol is spoken: what follows is not read
        except httptools.HttpParserError:
            self._refuse(self._status)
        else:
            self._check_sizes()

    def _took_known(self, data: bytes) -> bool:
        """Takes a whole request whose head was read before; the parser is not asked about it."""
        cut = self._cut = cut_length(data) if self._arriving is None else None
        known = None if cut is None else self._owner.known.find(cut)
        if cut is None or known is None:
            return False
        self._cut = None
        if len(data) - cut.end != int(cut.digits):
            return False
        scope = known.scope_of(self._scope, cut.digits)
        transaction = Transaction(self, scope, keeps_alive=True)
        if cut.end < len(data):
            transaction.arrived(data[cut.end :])
        transaction.ended()
        self._begin(transaction)
        return True

    def _check_sizes(self) -> None:
        arriving = self._arriving
        if arriving is None:
            if self._surplus > MAX_HEAD_BYTES:
                self._refuse(431)
        elif self._surplus > MAX_HEAD_BYTES + FRAMING_PER_BYTE * self._body_bytes:
            self._refuse(400)
        elif arriving.buffered > MAX_BUFFERED:
            self._pause()
        elif self.deadline == math.inf:
            self.deadline = self._loop.time() + BODY_SECONDS

    # What the parser says

    def on_message_begin(self) -> None:
        """The first byte of a head, be it behind the end of another request; no trailers."""
        self._surplus = self._surplus or 1
        self._headers = []

    def on_url(self, url: bytes) -> None:
        """The request's target, or a piece of it."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or a trailer; trailers mean nothing here and end with their body."""
        self._headers.append((name.lower(), value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        """The head is there: the application begins, or the request waits for its turn."""
        headers, self._headers = self._headers, []
        url, self._url = self._url, b""
        if len(headers) > MAX_HEADERS or (
            self._surplus > MAX_HEAD_BYTES
            and len(url) + sum(len(name) + len(value) for name, value in headers) > MAX_HEAD_BYTES
        ):
            self._status = 431
            raise _Unreadable
        parser = self._parser
        version = parser.get_http_version()
        if version not in VERSIONS:
            self._status = 505
            raise _Unreadable
        path, _, query = origin_form(url).partition(b"?")
        text = path.decode("ascii")
        said: Scope = {
            "http_version": version,
            "method": parser.get_method().decode("ascii"),
            "path": unquote(text) if "%" in text else text,
            "raw_path": path,
            "query_string": query,
        }
        self._surplus = self._body_bytes = 0
        keeps_alive = parser.should_keep_alive() and not parser.should_upgrade()
        cut, self._cut = self._cut, None
        if cut is not None and keeps_alive:
            self._owner.known.learn(cut, said, headers)
        scope = {**self._scope, **said, "headers": headers}
        self._arriving = transaction = Transaction(self, scope, keeps_alive=keeps_alive)
        if self._current is None:
            self._begin(transaction)
        else:
            self._queue.append(transaction)
            self._pause()

    def on_body(self, piece: bytes) -> None:
        """A piece of the body."""
        self._surplus -= len(piece)
        self._body_bytes += len(piece)
        if self._arriving is not None:
            self._arriving.arrived(piece)

    def on_message_complete(self) -> None:
        """The request is all there."""
        self._surplus = 0
        self.deadline = math.inf
        arriving, self._arriving = self._arriving, None
        if arriving is not None:
            arriving.ended()

    # What transactions say

    def write(self, data: bytes) -> None:
        """Sends it, now or as soon as the caller takes it."""
        self._transport.write(data)

    async def drained(self) -> None:
        """Waits until the caller has taken most of it. Raises HungUpError."""
        if self._drain is not None:
            await asyncio.shield(self._drain)

    def wants_more(self) -> None:
        """The application has taken what there was of the body."""
        if not self._queue:
            self._resume()

    def finished(self) -> None:
        """The response has been written: the next one, or the end."""
        current = self._current
        self._current = None
        if current is None or not current.keeps_alive:
            self._end()
        elif self._queue:
            self._begin(self._queue.popleft())
            if not self._queue:
                self._resume()
        elif self._is_closing:
            self._end()
        else:
            seconds = HEAD_SECONDS if self._surplus else IDLE_SECONDS
            self.deadline = self._loop.time() + seconds

    def fail(self, transaction: Transaction) -> None:
        """The application has not answered, or not to the end."""
        if not self.is_lost:
            if not transaction.has_begun:
                self._say(500)
            self._lose()
            self._end()

    # What the owner says

    def expire(self, now: float) -> None:
        """Ends what takes too long; who takes what it is sent, if slowly, has time."""
        if self.deadline > now:
            return
        unsent = 0 if self._current is not None else self._transport.get_write_buffer_size()
        if unsent and unsent != self._unsent:
            self._unsent, self.deadline = unsent, now + TAKING_SECONDS
        elif self._is_closing:
            self._transport.abort()
        elif self._surplus or self._arriving is not None:
            self._refuse(408)
        else:
            self.close()

    def close(self) -> None:
        """Ends it now, or once the caller has taken what it was sent."""
        self._is_closing = True
        self.deadline = min(self.deadline, self._loop.time() + TAKING_SECONDS)
        self._transport.close()

    # How it ends

    def _begin(self, transaction: Transaction) -> None:
        self._current = transaction
        self.deadline = math.inf
        self._owner.serve(transaction, self)

    def _refuse(self, status: int) -> None:
        """Answers what cannot be read, where that is possible, and ends."""
        current = self._current
        if current is None:
            self._say(status)
            self._end()
        elif current is self._arriving:
            if not current.has_begun:
                self._say(status)
            self._lose()
            self._end()
        else:  # what came before is still answered
            self._is_closing = True
            if self._arriving is not None:
                self._queue.pop()

    def _say(self, status: int) -> None:
        media_type, body = self._owner.words(status, REASONS[status])
        self._transport.write(
            b"%bcontent-type: %b\r\ncontent-length: %d\r\n%bconnection: close\r\n\r\n%b"
            % (STATUS_LINES[status], media_type, len(body), self.date_line(), body)
        )

    def _lose(self) -> None:
        """The application has nobody to talk to any more."""
        self.is_lost = True
        drain, self._drain = self._drain, None
        if drain is not None and not drain.done():
            drain.set_exception(HungUpError("the caller hung up"))
            drain.exception()  # nobody may be waiting
        current, self._current = self._current, None
        if current is not None:
            current.wake()

    def _end(self, *, lingers: bool = False) -> None:
        """Closes once all is written. Reset, who still sends would lose it (RFC 9112, 9.6)."""
        self._is_closing = True
        self._queue.clear()
        if lingers or self._arriving is not None or self._surplus:
            self.deadline = self._loop.time() + LINGER_SECONDS
            self._resume()
            if self._transport.can_write_eof():
                self._transport.write_eof()
        else:
            self.close()

    def _pause(self) -> None:
        if not self._is_paused:
            self._is_paused = True
            self.deadline = math.inf  # it is not the caller that is slow
            self._transport.pause_reading()

    def _resume(self) -> None:
        if self._is_paused:
            self._is_paused = False
            self._transport.resume_reading()
