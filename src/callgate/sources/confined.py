"""A child process with bounds: little environment, limited memory and disk, ended in time."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from callgate.sources.framing import FrameError, read_frame, write_frame

# What a program needs to start and to find its certificates; above all, no secrets of ours.
PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT", "LANG", "LC_ALL", "TMPDIR")
END_SECONDS = 5.0


class ChildError(Exception):
    """The child ended without an answer; the message completes "the parser …"."""


class Child:
    """One run of one of our modules, which reads frames and writes frames. For one thread."""

    def __init__(self, module: str, further: Mapping[str, str] | None = None) -> None:
        """Raises OSError where no process can be started."""
        environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        environment |= further or {}
        environment["PYTHONPATH"] = os.pathsep.join(place for place in sys.path if place)
        self._timed_out: float | None = None
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            # -P: a module beside callgate.yaml must not stand in for one of ours.
            [sys.executable, "-P", "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,
        )

    @property
    def is_alive(self) -> bool:
        """Whether it can still be asked."""
        return self._process.poll() is None

    def deadline(self, seconds: float) -> threading.Timer:
        """Started: ends the child when the time is up. The caller cancels it."""

        def end() -> None:
            self._timed_out = seconds
            self._kill()

        timer = threading.Timer(seconds, end)
        timer.daemon = True
        timer.start()
        return timer

    def send(self, body: bytes) -> None:
        """Raises ChildError."""
        try:
            write_frame(self._stream(self._process.stdin), body)
        except (OSError, ValueError):
            raise ChildError(self._epitaph()) from None

    def receive(self, most: int) -> bytes:
        """The next frame. Raises ChildError."""
        try:
            return read_frame(self._stream(self._process.stdout), most)
        except (FrameError, OSError, ValueError):
            raise ChildError(self._epitaph()) from None

    def close(self) -> None:
        """Ends it, and what it started."""
        self._kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            try:
                self._stream(stream).close()
            except OSError:
                continue  # what was not yet written has nobody to read it

    def _kill(self) -> None:
        try:
            if sys.platform == "win32":
                self._process.kill()
            else:
                os.killpg(self._process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            return  # it has ended already

    def _epitaph(self) -> str:
        try:
            code = self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            return "does not speak its protocol"
        if self._timed_out is not None:
            return f"took longer than {self._timed_out:.0f} s"
        if code < 0:
            return f"died of {signal.Signals(-code).name}"
        return f"ended with exit code {code}"

    @staticmethod
    def _stream(stream: IO[bytes] | None) -> IO[bytes]:
        assert stream is not None  # noqa: S101 - both are pipes
        return stream


def confine(*, memory_bytes: int, file_bytes: int) -> None:
    """For the child itself, before it reads anything: bounds that it cannot leave."""
    if sys.platform == "win32":
        return  # no such limits there; time is bounded all the same
    import resource  # noqa: PLC0415 - there is none for Windows

    with contextlib.suppress(OSError):  # where there is no such file, nothing is that short
        # Where the machine or container runs short of memory, this one goes, not the gateway.
        Path("/proc/self/oom_score_adj").write_text("1000")
    limits = (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_FSIZE, file_bytes),
        (resource.RLIMIT_CORE, 0),
    )
    for kind, wanted in limits:
        _, most = resource.getrlimit(kind)
        bound = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
        resource.setrlimit(kind, (bound, bound))


def protocol_streams() -> tuple[IO[bytes], IO[bytes]]:
    """For the child: where frames come from and go to. What a library prints goes nowhere."""
    incoming = os.fdopen(os.dup(0), "rb")
    outgoing = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return incoming, outgoing
