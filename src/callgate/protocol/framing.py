"""Cuts byte streams into messages, incrementally and within bounds: SSE events, stdio lines."""

from __future__ import annotations

from typing import NamedTuple

MESSAGE = "message"  # the name of an event that says none
BOM = b"\xef\xbb\xbf"
RUNAWAY_FACTOR = 4  # how many times the bound a line may run on, unread, before we give up


class FramingError(Exception):
    """The peer's stream cannot be cut into messages within the bound."""


class Line(NamedTuple):
    """One line without its end. Where it broke the bound, only its beginning: `is_cut`."""

    text: bytes
    is_cut: bool = False


class Lines:
    """Newline-delimited messages. A line over the bound is cut, and the next one is found again."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._kept = bytearray()  # a list of pieces would cost far more where they are small
        self._size = 0

    def feed(self, chunk: bytes) -> list[Line]:
        """The lines that `chunk` completes, without empty ones.

        Raises FramingError where a line runs on to several times the bound: nobody ends it.
        """
        *ended, rest = chunk.split(b"\n")
        lines = []
        for piece in ended:
            line = self._end(piece)
            if line.text:
                lines.append(line)
        self._keep(rest)
        return lines

    def _keep(self, piece: bytes) -> None:
        self._kept += piece[: self._max_bytes - len(self._kept)]
        self._size += len(piece)
        if self._size > self._max_bytes * RUNAWAY_FACTOR:
            raise FramingError(f"a line of more than {self._size} bytes without an end")

    def _end(self, piece: bytes) -> Line:
        if not self._size and len(piece) <= self._max_bytes:
            return Line(piece.rstrip(b"\r"))
        self._keep(piece)
        text, is_cut = bytes(self._kept), self._size > self._max_bytes
        self._kept.clear()
        self._size = 0
        return Line(text if is_cut else text.rstrip(b"\r"), is_cut)


class Event(NamedTuple):
    """One event of a stream, with data."""

    name: str
    data: bytes


class Events:
    """A text/event-stream (WHATWG HTML, "Server-sent events")."""

    def __init__(self, max_bytes: int) -> None:
        self.last_id: str | None = None
        self.retry_seconds: float | None = None
        self._max_bytes = max_bytes
        self._rest = bytearray()  # a list of pieces would cost far more where they are small
        self._size = 0  # of the unfinished line and of the data before it
        self._ended_with_cr = False
        self._is_first_line = True
        self._data: bytes | bytearray | None = None
        self._data_size = 0
        self._name = b""

    def feed(self, chunk: bytes) -> list[bytes]:
        """The data of the `message` events that `chunk` completes, without empty ones.

        Raises FramingError where one event is larger than the bound.
        """
        return [event.data for event in self.feed_named(chunk) if event.name == MESSAGE]

    def feed_named(self, chunk: bytes) -> list[Event]:
        """The events of any name that `chunk` completes, without empty ones. Raises likewise."""
        if self._ended_with_cr and chunk[:1] == b"\n":
            chunk = chunk[1:]
            self._ended_with_cr = False
        if not chunk:
            return []
        self._ended_with_cr = chunk.endswith(b"\r")
        events = []
        for piece in chunk.splitlines(keepends=True):
            text = piece.rstrip(b"\r\n")
            self._size += len(text)
            if self._size > self._max_bytes:
                raise FramingError(f"an event of more than {self._max_bytes} bytes")
            if len(text) == len(piece):
                self._rest += piece
                continue
            event = self._take_line(text)
            if event is not None and event.data:
                events.append(event)
        return events

    def _take_line(self, text: bytes) -> Event | None:
        if self._rest:
            self._rest += text
            text = bytes(self._rest)
            self._rest.clear()
        if self._is_first_line:
            self._is_first_line = False
            text = text.removeprefix(BOM)
        if not text:
            return self._dispatch()
        self._read_field(text)
        self._size = self._data_size
        return None

    def _read_field(self, text: bytes) -> None:
        name, _, value = text.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._add_data(value)
        elif name == b"event":
            self._name = value
        elif name == b"id" and b"\0" not in value:
            self.last_id = value.decode("utf-8", "replace") or None
        elif name == b"retry" and value.isdigit() and len(value) < 10:
            self.retry_seconds = int(value) / 1000

    def _add_data(self, value: bytes) -> None:
        self._data_size += len(value) + 1
        if self._data is None:
            self._data = value  # most events have one line: it is not copied
            return
        if isinstance(self._data, bytes):
            self._data = bytearray(self._data)
        self._data += b"\n" + value

    def _dispatch(self) -> Event | None:
        data, name = self._data, self._name.decode("utf-8", "replace") or MESSAGE
        self._data, self._name, self._data_size, self._size = None, b"", 0, 0
        return None if data is None else Event(name, bytes(data))
