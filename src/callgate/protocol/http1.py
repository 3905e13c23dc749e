"""HTTP/1.1 responses as bytes arrive: head, framing, body; ambiguity is an error (RFC 9112)."""

from __future__ import annotations

import re
from enum import Enum

from callgate.model import Value

MAX_HEAD_BYTES = 64 << 10
MAX_INTERIM = 16  # 1xx responses before the one that counts
MAX_LINE_BYTES = 4 << 10  # of a chunk's size, or of its extensions
_END = b"\r\n\r\n"
_HEAD = re.compile(
    rb"HTTP/1\.([01]) ([1-5][0-9]{2})(?: [^\r\n\0]*)?\r\n"
    rb"((?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[^\r\n\0]*\r\n)*)"
)
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n\0]*)?")


class HttpError(Exception):
    """The peer's bytes are not an HTTP/1.1 response that can be read in one way only."""


class Head(Value):
    """Status and headers: names in lower case, repeated ones joined with a comma."""

    status: int
    headers: dict[str, str]
    is_http10: bool = False


class _Part(Enum):
    HEAD = "head"
    LENGTH = "length"
    CHUNK_SIZE = "chunk size"
    CHUNK = "chunk"
    CHUNK_END = "chunk end"
    TRAILER = "trailer"
    UNTIL_CLOSE = "until close"
    COMPLETE = "complete"


class ResponseParser:
    """Reads one response. `head` is None until it is there; interim (1xx) responses are skipped."""

    def __init__(self) -> None:
        self.head: Head | None = None
        self._part = _Part.HEAD
        self._buffer = b""
        self._left = 0  # bytes of the body or of the chunk still to come
        self._trailer_bytes = 0
        self._interim = 0
        self._may_reuse = False

    @property
    def is_complete(self) -> bool:
        """Whether the whole response has been read."""
        return self._part is _Part.COMPLETE

    @property
    def is_reusable(self) -> bool:
        """Whether the connection may carry another request now."""
        return self.is_complete and self._may_reuse

    def feed(self, data: bytes) -> list[bytes]:
        """The pieces of the body in `data`. Raises HttpError."""
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
        pieces: list[bytes] = []
        start = 0
        while start < len(data) and self._part is not _Part.COMPLETE:
            end = self._step(data, start, pieces)
            if end == start:
                self._buffer = data[start:]
                return pieces
            start = end
        if start < len(data):
            self._may_reuse = False  # surplus: dropped, and the connection is not used again
        return pieces

    def end(self) -> None:
        """The peer closed the connection. Raises HttpError where that cuts the response short."""
        if self._part is _Part.UNTIL_CLOSE:
            self._part = _Part.COMPLETE
        elif self._part is not _Part.COMPLETE:
            raise HttpError(f"the connection closed before the {self._part.value} was complete")

    def _step(self, data: bytes, start: int, pieces: list[bytes]) -> int:
        """Where in `data` one step from `start` ends; at `start` where more must come first."""
        if self._part is _Part.HEAD:
            return self._take_head(data, start)
        if self._part is _Part.UNTIL_CLOSE:
            pieces.append(data[start:])
            return len(data)
        if self._part in (_Part.LENGTH, _Part.CHUNK):
            return self._take_body(data, start, pieces)
        return self._take_line(data, start)

    def _take_head(self, data: bytes, start: int) -> int:
        end = _find(_END, data, start, MAX_HEAD_BYTES)
        if end is None:
            raise HttpError(f"a head of more than {MAX_HEAD_BYTES} bytes")
        if end < 0:
            if not b"HTTP/1.".startswith(data[start : start + 7]):
                raise HttpError("the answer is not HTTP/1.1")
            return start
        match = _HEAD.fullmatch(data, start, end + 2)
        if match is None:
            raise HttpError("a head that is not HTTP/1.1")
        status = int(match[2])
        if status == 101:
            raise HttpError("a switch of protocols that nobody asked for")
        if status >= 200:
            head = Head(status=status, headers=_headers(match[3]), is_http10=match[1] == b"0")
            self._frame(head)
            self.head = head
        else:
            self._interim += 1
            if self._interim > MAX_INTERIM:
                raise HttpError("interim responses without an end")
        return end + 4

    def _frame(self, head: Head) -> None:
        """Where the body ends, RFC 9112 §6.3; two answers to that are an error."""
        headers = head.headers
        coding, length = headers.get("transfer-encoding"), headers.get("content-length")
        options = headers.get("connection", "").lower()
        self._may_reuse = not head.is_http10 and "close" not in options
        if coding is not None and length is not None:
            raise HttpError("both Transfer-Encoding and Content-Length")
        if head.status in (204, 304):
            self._part = _Part.COMPLETE
        elif coding is not None:
            if coding.lower() != "chunked" or head.is_http10:
                raise HttpError("a transfer coding other than chunked")
            self._part = _Part.CHUNK_SIZE
        elif length is not None:
            if not (length.isascii() and length.isdigit() and len(length) < 16):
                raise HttpError("a Content-Length that is not one number")
            self._left = int(length)
            self._part = _Part.LENGTH if self._left else _Part.COMPLETE
        else:
            self._may_reuse = False
            self._part = _Part.UNTIL_CLOSE

    def _take_body(self, data: bytes, start: int, pieces: list[bytes]) -> int:
        piece = data[start : start + self._left]
        pieces.append(piece)
        self._left -= len(piece)
        if not self._left:
            is_chunk = self._part is _Part.CHUNK
            self._part = _Part.CHUNK_END if is_chunk else _Part.COMPLETE
        return start + len(piece)

    def _take_line(self, data: bytes, start: int) -> int:
        end = _find(b"\r\n", data, start, MAX_LINE_BYTES)
        if end is None:
            raise HttpError("a chunk head or trailer that is too long")
        if end < 0:
            return start
        self._read_line(data[start:end])
        return end + 2

    def _read_line(self, line: bytes) -> None:
        if self._part is _Part.CHUNK_END:
            if line:
                raise HttpError("a chunk longer than it said")
            self._part = _Part.CHUNK_SIZE
        elif self._part is _Part.CHUNK_SIZE:
            match = _CHUNK.fullmatch(line)
            if match is None:
                raise HttpError("a chunk without a size")
            self._left = int(match[1], 16)
            self._part = _Part.CHUNK if self._left else _Part.TRAILER
        elif line:
            self._trailer_bytes += len(line)
            if self._trailer_bytes > MAX_HEAD_BYTES:
                raise HttpError("trailers without an end")
        else:
            self._part = _Part.COMPLETE


def _find(mark: bytes, data: bytes, start: int, most: int) -> int | None:
    """Where `mark` ends at most `most` bytes; -1 where it may still come, None where it is late."""
    latest = start + most + len(mark)
    end = data.find(mark, start, latest)
    return None if end < 0 and len(data) >= latest else end


def _headers(block: bytes) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in block.decode("latin-1").split("\r\n"):
        if line:
            name, _, value = line.partition(":")
            name, value = name.lower(), value.strip(" \t")
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers
