"""MCP with one child process: the lines of its pipe, and what is no message among them."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable

from callgate.protocol.framing import FramingError, Line, Lines
from callgate.protocol.outbound import WireError, answered_ids, read_message
from callgate.upstream.child import CHUNK_BYTES, Child, OutputLog
from callgate.upstream.duplex import Duplex, Terms
from callgate.upstream.faults import Lost

FATE_SECONDS = 0.2  # to learn how a child ended that closed its output
MAX_JUNK_LINES = 1000  # in a row, on stdout, before the child is given up
MAX_KEPT_JUNK_LINES = 20  # of these, kept in the target's log
_ID = re.compile(rb'"id"\s*:\s*(\d{1,18})')
_log = logging.getLogger("callgate.upstream")


class StdioLink(Duplex):
    """The pipe to one child."""

    def __init__(self, child: Child, log: OutputLog, terms: Terms, *, max_line_bytes: int) -> None:
        super().__init__(terms)
        self._child = child
        self._log = log
        self._lines = Lines(max_line_bytes)
        self._junk = 0
        self.tasks.start(child.log_errors(log), "stderr")
        self._listening = self.tasks.start(self._listen(), "stdout")
        self.tasks.start(self._watch(), "exit")

    async def write(self, body: bytes, sent: Callable[[], None]) -> None:
        """Sends one line. Waits while the child does not read. Raises Lost."""
        if b"\n" in body:  # between the tokens of the caller's JSON only: strings escape theirs
            body = body.replace(b"\n", b" ")
        try:
            await self._child.write(body)
        except OSError:
            raise Lost(self.end_reason or "it closed its input") from None
        sent()

    def say(self, body: bytes) -> None:
        """Sends one line; dropped where the child does not read."""
        self._child.say(body)

    async def _listen(self) -> None:
        reason = ""
        try:
            while chunk := await self._child.stdout.read(CHUNK_BYTES):
                for line in self._lines.feed(chunk) if self.is_alive else ():
                    self._hear_line(line)
            await self._child.exited(FATE_SECONDS)
        except FramingError as error:
            reason = f"it sent {error}"
        finally:
            self.die(reason or self._child.fate)

    async def _watch(self) -> None:
        """Notices the child's end also where a process it left behind holds its output open."""
        await self._child.exited(None)
        await asyncio.wait({self._listening}, timeout=FATE_SECONDS)  # for its last words
        self.die(self._child.fate)

    def _hear_line(self, line: Line) -> None:
        if line.is_cut:
            self._hear_too_much(line.text)
            return
        try:
            message = read_message(line.text)
        except WireError as error:
            for request_id in answered_ids(line.text):
                self.fail(request_id, error)
            self._hear_junk(line.text)
            return
        self._junk = 0
        self.hear(message)

    def _hear_too_much(self, beginning: bytes) -> None:
        match = _ID.search(beginning[:4096])
        if match and beginning.find(b'"method"', 0, match.start()) < 0:
            self.fail(int(match[1]), WireError("a response larger than `max_response_bytes`"))
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
            self.tasks.start(asyncio.to_thread(self._log.write, text), "junk")

    async def close(self) -> None:
        """Ends the child with its whole tree; calls in flight are Lost."""
        self.die("the target was closed")
        try:
            await self._child.end()
        finally:
            await self.tasks.close()
