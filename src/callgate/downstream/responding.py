"""How answers reach an agent over HTTP: whole, or as a stream; and whether it still listens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from callgate.asgi import Receive, Send
from callgate.deadlines import Deadline, Deadlines
from callgate.downstream.inbound import Answer
from callgate.downstream.streams import Reading

WATCH_AFTER_SECONDS = (
    0.05  # a call this long gets a watch on its connection; shorter ones do without
)
STREAM_AFTER_SECONDS = 1.0  # a call this long is answered with a stream, so that it stays alive
KEEP_ALIVE_SECONDS = 15.0  # proxies often close what is silent for 30 s or 60 s
SLOW_SECONDS = 30.0  # an agent that takes nothing for this long counts as gone
RETRY_MS = 1000  # when to come back: the same on every attempt, where clients would wait longer
_JSON = ((b"content-type", b"application/json"),)
_STREAM = (
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
)


async def respond(send: Send, answer: Answer) -> None:
    """One whole response. Its length is the server's to say."""
    headers: tuple[tuple[bytes, bytes], ...] = () if answer.body is None else _JSON
    if answer.headers:
        more = ((name.encode(), value.encode()) for name, value in answer.headers)
        headers = (*headers, *more)
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body or b""})


class Outlet:
    """Writes a stream to one connection, in a task of its own, until either of them ends.

    The only writer of its connection: whoever says something on the stream and is cancelled
    meanwhile neither loses a message nor sends it twice.
    """

    def __init__(
        self,
        send: Send,
        reading: Reading,
        *,
        has_ids: bool,
        is_primed: bool = False,
        on_slow: Callable[[], None] | None = None,
    ) -> None:
        self.reading = reading
        self._send = send
        self._has_ids = has_ids
        self._is_primed = is_primed
        self._on_slow = on_slow
        self._rest_ms: int | None = None
        # Held here; ends with the stream, with close(), or with a reader that is too slow.
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def done(self) -> None:
        """Waits until the connection has everything, or is no more."""
        await asyncio.wait({self._task})

    def rest(self, seconds: float) -> None:
        """Ends the connection once it has everything, and says when to come back."""
        self._rest_ms = int(seconds * 1000)
        self.reading.wake()

    def close(self) -> None:
        """The connection is no more."""
        self.reading.close()
        self._task.cancel()

    async def _run(self) -> None:
        try:
            start = {"type": "http.response.start", "status": 200, "headers": _STREAM}
            await self._write(start)
            await self._piece(self._opening())
            await self._copy()
            await self._write({"type": "http.response.body", "body": b"", "more_body": False})
        except TimeoutError:
            if self._on_slow is not None:
                self._on_slow()
        except (OSError, RuntimeError):
            pass  # the connection broke: the same as an agent that hung up
        finally:
            self.reading.close()

    def _opening(self) -> bytes:
        """Makes the response begin at once; where the revision knows it, says where to resume."""
        if not self._is_primed:
            return b": stream\n\n"
        place = f"{self.reading.stream.name}-{self.reading.taken}".encode()
        return b"id: %b\nretry: %d\ndata: \n\n" % (place, RETRY_MS)

    async def _copy(self) -> None:
        reading = self.reading
        while not reading.is_closed:
            following = reading.next()
            if following is not None:
                number, pieces = 0, []
                while following is not None:  # all that waits goes in one piece
                    number, body = following
                    pieces.append(self._event(number, body))
                    following = reading.stream.next_after(number)
                await self._piece(b"".join(pieces))
                reading.took(number)
            elif reading.is_over:
                return
            elif self._rest_ms is not None:
                await self._piece(b"retry: %d\n\n" % self._rest_ms)
                return
            elif not await reading.woken(KEEP_ALIVE_SECONDS):
                await self._piece(b": keep-alive\n\n")

    def _event(self, number: int, body: bytes) -> bytes:
        event = b"event: message\ndata: " + body + b"\n\n"
        if not self._has_ids:
            return event
        return b"id: %b-%d\n%b" % (self.reading.stream.name.encode(), number, event)

    async def _piece(self, piece: bytes) -> None:
        await self._write({"type": "http.response.body", "body": piece, "more_body": True})

    async def _write(self, event: dict[str, Any]) -> None:
        async with asyncio.timeout(SLOW_SECONDS):
            await self._send(event)


class Watch(Deadline):
    """Notices that the caller hung up, for calls that take long enough to care.

    Begins after a moment, so that a quick call costs neither task nor timer. Where the call takes
    longer still, its answer begins as a stream.
    """

    def __init__(
        self,
        deadlines: Deadlines,
        receive: Receive,
        on_hang_up: Callable[[], None],
        on_long: Callable[[], None] | None = None,
    ) -> None:
        self._all = deadlines
        self._receive = receive
        self._on_hang_up = on_hang_up
        self._on_long = on_long
        self._waiting: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()
        self.at = self._loop.time() + WATCH_AFTER_SECONDS
        deadlines.add(self, self._loop)

    def pass_by(self) -> None:
        """The call takes long; or so long that it is answered with a stream."""
        if self._waiting is None:
            # Held here and ended by stop(): it lives no longer than its call.
            self._waiting = self._loop.create_task(self._wait())
            if self._on_long is not None:
                self.at += STREAM_AFTER_SECONDS - WATCH_AFTER_SECONDS
                self._all.add(self, self._loop)
        elif self._on_long is not None:
            self._on_long()

    async def _wait(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._on_hang_up()

    def stop(self) -> None:
        """The call is over."""
        self._all.drop(self)
        if self._waiting is not None:
            self._waiting.cancel()
