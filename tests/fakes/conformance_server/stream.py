"""One resumable event stream of a session: what was said, and who is reading it now."""

import asyncio
import secrets
from collections import deque
from collections.abc import AsyncIterator

from fakes.conformance_server.exchange import Json

MOST_KEPT = 20_000


class Stream:
    """Keeps its events, so that a reader can come back; the newest reader is the only one."""

    def __init__(self) -> None:
        self.name = secrets.token_hex(6)
        self.is_finished = False
        self._events: deque[tuple[int, Json | None]] = deque(maxlen=MOST_KEPT)
        self._next = 0
        self._read = -1
        self._readers = 0
        self._changed = asyncio.Event()

    def put(self, message: Json | None) -> None:
        self._events.append((self._next, message))
        self._next += 1
        self._changed.set()

    def finish(self) -> None:
        self.is_finished = True
        self._changed.set()

    def hang_up(self) -> None:
        """End the present reader's connection; the stream itself goes on."""
        self._readers += 1
        self._changed.set()

    def attach(self, after: int | None = None) -> int:
        """Become the reader: of what comes after the given event, or after what was read."""
        self.hang_up()
        if after is not None:
            self._read = after
        return self._readers

    async def read(self, reader: int) -> AsyncIterator[tuple[str, Json | None]]:
        """Events with their ids, until the stream ends or this reader is told to go."""
        while True:
            self._changed.clear()
            for number, message in tuple(self._events):
                if number <= self._read:
                    continue
                # Told to go: what is left is the next reader's, but for the event to resume from.
                if reader != self._readers and message is not None:
                    return
                self._read = number
                yield f"{self.name}-{number}", message
            if self._read + 1 < self._next:
                continue
            if reader != self._readers or self.is_finished:
                return
            await self._changed.wait()
