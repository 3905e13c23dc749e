"""One HTTP/1.1 connection of a client under load: as little as it takes to read JSON and SSE."""

from __future__ import annotations

import asyncio
from typing import cast
from urllib.parse import urlsplit

HEAD_END = b"\r\n\r\n"
EMPTY_STATUSES = frozenset({202, 204, 304})


class WireError(Exception):
    """The connection ended, or the response is not HTTP as it is read here."""


class Wire(asyncio.Protocol):
    """One request at a time. The body is kept whole, without its chunk sizes."""

    def __init__(self) -> None:
        self.status = 0
        self.head = b""
        self.body = bytearray()
        self.is_complete = True
        self._buffer = bytearray()
        self._is_chunked = False
        self._in_head = True
        self._left = 0  # of the body, or of the current chunk with its line end
        self._mark: bytes | None = None
        self._searched = 0
        self._waiting: asyncio.Future[None] | None = None
        self._transport: asyncio.Transport | None = None

    @property
    def is_open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are not subclasses of asyncio's.
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, problem: Exception | None) -> None:
        self._transport = None
        if not self.is_complete:
            self._fail(problem or WireError("the connection ended within a response"))

    def send(self, request: bytes) -> None:
        """Begins an exchange; what came back for the one before is forgotten."""
        if self._transport is None:
            raise WireError("the connection has ended")
        self.status, self.body, self.is_complete, self._in_head = 0, bytearray(), False, True
        self._searched = 0
        self._transport.write(request)

    async def until(self, mark: bytes | None = None) -> None:
        """Returns when the response is there, or before that with an event that has the mark."""
        self._mark = mark
        if not self._is_reached():
            self._waiting = asyncio.get_running_loop().create_future()
            try:
                await self._waiting
            finally:
                self._waiting = None

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def data_received(self, chunk: bytes) -> None:
        self._buffer += chunk
        try:
            if self._in_head:
                self._read_head()
            if not self._in_head and not self.is_complete:
                self._read_body()
        except (ValueError, WireError) as problem:
            self._fail(problem)
            self.close()
            return
        waiting = self._waiting
        if waiting is not None and not waiting.done() and self._is_reached():
            waiting.set_result(None)

    def _read_head(self) -> None:
        end = self._buffer.find(HEAD_END)
        if end < 0:
            return
        self.head = bytes(self._buffer[:end])
        del self._buffer[: end + len(HEAD_END)]
        self.status = int(self.head[9:12])
        self._in_head = False
        self._is_chunked = self.header(b"transfer-encoding").lower() == b"chunked"
        length = self.header(b"content-length")
        if not self._is_chunked and not length and self.status not in EMPTY_STATUSES:
            raise WireError(f"no length: {self.head!r}")
        self._left = 0 if self._is_chunked else int(length or 0)

    def header(self, name: bytes) -> bytes:
        """The value, by its name in lower case; empty if there is none."""
        found = self.head.lower().find(b"\r\n" + name + b":")
        if found < 0:
            return b""
        return self.head[found + len(name) + 3 :].partition(b"\r\n")[0].strip()

    def _read_body(self) -> None:
        if self._is_chunked:
            self._read_chunks()
            return
        self.body += self._buffer[: self._left]
        taken = min(self._left, len(self._buffer))
        del self._buffer[:taken]
        self._left -= taken
        self.is_complete = self._left == 0

    def _read_chunks(self) -> None:
        """A chunk counts when all of it is there: those of an event stream are small."""
        buffer, at = self._buffer, 0
        while True:
            line_end = buffer.find(b"\r\n", at)
            if line_end < 0:
                break
            size = int(buffer[at:line_end], 16)
            begin = line_end + 2
            if len(buffer) < begin + size + 2:
                break
            self.body += buffer[begin : begin + size]
            at = begin + size + 2
            if size == 0:
                self.is_complete = True
                break
        del buffer[:at]

    def _is_reached(self) -> bool:
        if self.is_complete or self._mark is None:
            return self.is_complete
        found = self.body.find(self._mark, self._searched)
        if found < 0:
            self._searched = max(0, len(self.body) - len(self._mark))
            return False
        return self.body.find(b"\n\n", found) >= 0 or self.body.find(HEAD_END, found) >= 0

    def _fail(self, problem: Exception) -> None:
        self.is_complete = True
        self.status = 0
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(problem)


async def connect(url: str) -> Wire:
    place = urlsplit(url)
    loop = asyncio.get_running_loop()
    _, wire = await loop.create_connection(Wire, place.hostname or "", place.port or 80)
    return wire
