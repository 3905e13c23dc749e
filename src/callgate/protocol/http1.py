"""HTTP/1.1 responses as bytes arrive: head, framing, body; ambiguity is an error (RFC 9112)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

from callgate.model import Value

MAX_HEAD_BYTES = 64 << 10
MAX_INTERIM = 16  # 1xx responses before the one that counts
MAX_LINE_BYTES = 4 << 10  # of a chunk's size, or of its extensions
KNOWN_HEADS = 64  # kept as they were read: for a second or so, all of a target's are alike
_END = b"\r\n\r\n"
_LENGTH_LINE = b"\r\ncontent-length:"
_HEAD = re.compile(
    rb"HTTP/1\.([01]) ([1-5][0-9]{2})(?: [^\r\n\0]*)?\r\n"
    rb"((?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[^\r\n\0]*\r\n)*)"
)
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n\0]*)?")


class HttpError(Exception):
    """The peer's bytes are not an HTTP/1.1 response that can be read in one way only."""


class Head(Value):
    """Status and headers: names in lower case, repeated ones joined with a comma.

    Content-Length is not among them: it belongs to the body.
    """

    status: int
    headers: dict[str, str]
    is_http10: bool = False


# What of a response comes next.
_HEAD_PART: Final = "head"
_LENGTH: Final = "length"
_CHUNK_SIZE: Final = "chunk size"
_CHUNK_BODY: Final = "chunk"
_CHUNK_END: Final = "chunk end"
_TRAILER: Final = "trailer"
_UNTIL_CLOSE: Final = "until close"
_NOTHING: Final = "nothing"


class _Framed(NamedTuple):
    """A head, and what comes after it where it does not say a length."""

    head: Head
    part: str
    may_reuse: bool


class ResponseParser:
    """Reads one response. `head` is None until it is there; interim (1xx) responses are skipped."""

    # How each begins.
    head: Head | None = None
    is_complete = False  # the whole response has been read
    _part: str = _HEAD_PART
    _buffer = b""
    _left = 0  # bytes of the body or of the chunk still to come
    _trailer_bytes = 0
    _interim = 0
    _may_reuse = False

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
        start, size = 0, len(data)
        while start < size and not self.is_complete:
            part = self._part
            if part == _HEAD_PART:
                end = self._take_head(data, start)
            elif part in (_LENGTH, _CHUNK_BODY):
                end = self._take_body(data, start, pieces)
            elif part == _UNTIL_CLOSE:
                pieces.append(data[start:])
                end = size
            else:
                end = self._take_line(data, start)
            if end == start:  # more must come first
                self._buffer = data[start:]
                return pieces
            start = end
        if start < size:
            self._may_reuse = False  # surplus: dropped, and the connection is not used again
        return pieces

    def end(self) -> None:
        """The peer closed the connection. Raises HttpError where that cuts the response short."""
        if self._part == _UNTIL_CLOSE:
            self.is_complete = True
        elif not self.is_complete:
            raise HttpError(f"the connection closed before the {self._part} was complete")

    def _take_head(self, data: bytes, start: int) -> int:
        end = _find(_END, data, start, MAX_HEAD_BYTES)
        if end < 0:
            if not b"HTTP/1.".startswith(data[start : start + 7]):
                raise HttpError("the answer is not HTTP/1.1")
            return start
        block = data[start : end + 2]
        length = None
        at = block.lower().find(_LENGTH_LINE)
        if at >= 0:
            until = block.index(b"\r\n", at + 2)
            length = block[at + len(_LENGTH_LINE) : until].strip(b" \t")
            block = block[:at] + block[until:]
        head, part, may_reuse = _read_head(block)
        if length is not None:
            _check_length(length, head.headers)
            if part == _UNTIL_CLOSE:
                self._left = int(length)
                part = _LENGTH if self._left else _NOTHING
        if part != _HEAD_PART:
            self.head, self._part = head, part
            self.is_complete = part == _NOTHING
            self._may_reuse = may_reuse and part != _UNTIL_CLOSE
        else:
            self._interim += 1
            if self._interim > MAX_INTERIM:
                raise HttpError("interim responses without an end")
        return end + 4

    def _take_body(self, data: bytes, start: int, pieces: list[bytes]) -> int:
        piece = data[start : start + self._left]
        pieces.append(piece)
        size = len(piece)
        self._left -= size
        if not self._left:
            if self._part == _CHUNK_BODY:
                self._part = _CHUNK_END
            else:
                self.is_complete = True
        return start + size

    def _take_line(self, data: bytes, start: int) -> int:
        end = _find(b"\r\n", data, start, MAX_LINE_BYTES)
        if end < 0:
            return start
        self._read_line(data[start:end])
        return end + 2

    def _read_line(self, line: bytes) -> None:
        if self._part == _CHUNK_END:
            if line:
                raise HttpError("a chunk longer than it said")
            self._part = _CHUNK_SIZE
        elif self._part == _CHUNK_SIZE:
            match = _CHUNK.fullmatch(line)
            if match is None:
                raise HttpError("a chunk without a size")
            self._left = int(match[1], 16)
            self._part = _CHUNK_BODY if self._left else _TRAILER
        elif line:
            self._trailer_bytes += len(line)
            if self._trailer_bytes > MAX_HEAD_BYTES:
                raise HttpError("trailers without an end")
        else:
            self.is_complete = True


def _find(mark: bytes, data: bytes, start: int, most: int) -> int:
    """Where `mark` ends at most `most` bytes; -1 where it may still come. Raises HttpError."""
    latest = start + most + len(mark)
    end = data.find(mark, start, latest)
    if end < 0 and len(data) >= latest:
        raise HttpError(f"a head, chunk size or trailer of more than {most} bytes")
    return end


@lru_cache(KNOWN_HEADS)
def _read_head(block: bytes) -> _Framed:
    """A head, and what comes after it but for a Content-Length, RFC 9112 §6.3. Raises HttpError."""
    match = _HEAD.fullmatch(block)
    if match is None:
        raise HttpError("a head that is not HTTP/1.1")
    head = Head(status=int(match[2]), headers=_headers(match[3]), is_http10=match[1] == b"0")
    coding = head.headers.get("transfer-encoding")
    may_reuse = not head.is_http10 and "close" not in head.headers.get("connection", "").lower()
    if head.status == 101:
        raise HttpError("a switch of protocols that nobody asked for")
    if head.status < 200:
        part = _HEAD_PART
    elif head.status in (204, 304):
        part = _NOTHING
    elif coding is None:
        part = _UNTIL_CLOSE
    elif coding.lower() == "chunked" and not head.is_http10:
        part = _CHUNK_SIZE
    else:
        raise HttpError("a transfer coding other than chunked")
    return _Framed(head, part, may_reuse)


def _check_length(length: bytes, headers: dict[str, str]) -> None:
    """Two answers to where the body ends are an error."""
    if "transfer-encoding" in headers:
        raise HttpError("both Transfer-Encoding and Content-Length")
    if "content-length" in headers or not (length.isdigit() and len(length) < 16):
        raise HttpError("a Content-Length that is not one number")


def _headers(block: bytes) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in block.decode("latin-1").split("\r\n"):
        if line:
            name, _, value = line.partition(":")
            name, value = name.lower(), value.strip(" \t")
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers
