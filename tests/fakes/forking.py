"""Processes of `callgate` forked from one that has imported it: to start one costs no second.

What runs is what `python -m callgate` runs, in a process of its own, with its own directory,
environment and streams. Tests of how the program starts start it as anybody does.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path

TESTS = Path(__file__).parent.parent
FDS = 4  # where we write what becomes of it, and its three streams


class Forked:
    """What `subprocess.Popen` would be, of such a process."""

    def __init__(self, told: socket.socket) -> None:
        self._told = told
        self._lock = threading.Lock()
        self.pid = int(told.recv(16))
        self.returncode: int | None = None

    def poll(self) -> int | None:
        with suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        with self._lock:
            if self.returncode is not None:
                return self.returncode
            ready = select.poll()
            ready.register(self._told, select.POLLIN)
        if not ready.poll(None if timeout is None else timeout * 1000):
            raise subprocess.TimeoutExpired("callgate", timeout or 0)
        with self._lock:
            if self.returncode is None:
                self.returncode = int(self._told.recv(16))
                self._told.close()
            return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def start(
    arguments: list[str],
    directory: Path,
    environment: Mapping[str, str],
    streams: tuple[int, int, int],
) -> Forked:
    """`callgate` with these arguments; the streams stay the caller's to close."""
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with its:
        socket.send_fds(_nursery(), [b"."], [its.fileno(), *streams])
    asked = {"arguments": arguments, "directory": str(directory), "environment": dict(environment)}
    with tempfile.TemporaryFile() as file:
        file.write(json.dumps(asked).encode())
        file.flush()
        socket.send_fds(ours, [b"."], [file.fileno()])
    return Forked(ours)


def finished(
    *arguments: str, cwd: Path, env: Mapping[str, str] | None = None, timeout: float = 60
) -> subprocess.CompletedProcess[str]:
    """What `subprocess.run` gives of the command, with its output as text."""
    environment = os.environ if env is None else env
    if sys.platform != "linux":
        return subprocess.run(
            [sys.executable, "-m", "callgate", *arguments],
            cwd=cwd, env=environment, capture_output=True, text=True, timeout=timeout, check=False,
        )  # fmt: skip
    with (
        open(os.devnull, "rb") as nothing,
        tempfile.TemporaryFile() as output,
        tempfile.TemporaryFile() as errors,
    ):
        streams = (nothing.fileno(), output.fileno(), errors.fileno())
        process = start(list(arguments), cwd, environment, streams)
        try:
            code = process.wait(timeout)
        finally:
            process.kill()
            process.wait()
        said = []
        for file in (output, errors):
            file.seek(0)
            said.append(file.read().decode())
    return subprocess.CompletedProcess(["callgate", *arguments], code, *said)


@cache
def _nursery() -> socket.socket:
    """Where processes are ordered. The one that forks them ends with us."""
    ours, its = socket.socketpair()
    with its:
        process = subprocess.Popen(
            [sys.executable, "-m", "fakes.forking", str(its.fileno())],
            cwd=TESTS, pass_fds=[its.fileno()], stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours


def _serve(orders: socket.socket) -> list[str] | None:
    """Forks as it is told. Returns in each new process: its arguments; and here, when all is done."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    interrupted = signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        _, fds, _, _ = socket.recv_fds(orders, 1, FDS)
        if not fds:
            return None
        if os.fork() == 0:
            orders.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            with socket.socket(fileno=fds[0]) as told:
                arguments = _become(told, fds[1:])
            signal.signal(signal.SIGINT, interrupted)
            return arguments
        for fd in fds:
            os.close(fd)


def _become(told: socket.socket, streams: list[int]) -> list[str]:
    """One more fork: the elder waits for the younger, and says how it ended."""
    _, (file, *_), _, _ = socket.recv_fds(told, 1, 1)
    child = os.fork()
    if child:
        told.send(str(child).encode())
        os.closerange(0, 3)
        for fd in (file, *streams):
            os.close(fd)
        _, status = os.waitpid(child, 0)
        told.send(str(os.waitstatus_to_exitcode(status)).encode())
        os._exit(0)
    for number, fd in enumerate(streams):
        os.dup2(fd, number)
        os.close(fd)
    with os.fdopen(file, "rb") as opened:
        opened.seek(0)
        asked = json.load(opened)
    os.chdir(asked["directory"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    return [str(one) for one in asked["arguments"]]


def main() -> None:
    import callgate.cli  # noqa: F401, PLC0415 - by whoever starts processes, not by whoever asks

    gc.freeze()  # so that no process looks through, and copies, what all have
    with socket.socket(fileno=int(sys.argv[1])) as orders:
        arguments = _serve(orders)
    if arguments is not None:
        sys.argv = ["callgate", *arguments]
        sys.path[0] = str(Path.cwd())  # as `-m` has it
        runpy.run_module("callgate", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
