"""The way to one HTTP origin: pooled connections that know what was sent and stop when told to.

Ours, and not a client library's, because three things must be exact here. Whether a byte of the
request left (did the tool run?); that leaving an exchange, also by cancellation before the response
head, closes the connection at once (in MCP 2026-07-28 that *is* the cancellation); that every event
of a stream is seen as it arrives. No redirects, cookies, proxies, compression or retries.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from types import TracebackType
from typing import cast
from urllib.parse import urlsplit
from weakref import WeakSet

from callgate.protocol.framing import FramingError
from callgate.protocol.http1 import HttpError, ResponseParser
from callgate.upstream.faults import Lost, Unreachable
from callgate.upstream.onward import passed

MAX_IDLE_SECONDS = 4.0  # common servers close after 5: a request into a closing connection is lost
MAX_IDLE_CONNECTIONS = 64
PAUSE_BYTES = 256 << 10  # unread body after which the peer has to wait
LINGER_SECONDS = 1.0  # how long, and
LINGER_BYTES = 64 << 10  # how much more, an answered stream may take to end in good order

# Linux; elsewhere the system's own times hold.
PROBES = tuple(
    (getattr(socket, name), value)
    for name, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4))
    if hasattr(socket, name)
)

Pairs = Iterable[tuple[str, str]]


class _Connection(asyncio.Protocol):
    """One connection: idle, or carrying one exchange."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop  # kept: on Python 3.11 each look for the running one asks the system
        self.transport: asyncio.Transport | None = None
        self.parser: ResponseParser | None = None
        self.idle_since = 0.0
        self._pieces: list[bytes] = []  # of the body, that nobody has taken yet
        self._unread = 0
        self._error: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._is_paused = False
        self._keep: Callable[[_Connection], None] | None = None  # set while lingering

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's own is no subclass

    def data_received(self, data: bytes) -> None:
        parser = self.parser
        if parser is None:  # nobody asked: whatever it is, it answers nothing of ours
            self.abort()
            return
        try:
            pieces = parser.feed(data)
        except HttpError as error:
            self._fail(error)
            self.abort()
            return
        if pieces:
            self._pieces += pieces
            self._unread += sum(map(len, pieces))
        if self._keep is not None:
            self._linger_on(self._keep)
            return
        if self._unread > PAUSE_BYTES and not self._is_paused and self.transport is not None:
            self.transport.pause_reading()
            self._is_paused = True
        self._wake()

    def eof_received(self) -> None:
        self._closed("the connection was closed")

    def connection_lost(self, exc: Exception | None) -> None:
        self._closed(str(exc) if exc else "the connection was closed")

    def _closed(self, detail: str) -> None:
        if self.parser is None or self.parser.is_complete:
            return
        try:
            self.parser.end()
        except HttpError as error:
            self._fail(Lost(f"{detail}: {error}"))
        self._wake()

    def _fail(self, error: Exception) -> None:
        if self._error is None:
            self._error = error
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def abort(self) -> None:
        """Closes at once; what was not sent yet never is."""
        if self.transport is not None:
            self.transport.abort()

    @property
    def is_usable(self) -> bool:
        """Whether an idle connection may carry another exchange."""
        return self.transport is not None and not self.transport.is_closing()

    def probe(self) -> None:
        """Has the system find out that a silent peer has gone: a stream may rest for hours."""
        assert self.transport is not None  # noqa: S101 - connected before
        peer = self.transport.get_extra_info("socket")
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, seconds in PROBES:
            peer.setsockopt(socket.IPPROTO_TCP, option, seconds)

    def begin(self, request: bytes) -> ResponseParser:
        """Sends a request and expects one response."""
        assert self.transport is not None  # noqa: S101 - connected before it is handed out
        parser = self.parser = ResponseParser()
        self.transport.write(request)
        return parser

    def take(self) -> bytes:
        """What of the body has come since; empty where nothing has."""
        pieces, self._pieces, self._unread = self._pieces, [], 0
        if self._is_paused and self.transport is not None:
            self._is_paused = False
            self.transport.resume_reading()
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def more(self) -> asyncio.Future[None]:
        """What to wait for where more must come first. Raises what ended the exchange."""
        if self._error is not None:
            raise self._error
        waiter = self._waiter = self.loop.create_future()
        return waiter

    @property
    def is_reusable(self) -> bool:
        """Whether the exchange is over and the connection fit for another."""
        parser = self.parser
        return (
            parser is not None and parser.is_reusable and not self._pieces and self._error is None
        )

    def linger(self, keep: Callable[[_Connection], None]) -> None:
        """Lets an answered stream end, so that the connection can be kept; within bounds."""
        self._keep = keep
        self.loop.call_later(LINGER_SECONDS, self._give_up_lingering)
        self._linger_on(keep)

    def _linger_on(self, keep: Callable[[_Connection], None]) -> None:
        self._pieces.clear()
        if self.is_reusable:
            self._keep, self._unread = None, 0
            keep(self)
        elif self._unread > LINGER_BYTES:
            self.abort()

    def _give_up_lingering(self) -> None:
        if self._keep is not None:
            self.abort()


