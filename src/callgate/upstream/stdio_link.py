"""MCP with one child process: many requests over one pipe, told apart by id."""

from __future__ import annotations

import asyncio
import logging
import re
from collections import deque
from collections.abc import Callable

from callgate.model import Era
from callgate.protocol.eras import META_PROGRESS
from callgate.protocol.framing import FramingError, Line, Lines
from callgate.protocol.negotiation import Peer, era_of_answer, read_discovered, read_initialized
from callgate.protocol.outbound import (
    INITIALIZED,
    LIST_CHANGED,
    LOGGED,
    PROGRESS,
    Message,
    WireError,
    answer_request,
    cancelled,
    read_message,
    read_params,
)
from callgate.upstream.child import CHUNK_BYTES, Child, OutputLog
from callgate.upstream.faults import Lost
from callgate.upstream.session import WORDS, Notes
from callgate.upstream.tasks import Tasks

DISCOVER_SECONDS = 5.0  # after which the older handshake is tried too
FATE_SECONDS = 0.2  # to learn how a child ended that closed its output
MAX_NOTES = 256  # of one call, waiting for a slow agent; older ones give way
MAX_JUNK_LINES = 1000  # in a row, on stdout, before the child is given up
MAX_KEPT_JUNK_LINES = 20  # of these, kept in the target's log
_ID = re.compile(rb'"id"\s*:\s*(\d{1,18})')
_log = logging.getLogger("callgate.upstream")


class Asked:
    """One request on the pipe, and what has come back for it so far."""

    def __init__(self, request_id: int, notes: Notes | None = None) -> None:
        self.request_id = request_id
        self.is_sent = False
        self._notes = notes
        self._queue: deque[Message] = deque(maxlen=MAX_NOTES)
        self._reply: Message | None = None
        self._error: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None

    def hear(self, message: Message) -> None:
        """Takes a notification of this call. Never waits: the pipe is everybody's."""
        if self._notes is not None:
            self._queue.append(message)
            self._wake()

    def end(self, end: Message | Exception) -> None:
        """Takes the response, or the reason why there will be none. The first one counts."""
        if self._reply is None and self._error is None:
            if isinstance(end, Exception):
                self._error = end
            else:
                self._reply = end
            self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def reply(self) -> Message:
        """Hands on what is said meanwhile and waits for the response."""
        while True:
            while self._queue and self._notes is not None:
                await self._notes.pass_on(self._queue.popleft())
            if self._reply is not None:
                return self._reply
            if self._error is not None:
                raise self._error
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter


