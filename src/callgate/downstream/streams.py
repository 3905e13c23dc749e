"""What is said to one client, numbered and kept, so that a lost connection loses nothing."""

from __future__ import annotations

import asyncio
import re
from collections import deque

from callgate.ports import Clock

MOST_EVENTS = 256  # of one call's stream: what a client that comes back can still have
MOST_BYTES = 1 << 20
MOST_UNTAKEN = 32  # who says more than this than is taken has to wait
MOST_STANDING_EVENTS = 64  # of a session's own stream: what is said outside calls
MOST_STANDING_BYTES = 1 << 18
MOST_ENDED = 8  # streams of one session that have ended and are kept
KEPT_SECONDS = 60.0  # how long they are kept
MOST_KEPT_BYTES = 64 << 20  # … of all sessions together
STREAM_BYTES = 1024  # what a stream costs besides its messages, about

_EVENT_ID = re.compile(r"([0-9]{1,9})-([0-9]{1,9})")


def on_one_line(body: bytes) -> bytes:
    """JSON without line ends, which mean something to SSE and to stdio; in JSON they do not."""
    if b"\n" in body or b"\r" in body:
        return body.replace(b"\n", b" ").replace(b"\r", b" ")
    return body


class Stream:
    """One stream of messages: at most one connection reads it at a time.

    Bounded: the oldest messages go first. What the connection of a call has not taken yet stays,
    for whoever says something there waits until it is taken; on a session's own stream nobody
    waits, and the oldest go also unread.
    """

    __slots__ = (
        "_arrivals", "_bytes", "_events", "_is_standing", "_keeps", "is_ended", "last", "name",
        "reading", "taken",
    )  # fmt: skip

    def __init__(self, name: str = "", *, keeps: bool = True, is_standing: bool = False) -> None:
        self.name = name
        self.last = 0  # the number of the last message
        self.taken = 0  # up to here some connection has taken them
        self.is_ended = False
        self.reading: Reading | None = None
        self._keeps = keeps
        self._is_standing = is_standing
        self._events: dict[int, bytes] = {}
        self._bytes = 0
        self._arrivals: list[asyncio.Future[None]] = []

    @property
    def size_bytes(self) -> int:
        """How much is kept."""
        return self._bytes

    def put(self, body: bytes) -> int:
        """Adds a message; its number. Nothing is taken after the end."""
        if self.is_ended:
            return self.last
        self.last += 1
        self._events[self.last] = body = on_one_line(body)
        self._bytes += len(body)
        self._make_room()
        if self.reading is not None:
            self.reading.wake()
        return self.last

    async def say(self, body: bytes) -> None:
        """Adds a message, and waits while the connection, if there is one, is far behind."""
        number = self.put(body)
        reading = self.reading
        if reading is not None and number - reading.taken > MOST_UNTAKEN:
            await reading.until(number - MOST_UNTAKEN)

    def mention(self, body: bytes) -> None:
        """Adds a message without waiting."""
        self.put(body)

    def has_unread(self, body: bytes) -> bool:
        """Whether the same message still waits to be read."""
        return any(number > self.taken and kept == body for number, kept in self._events.items())

    def end(self) -> None:
        """Nothing more will be said."""
        self.is_ended = True
        if self.reading is not None:
            self.reading.wake()

    def attach(self, after: int) -> Reading:
        """Lets a connection read on after that message; one that reads now is ended."""
        if self.reading is not None:
            self.reading.close()
        self.reading = Reading(self, after)
        for arrival in self._arrivals:
            if not arrival.done():
                arrival.set_result(None)
        self._arrivals.clear()
        return self.reading

    async def wait_for_reader(self) -> None:
        """Returns once a connection reads."""
        if self.reading is None:
            arrival: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._arrivals.append(arrival)
            try:
                await arrival
            finally:
                if arrival in self._arrivals:
                    self._arrivals.remove(arrival)

    def next_after(self, number: int) -> tuple[int, bytes] | None:
        """The first message after this one that is still there, with its number."""
        following = max(number + 1, self.last - len(self._events) + 1)
        body = self._events.get(following)
        return None if body is None else (following, body)

    def note_taken(self, number: int) -> None:
        """A connection took everything up to this message."""
        self.taken = max(self.taken, number)
        if not self._keeps:
            while self._events and next(iter(self._events)) <= number:
                self._drop_oldest()

    def forget(self) -> None:
        """Gives the memory back."""
        self._events.clear()
        self._bytes = 0

    def _make_room(self) -> None:
        most_events, most_bytes = MOST_EVENTS, MOST_BYTES
        if self._is_standing:
            most_events, most_bytes = MOST_STANDING_EVENTS, MOST_STANDING_BYTES
        while len(self._events) > 1 and (
            len(self._events) > most_events or self._bytes > most_bytes
        ):
            reading = None if self._is_standing else self.reading
            if reading is not None and next(iter(self._events)) > reading.taken:
                return
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        self._bytes -= len(self._events.pop(next(iter(self._events))))