class Exchange:
    """One request and its response. Leaving it early closes the connection."""

    is_sent = False
    is_answered = False  # set it once nothing more is wanted of a stream: it may end well
    status = 0
    headers: Mapping[str, str] = {}  # of the response, by lower-case names
    _connection: _Connection | None = None
    _parser: ResponseParser | None = None

    def __init__(self, client: HttpClient, request: bytes) -> None:
        self._client = client
        self._request = request

    async def __aenter__(self) -> Exchange:
        """Sends it and waits for the response head. Raises Unreachable, Lost, HttpError."""
        client = self._client
        connection = self._connection = client.take() or await client.open()
        self.is_sent = True
        try:
            parser = self._parser = connection.begin(self._request)
            while (head := parser.head) is None:
                await connection.more()
        except BaseException:  # also cancellation: the target must see that nobody waits
            connection.abort()
            raise
        self.status, self.headers = head.status, head.headers
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        connection = self._connection
        if connection is None:
            return
        if connection.is_reusable:
            self._client.keep(connection)
        elif self.is_answered and connection.is_usable:
            self._client.let_end(connection)
        else:
            connection.abort()

    async def chunk(self) -> bytes | None:
        """What of the body has come since, None at its end. Raises Lost, HttpError."""
        connection, parser = self._connection, self._parser
        assert connection is not None and parser is not None  # noqa: S101 - entered before
        while not (piece := connection.take()):
            if parser.is_complete:
                return None
            await connection.more()
        return piece

    async def read(self, max_bytes: int) -> bytes:
        """The whole body. Raises FramingError, Lost, HttpError."""
        connection, parser = self._connection, self._parser
        assert connection is not None and parser is not None  # noqa: S101 - entered before
        body = connection.take()
        if not parser.is_complete:
            pieces, size = [body], len(body)
            while not parser.is_complete and size <= max_bytes:
                await connection.more()
                pieces.append(connection.take())
                size += len(pieces[-1])
            body = b"".join(pieces)
        if len(body) > max_bytes:
            raise FramingError(f"a response of more than {max_bytes} bytes")
        return body


