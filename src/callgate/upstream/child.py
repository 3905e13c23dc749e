"""One child process with its whole family: started clean, and ended to the last descendant."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import IO, cast

import psutil

from callgate.model import Value

GRACE_SECONDS = 2.0  # after closing stdin, and again after SIGTERM
CHUNK_BYTES = 64 << 10

# What a child may know of our environment. Everything else, secrets above all, it gets by
# configuration only. The second line is what Windows programs do not start without.
INHERITED = (
    *("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "USER", "LOGNAME", "SHELL"),
    *("SYSTEMROOT", "SYSTEMDRIVE", "PATHEXT", "APPDATA", "LOCALAPPDATA", "USERPROFILE", "TEMP"),
)


class Command(Value):
    """What to start, where, and with which additions to the clean environment."""

    words: tuple[str, ...]
    environment: dict[str, str] = {}
    directory: str | None = None


def clean_environment(additions: Mapping[str, str]) -> dict[str, str]:
    """The inherited few, then what the configuration adds."""
    kept = {name: os.environ[name] for name in INHERITED if name in os.environ}
    return {name: value for name, value in kept.items() if not value.startswith("()")} | {
        **additions
    }


class OutputLog:
    """What a target writes to stderr, in one file with one predecessor (`.1`), both bounded.

    The file cannot be written: what is said is dropped, so that the child is never held up.
    """

    def __init__(self, path: Path, max_bytes: int) -> None:
        self.path = path
        self._max_bytes = max_bytes
        self._file: IO[bytes] | None = None
        self._size = 0
        self._lock = Lock()
        self._is_closed = False

    def write(self, data: bytes) -> None:
        """Appends; blocking, so call it off the event loop."""
        with self._lock, suppress(OSError):
            data = data[-self._max_bytes :]
            if self._is_closed:
                return
            if self._file is None:
                self._open()
            if self._size and self._size + len(data) > self._max_bytes:
                self._close()
                os.replace(self.path, f"{self.path}.1")
                self._open()
            if self._file is not None:
                self._size += self._file.write(data)
                self._file.flush()

    def _open(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._file = os.fdopen(descriptor, "ab")
        self._size = os.fstat(descriptor).st_size

    def close(self) -> None:
        """Closes the file; what is written later is dropped."""
        with self._lock:
            self._is_closed = True
            self._close()

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


class Child(asyncio.SubprocessProtocol):
    """A running child process that leads a session, and so a process group, of its own.

    A protocol of our own, because asyncio's `Process.wait` also waits for the pipes, and these may
    be held open by what the child left behind.
    """

    def __init__(self) -> None:
        self.stdout = asyncio.StreamReader(CHUNK_BYTES)
        self.stderr = asyncio.StreamReader(CHUNK_BYTES)
        self._exit: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._may_write = asyncio.Event()
        self._may_write.set()
        self._is_ended = False
        self._transport: asyncio.SubprocessTransport
        self._stdin: asyncio.WriteTransport
        self._head: psutil.Process | None

    @classmethod
    async def start(cls, command: Command) -> Child:
        """Starts it. Raises OSError where it cannot be started."""
        _, child = await asyncio.get_running_loop().subprocess_exec(
            cls,
            *command.words,
            cwd=command.directory,
            env=clean_environment(command.environment),
            start_new_session=True,
        )
        return child

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.SubprocessTransport, transport)
        self._stdin = cast(asyncio.WriteTransport, self._transport.get_pipe_transport(0))
        for number, reader in ((1, self.stdout), (2, self.stderr)):
            pipe = self._transport.get_pipe_transport(number)
            if pipe is not None:
                reader.set_transport(pipe)
        self._head = _process_of(self.pid)

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        (self.stdout if fd == 1 else self.stderr).feed_data(data)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        if fd == 0:
            self._may_write.set()
        else:
            (self.stdout if fd == 1 else self.stderr).feed_eof()

    def process_exited(self) -> None:
        if not self._exit.done():
            self._exit.set_result(None)

    def pause_writing(self) -> None:
        self._may_write.clear()

    def resume_writing(self) -> None:
        self._may_write.set()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._transport.get_pid()

    @property
    def fate(self) -> str:
        """How it ended, in words."""
        code = self._transport.get_returncode()
        if code is None:
            return "it closed its output"
        if code < 0:
            with suppress(ValueError):
                return f"it was ended by {signal.Signals(-code).name}"
        return f"it exited with status {code}"

    async def write(self, line: bytes) -> None:
        """Sends one line. Waits while the child does not read. Raises OSError where it is gone."""
        await self._may_write.wait()
        if self._stdin.is_closing():
            raise BrokenPipeError
        self._stdin.write(line + b"\n")

    def say(self, line: bytes) -> None:
        """Sends one line without waiting; dropped where the child does not read or is gone."""
        if self._may_write.is_set() and not self._stdin.is_closing():
            self._stdin.write(line + b"\n")

    async def log_errors(self, log: OutputLog) -> None:
        """Keeps what it writes to stderr, until it ends."""
        while data := await self.stderr.read(CHUNK_BYTES):
            await asyncio.to_thread(log.write, data)

    async def exited(self, seconds: float | None) -> None:
        """Waits until it has exited, or as long as is said; None: for ever."""
        # Not asyncio.timeout: in a task that was cancelled, and children are ended in such, Python
        # 3.11 makes another cancellation of its end.
        await asyncio.wait({self._exit}, timeout=seconds)

    async def end(self) -> None:
        """Ends it and every process it started: politely, then firmly, then for certain.

        What left the group while its parent was already gone cannot be found any more.
        """
        if self._is_ended:
            return
        self._is_ended = True
        try:
            await self._end_family()
        finally:
            self._transport.close()

    async def _end_family(self) -> None:
        family: set[psutil.Process] = set()
        try:
            family |= await asyncio.to_thread(self._descendants)
            self._stdin.close()
            await self.exited(GRACE_SECONDS)
            family |= await asyncio.to_thread(self._descendants)
            if not self._exit.done() or any(map(_is_running, family)):
                self._signal(family, _TERM)
                gone = asyncio.to_thread(_await_gone, family, GRACE_SECONDS)
                await asyncio.gather(self.exited(GRACE_SECONDS), gone)
        finally:
            # INVARIANT: nothing a target started outlives it, also what ignored SIGTERM or left
            # the group. psutil compares start times: a process id used again is never hit.
            self._signal(family, _KILL)
        await self.exited(GRACE_SECONDS)
        await asyncio.to_thread(_await_gone, family, GRACE_SECONDS)

    def _descendants(self) -> set[psutil.Process]:
        try:
            return set(self._head.children(recursive=True)) if self._head else set()
        except psutil.Error:
            return set()

    def _signal(self, family: set[psutil.Process], number: int) -> None:
        with suppress(ProcessLookupError, PermissionError):
            if hasattr(os, "killpg"):
                os.killpg(self.pid, number)
            elif not self._exit.done():
                self._transport.kill()
        for member in family:
            with suppress(psutil.Error):
                member.send_signal(number)


_TERM = signal.SIGTERM
_KILL = getattr(signal, "SIGKILL", signal.SIGTERM)  # Windows has but one


def _process_of(pid: int) -> psutil.Process | None:
    try:
        return psutil.Process(pid)
    except psutil.Error:
        return None


def _is_running(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _await_gone(family: set[psutil.Process], seconds: float) -> None:
    """Blocks until all have ended. They are not our children: nobody tells, so we look."""
    deadline = time.monotonic() + seconds
    while any(map(_is_running, family)) and time.monotonic() < deadline:
        time.sleep(0.01)
