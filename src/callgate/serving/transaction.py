"""One HTTP request and its response, as ASGI sees them: `receive` and `send`."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from typing import Protocol

from callgate.asgi import Event, Scope

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
WITHOUT_BODY = frozenset({204, 304})
STATUS_LINES = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus
}
MOST_KEPT = 256  # beginnings of responses: most are alike
_CLOSE = b"connection: close\r\n\r\n"
_KEEP_ALIVE = b"connection: keep-alive\r\n\r\n"  # HTTP/1.0 has to be told


class HungUpError(ConnectionError):
    """The caller is no longer there."""


class Wire(Protocol):
    """The connection, as a response needs it."""

    is_lost: bool

    @property
    def is_stopping(self) -> bool:
        """Whether connections end with the response that is on its way."""

    def write(self, data: bytes) -> None:
        """Sends it, now or as soon as the caller takes it."""

    async def drained(self) -> None:
        """Waits until the caller has taken most of it."""

    def date_line(self) -> bytes:
        """The `date` header."""

    def wants_more(self) -> None:
        """The application has taken what there was of the body."""

    def finished(self) -> None:
        """The response has been written."""


class Transaction:
    """One request and its response.

    `receive` and `send` follow ASGI 3.0 (HTTP, spec version 2.4): after the caller has hung up
    `receive` says `http.disconnect`, and `send` raises HungUpError.
    """

    __slots__ = (
        "_asked",
        "_body",
        "_has_body",
        "_is_chunked",
        "_is_told",
        "_left",
        "_start",
        "_waiter",
        "_wire",
        "buffered",
        "has_begun",
        "is_finished",
        "is_read",
        "keeps_alive",
        "scope",
        "task",
    )

    def __init__(self, wire: Wire, scope: Scope, *, keeps_alive: bool) -> None:
        self.scope = scope
        self.task: asyncio.Task[None] | None = None  # of the application
        self.keeps_alive = keeps_alive
        self.is_read = False  # whether the whole request has arrived
        self.has_begun = False  # whether some of the response was written
        self.is_finished = False
        self.buffered = 0  # bytes of the body that wait for the application
        self._wire = wire
        self._asked = 0  # how often for a body that was not there
        self._body: list[bytes] = []
        self._is_told = False  # the application has had the last of the body
        self._waiter: asyncio.Future[None] | None = None
        self._start: Event | None = None
        self._has_body: bool = scope["method"] != "HEAD"
        self._is_chunked = False
        self._left = -1  # bytes still to come by the response's content-length; -1: not announced

    # What the connection says

    def arrived(self, piece: bytes) -> None:
        """A piece of the request's body."""
        self._body.append(piece)
        self.buffered += len(piece)
        if self._waiter is not None:
            self.wake()

    def ended(self) -> None:
        """The request is complete."""
        self.is_read = True
        if self._waiter is not None:
            self.wake()

    def wake(self) -> None:
        """Something has changed for whoever waits in `receive`."""
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    # What the application says

    async def receive(self) -> Event:
        """ASGI. Says at first what there is, be it nothing: who turns a body away by its announced
        length need not wait for it, and a caller that asks first need not send it.
        """
        if not (self.is_read or self._body or self._asked > 1 or self._wire.is_lost):
            self._asked += 1
            if self._asked == 1:
                return {"type": "http.request", "body": b"", "more_body": True}
            if not self.has_begun and _expects_continue(self.scope):
                self._wire.write(CONTINUE)
        while True:
            if self._wire.is_lost or self.is_finished:
                return {"type": "http.disconnect"}
            if not self._is_told and (self._body or self.is_read):
                return self._piece()
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None

    def _piece(self) -> Event:
        body = self._body
        piece = body[0] if len(body) == 1 else b"".join(body)
        self._body = []
        self.buffered = 0
        if self.is_read:
            self._is_told = True
        else:
            self._wire.wants_more()
        return {"type": "http.request", "body": piece, "more_body": not self.is_read}

    async def send(self, event: Event) -> None:
        """ASGI."""
        if self._wire.is_lost:
            raise HungUpError("the caller hung up")
        kind = event["type"]
        if kind == "http.response.start" and self._start is None:
            self._start = event
            return
        if kind != "http.response.body" or self._start is None or self.is_finished:
            raise RuntimeError(f"{kind} is not what comes next in an HTTP response")
        body: bytes = event.get("body", b"")
        is_last = not event.get("more_body", False)
        self._wire.write(self._framed(body, is_last=is_last))
        self.has_begun = True
        if is_last:
            self.is_finished = True
            if self._waiter is not None:
                self.wake()
            self._wire.finished()
        else:
            await self._wire.drained()

    def _framed(self, body: bytes, *, is_last: bool) -> bytes:
        """This part of the response as it goes out, the head before the first. Raises RuntimeError
        where a length was announced and is not kept.
        """
        head = b""
        if not self.has_begun:
            head = self._head(len(body) if is_last else None)
        if not self._has_body:
            return head
        if self._is_chunked:
            piece = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
            return head + piece + (b"0\r\n\r\n" if is_last else b"")
        if self._left >= 0:
            self._left -= len(body)
            if self._left < 0 or (is_last and self._left):
                self.keeps_alive = False
                raise RuntimeError("the response's body is not as long as its content-length says")
        return head + body

    def _head(self, length: int | None) -> bytes:
        """`length` of the body, where it is all there."""
        start = self._start
        assert start is not None  # noqa: S101 - `send` has seen to it
        status: int = start["status"]
        said = _said(status, tuple(start.get("headers", ())))
        if said.closes or not self.is_read or self._wire.is_stopping:
            self.keeps_alive = False
        if said.length is not None:
            self._left = said.length
        elif length is not None and self._has_body and status not in WITHOUT_BODY:
            self._left = length
        framing = self._framing(status)
        ending = b"\r\n"
        if not self.keeps_alive:
            ending = _CLOSE
        elif self.scope["http_version"] == "1.0":
            ending = _KEEP_ALIVE
        return b"".join((said.lines, framing, self._wire.date_line(), ending))

    def _framing(self, status: int) -> bytes:
        """How the caller will know where the body ends (RFC 9112, 6.3)."""
        if status in WITHOUT_BODY:
            self._has_body = False
            return b""
        if self._left >= 0:
            return b"content-length: %d\r\n" % self._left
        if not self._has_body:
            return b""
        if self.scope["http_version"] == "1.1":
            self._is_chunked = True
            return b"transfer-encoding: chunked\r\n"
        self.keeps_alive = False  # the body ends with the connection
        return b""


@dataclass(frozen=True, slots=True)
class _Said:
    """What an application says before the body."""

    lines: bytes  # the status and its headers, without those below
    length: int | None
    closes: bool


@lru_cache(MOST_KEPT)
def _said(status: int, headers: tuple[tuple[bytes, bytes], ...]) -> _Said:
    """Raises RuntimeError where a header would break out of its line."""
    lines = [STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status]
    length, closes = None, False
    for name, value in headers:
        if name == b"content-length":
            length = int(value)
        elif name == b"connection":
            closes = closes or value.lower() == b"close"
        else:
            lines.append(b"%b: %b\r\n" % (name, value))
    text = b"".join(lines)
    if not len(lines) == text.count(b"\n") == text.count(b"\r"):
        raise RuntimeError("a header of the response has a line break in it")
    return _Said(text, length, closes)


def _expects_continue(scope: Scope) -> bool:
    """Whether the caller waits with the body until it is asked for (RFC 9110, 10.1.1)."""
    return scope["http_version"] == "1.1" and any(
        name == b"expect" and value.lower() == b"100-continue" for name, value in scope["headers"]
    )