class HttpClient:
    """Exchanges with one URL. `headers` go with every request; they may hold secrets.

    Of what is `wanted` with one request those are sent that `pass_headers` names, instead of the
    header of that name that goes with every request.
    """

    def __init__(
        self,
        url: str,
        headers: Pairs,
        connect_timeout_seconds: float,
        pass_headers: frozenset[str] = frozenset(),
    ) -> None:
        parts = urlsplit(url)
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._is_tls = parts.scheme == "https"
        self._tls: ssl.SSLContext | None = None
        self._connect_timeout_seconds = connect_timeout_seconds
        self._idle: deque[_Connection] = deque()
        self._all: WeakSet[_Connection] = WeakSet()
        self._is_closed = False
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._start = f" {path} HTTP/1.1\r\nHost: {parts.netloc}"
        self._headers = tuple(headers)
        self._pass_headers = pass_headers
        self._head = _head(self._start, self._headers)

    def request(
        self,
        method: str,
        headers: Pairs = (),
        body: bytes = b"",
        wanted: Mapping[str, str] | None = None,
    ) -> Exchange:
        """An exchange to enter. Raises as `head` does."""
        return self.exchange(self.head(method, headers, wanted), body)

    def exchange(self, head: bytes, body: bytes) -> Exchange:
        """The same with a head that may serve many: it says all but how long the body is."""
        return Exchange(self, b"%b\r\nContent-Length: %d\r\n\r\n%b" % (head, len(body), body))

    def head(
        self, method: str, headers: Pairs = (), wanted: Mapping[str, str] | None = None
    ) -> bytes:
        """How a request begins. Values of `headers` must be free of CR and LF; `wanted` ones that
        are not: ValueError.
        """
        head = self._head
        if wanted and self._pass_headers:
            onward = passed(wanted, self._pass_headers)
            names = {name for name, _ in onward}
            kept = [pair for pair in self._headers if pair[0].lower() not in names]
            head = _head(self._start, (*kept, *onward))
        extra = "".join([f"\r\n{name}: {value}" for name, value in headers]).encode("latin-1")
        return method.encode() + head + extra

    def take(self) -> _Connection | None:
        """An idle connection for another exchange; None where none is."""
        while self._idle:
            connection = self._idle.pop()
            idle_seconds = connection.loop.time() - connection.idle_since
            if connection.is_usable and idle_seconds < MAX_IDLE_SECONDS:
                return connection
            connection.abort()
        return None

    async def open(self) -> _Connection:
        """A new connection. Origin down, slow or untrusted: Unreachable."""
        connection = await self._open(asyncio.get_running_loop())
        if self._is_closed:
            connection.abort()
            raise Unreachable("the connector was closed")
        self._all.add(connection)
        return connection

    async def _open(self, loop: asyncio.AbstractEventLoop) -> _Connection:
        try:
            async with asyncio.timeout(self._connect_timeout_seconds):
                _, connection = await loop.create_connection(
                    partial(_Connection, loop), self._host, self._port, ssl=self._context()
                )
        except TimeoutError:
            seconds = self._connect_timeout_seconds
            raise Unreachable(f"no connection within {seconds:g} s") from None
        except ConnectionRefusedError:
            raise Unreachable(f"{self._host}:{self._port} refused the connection") from None
        except OSError as error:  # DNS, TLS, no route
            raise Unreachable(error.strerror or str(error) or type(error).__name__) from None
        connection.probe()
        return connection

    def _context(self) -> ssl.SSLContext | None:
        if self._is_tls and self._tls is None:
            self._tls = ssl.create_default_context()
            self._tls.set_alpn_protocols(["http/1.1"])
        return self._tls

    def keep(self, connection: _Connection) -> None:
        """Takes a connection back after a whole exchange."""
        connection.parser = None
        now = connection.idle_since = connection.loop.time()
        while self._idle and (
            len(self._idle) >= MAX_IDLE_CONNECTIONS
            or now - self._idle[0].idle_since >= MAX_IDLE_SECONDS
        ):
            self._idle.popleft().abort()
        if self._is_closed:
            connection.abort()
        else:
            self._idle.append(connection)

    def let_end(self, connection: _Connection) -> None:
        """Keeps a connection once its answered stream has ended, if that comes soon."""
        connection.linger(self.keep)

    def close(self) -> None:
        """Closes every connection; exchanges that are still going on are Lost."""
        self._is_closed = True
        self._idle.clear()
        for connection in tuple(self._all):
            connection.abort()


def _head(start: str, headers: Pairs) -> bytes:
    return "\r\n".join([start, *(f"{name}: {value}" for name, value in headers)]).encode("latin-1")