class StdioLink:
    """The pipe to one child. `peer` is known once it is open, `end_reason` once it died."""

    def __init__(
        self,
        child: Child,
        log: OutputLog,
        *,
        max_line_bytes: int,
        is_shared: bool,
        next_id: Callable[[], int],
        on_change: Callable[[], None],
    ) -> None:
        self.peer: Peer | None = None
        self.is_alive = True
        self.has_died = asyncio.Event()
        self.died_of_discover = False
        self._child = child
        self._log = log
        self._lines = Lines(max_line_bytes)
        self._is_shared = is_shared
        self._next_id = next_id
        self._on_change = on_change
        self._asked: dict[int, Asked] = {}
        self._junk = 0
        self.end_reason = ""
        self._tasks = Tasks()
        self._tasks.start(child.log_errors(log), "stderr")
        self._listening = self._tasks.start(self._listen(), "stdout")
        self._tasks.start(self._watch(), "exit")

    async def ask(self, asked: Asked, body: bytes) -> Message:
        """The response to a request. Cancelled: the child is told. Raises Lost, WireError."""
        self._asked[asked.request_id] = asked
        try:
            if not self.is_alive:
                raise Lost(self.end_reason)
            await self._write(body)
            asked.is_sent = True
            return await asked.reply()
        except asyncio.CancelledError:
            if asked.is_sent:
                self._child.say(cancelled(asked.request_id))
            raise
        finally:
            self._asked.pop(asked.request_id, None)

    async def _write(self, body: bytes) -> None:
        if b"\n" in body:  # between the tokens of the caller's JSON only: strings escape theirs
            body = body.replace(b"\n", b" ")
        try:
            await self._child.write(body)
        except OSError:
            raise Lost(self.end_reason or "it closed its input") from None

    async def open(self, hint: Era | None) -> Peer:
        """Finds out which era the child speaks. The caller bounds the time. Raises as `ask` does.

        The modern question comes first, unless the child spoke legacy before. No answer in time:
        the handshake is tried as well, and whichever is answered first counts, because a child
        may just be slow to start.
        """
        waiting: set[asyncio.Task[Message]] = set()
        probe = None
        if hint is not Era.LEGACY:
            probe = self._start(WORDS.discover)
            done, waiting = await asyncio.wait({probe}, timeout=DISCOVER_SECONDS)
            if done and (peer := self._modern(probe)):
                return await self._adopt(peer)
        greeting = self._start(WORDS.initialize)
        waiting.add(greeting)
        while waiting:
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if probe in done and probe is not None and (peer := self._modern(probe)):
                return await self._adopt(peer)
            if greeting in done:
                try:
                    peer = read_initialized(greeting.result())
                except WireError:
                    if not waiting:
                        raise
                    continue  # the modern answer may still come
                await self._write(INITIALIZED)
                return await self._adopt(peer)
        raise WireError("neither `server/discover` nor `initialize` was answered")

    def _start(self, words: Callable[[int], bytes]) -> asyncio.Task[Message]:
        asked = Asked(self._next_id())
        return self._tasks.start(self.ask(asked, words(asked.request_id)), "opening")

    def _modern(self, probe: asyncio.Task[Message]) -> Peer | None:
        try:
            message = probe.result()
        except Lost:
            self.died_of_discover = True  # some servers end when the first message is unknown
            raise
        return read_discovered(message) if era_of_answer(message) is Era.MODERN else None

    async def _adopt(self, peer: Peer) -> Peer:
        self.peer = peer
        if peer.era is Era.MODERN and peer.has_list_changed:
            self._start(WORDS.listen)  # its notifications come by themselves; nobody awaits its end
        return peer

    async def _listen(self) -> None:
        try:
            while chunk := await self._child.stdout.read(CHUNK_BYTES):
                for line in self._lines.feed(chunk) if self.is_alive else ():
                    self._hear_line(line)
            await self._child.exited(FATE_SECONDS)
        except FramingError as error:
            self.end_reason = f"it sent {error}"
        finally:
            self._die()

    async def _watch(self) -> None:
        """Notices the child's end also where a process it left behind holds its output open."""
        await self._child.exited(None)
        await asyncio.wait({self._listening}, timeout=FATE_SECONDS)  # for its last words
        self._die()

    def _die(self) -> None:
        self.is_alive = False
        self.end_reason = self.end_reason or self._child.fate
        for asked in tuple(self._asked.values()):
            asked.end(Lost(self.end_reason))
        self.has_died.set()

    def _hear_line(self, line: Line) -> None:
        if line.is_cut:
            self._hear_too_much(line.text)
            return
        try:
            message = read_message(line.text)
        except WireError:
            self._hear_junk(line.text)
            return
        self._junk = 0
        if message.method is None:
            asked = self._asked.get(message.id) if isinstance(message.id, int) else None
            if asked is not None:  # else: too late, its caller has given up
                asked.end(message)
        elif message.id is not None:
            self._child.say(answer_request(message))
        else:
            self._hear_note(message)

    def _hear_note(self, message: Message) -> None:
        """Hands on what names a call, and log messages where they cannot be another's."""
        if message.method == LIST_CHANGED:
            self._on_change()
        elif message.method == PROGRESS:
            token = read_params(message).get(META_PROGRESS)
            asked = self._asked.get(token) if type(token) is int else None
            if asked is not None:
                asked.hear(message)
        elif message.method == LOGGED and not self._is_shared and len(self._asked) == 1:
            for asked in self._asked.values():
                asked.hear(message)

    def _hear_too_much(self, beginning: bytes) -> None:
        match = _ID.search(beginning[:4096])
        asked = self._asked.get(int(match[1])) if match else None
        if asked is not None:
            asked.end(WireError("a response larger than `max_response_bytes`"))
        self._hear_junk(beginning[:200] + b"...")

    def _hear_junk(self, text: bytes) -> None:
        """Lines on stdout that are no messages: kept with stderr, up to a point."""
        self._junk += 1
        if self._junk == 1:
            _log.warning("not MCP on stdout of pid %s; see %s", self._child.pid, self._log.path)
        if self._junk > MAX_JUNK_LINES:
            raise FramingError(f"{self._junk} lines in a row that are not MCP")
        if self._junk <= MAX_KEPT_JUNK_LINES:
            text = b"stdout: " + text[:2000] + b"\n"
            self._tasks.start(asyncio.to_thread(self._log.write, text), "junk")

    async def close(self) -> None:
        """Ends the child with its whole tree; calls in flight are Lost."""
        self.end_reason = self.end_reason or "the target was closed"
        self._die()
        try:
            await self._child.end()
        finally:
            await self._tasks.close()