class Reading:
    """One connection's place in a stream, and who waits for it to get on."""

    __slots__ = ("_bell", "_waiting", "is_closed", "stream", "taken")

    def __init__(self, stream: Stream, after: int) -> None:
        self.stream = stream
        self.taken = after
        self.is_closed = False
        self._bell = asyncio.Event()
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []

    def next(self) -> tuple[int, bytes] | None:
        """The next message and its number; None where there is none now."""
        return self.stream.next_after(self.taken)

    @property
    def is_over(self) -> bool:
        """Whether nothing more comes: all was read and the stream has ended."""
        return self.stream.is_ended and self.next() is None

    def took(self, number: int) -> None:
        """The message was handed to the connection."""
        self.taken = number
        self.stream.note_taken(number)
        self._release()

    async def woken(self, seconds: float) -> bool:
        """Waits for something new; False after so many seconds without."""
        try:
            async with asyncio.timeout(seconds):
                await self._bell.wait()
        except TimeoutError:
            return False
        self._bell.clear()
        return True

    def wake(self) -> None:
        """There is something new."""
        self._bell.set()

    async def until(self, number: int) -> None:
        """Waits until the connection took this message, or is no more."""
        if self.taken < number and not self.is_closed:
            taken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append((number, taken))
            await taken

    def close(self) -> None:
        """The connection is no more, or another one reads instead."""
        self.is_closed = True
        if self.stream.reading is self:
            self.stream.reading = None
        self.wake()
        self._release()

    def _release(self) -> None:
        still = []
        for number, taken in self._waiting:
            if number > self.taken and not self.is_closed:
                still.append((number, taken))
            elif not taken.done():
                taken.set_result(None)
        self._waiting = still


class Kept:
    """Streams of calls that have ended, of all sessions: for clients that come for the rest."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ended: deque[tuple[float, int, Streams, Stream]] = deque()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._ended)

    def add(self, streams: Streams, stream: Stream) -> None:
        """Keeps a stream for a while."""
        size = stream.size_bytes + STREAM_BYTES
        self._ended.append((self._clock.ticks(), size, streams, stream))
        self._bytes += size
        self.sweep()

    def sweep(self) -> None:
        """Forgets what was kept long enough, and the oldest where there is too much."""
        oldest = self._clock.ticks() - KEPT_SECONDS
        while self._ended and (self._ended[0][0] <= oldest or self._bytes > MOST_KEPT_BYTES):
            _, size, streams, stream = self._ended.popleft()
            self._bytes -= size
            streams.forget(stream)


class Streams:
    """The streams of one session: its own (`0`), and one for each call that needs one."""

    __slots__ = ("_calls", "_kept", "_last", "standing")

    def __init__(self, kept: Kept | None = None) -> None:
        self.standing = Stream("0", is_standing=True)
        self._calls: dict[str, Stream] = {}
        self._kept = kept  # None: what has ended is forgotten at once
        self._last = 0

    @property
    def is_read(self) -> bool:
        """Whether a connection reads any of them."""
        return self.standing.reading is not None or any(
            stream.reading is not None for stream in self._calls.values()
        )

    def open(self) -> Stream:
        """A stream for one call."""
        self._last += 1
        stream = self._calls[str(self._last)] = Stream(str(self._last))
        return stream

    def ended(self, stream: Stream) -> None:
        """Keeps the stream of a call that has ended, for a client that lost its connection."""
        if self._calls.get(stream.name) is not stream:
            return
        if self._kept is None:
            self.forget(stream)
            return
        ended = [one for one in self._calls.values() if one.is_ended]
        for one in ended[:-MOST_ENDED]:
            self.forget(one)
        self._kept.add(self, stream)

    def find(self, event_id: str) -> tuple[Stream, int] | None:
        """The stream that an event id names, and the event's number; None where it is unknown."""
        named = _EVENT_ID.fullmatch(event_id)
        if named is None:
            return None
        stream = self.standing if named[1] == "0" else self._calls.get(named[1])
        number = int(named[2])
        return None if stream is None or number > stream.last else (stream, number)

    def forget(self, stream: Stream) -> None:
        """Gives up a stream; a connection that still reads it goes on to its end."""
        if self._calls.get(stream.name) is stream:
            del self._calls[stream.name]
        if stream.reading is None:
            stream.forget()

    def close(self) -> None:
        """Ends them all."""
        for stream in (self.standing, *self._calls.values()):
            stream.end()
            if stream.reading is None:
                stream.forget()
        self._calls.clear()
