"""Heads of requests that were read before: who asks often says the same, but for the length."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import httptools

from callgate.asgi import ALIKE, Scope

MOST_KNOWN = 256  # heads; then all are forgotten
MAX_BYTES = 8 << 10  # of a head that is kept
MAX_DIGITS = 9
_END = b"\r\n\r\n"
_LENGTH = b"content-length"
_LENGTH_LINES = (b"\r\ncontent-length:", b"\r\nContent-Length:")


class Cut(NamedTuple):
    """The beginning of some bytes as a head, the value of its Content-Length taken out."""

    rest: bytes  # of the head
    digits: bytes  # of that value
    end: int  # where the body begins


@dataclass(slots=True)
class KnownHead:
    """What a head says, but for the length of the body that follows."""

    scope: Scope
    headers: list[tuple[bytes, bytes]]
    place: int  # of the length among the headers
    alike: dict[object, Any] = field(default_factory=dict)

    def scope_of(self, connection: Scope, digits: bytes) -> Scope:
        """The scope of a request on a connection, with a body of that length."""
        headers = self.headers.copy()
        headers[self.place] = (_LENGTH, digits)
        return {**connection, **self.scope, "headers": headers, ALIKE: self.alike}


class KnownHeads:
    """Those of one listener."""

    def __init__(self) -> None:
        self._known: dict[bytes, KnownHead] = {}

    def __len__(self) -> int:
        """How many are kept."""
        return len(self._known)

    def find(self, cut: Cut) -> KnownHead | None:
        """What was learnt of a head that was the same to the byte, but for the length."""
        return self._known.get(cut.rest)

    def learn(self, cut: Cut, scope: Scope, headers: list[tuple[bytes, bytes]]) -> None:
        """Keeps what the parser read of a head, where its bytes alone say it."""
        rest = cut.rest
        lines = len(headers) + 1
        names = [name for name, _ in headers]
        if (
            names.count(_LENGTH) != 1  # one with the length, and none that is said in another way
            or b"transfer-encoding" in names
            or not rest.count(b"\r\n") == rest.count(b"\r") == rest.count(b"\n") == lines
        ):
            return
        if len(self._known) >= MOST_KNOWN:
            self._known.clear()
        self._known[rest] = KnownHead(scope, headers.copy(), names.index(_LENGTH))


def cut_length(data: bytes) -> Cut | None:
    """None where the bytes do not begin with a whole head that says one length."""
    end = data.find(_END, 0, MAX_BYTES)
    if end < 0:
        return None
    for line in _LENGTH_LINES:
        at = data.find(line, 0, end)
        if at >= 0:
            break
    else:
        return None
    begin = at + len(line)
    until = data.find(b"\r\n", begin, end + 2)
    digits = data[begin:until].strip(b" ")
    if not digits.isdigit() or len(digits) > MAX_DIGITS:
        return None
    return Cut(data[:begin] + data[until : end + 2], digits, end + 4)


def origin_form(url: bytes) -> bytes:
    """Path and query of a request's target (RFC 9112, 3.2)."""
    if url[:1] == b"/" or url == b"*":
        return url
    parsed = httptools.parse_url(url)
    path: bytes = parsed.path or b"/"
    query: bytes | None = parsed.query
    return path if query is None else path + b"?" + query
