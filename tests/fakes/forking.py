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
import shutil
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
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:  # nor has who asks
    import click

TESTS = Path(__file__).parent.parent
FDS = 4  # what it is asked to do, and its three streams
ASKING = "ask"


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
            with suppress(ProcessLookupError):  # it has just ended
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def start(
    arguments: list[str],
    directory: Path,
    environment: Mapping[str, str],
    streams: tuple[int, int, int],
    place: str | None = None,
) -> Forked:
    """`callgate` with these arguments; the streams stay the caller's to close."""
    told = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    told.connect(place or _nursery())
    asked = {"arguments": arguments, "directory": str(directory), "environment": dict(environment)}
    with tempfile.TemporaryFile() as file:
        file.write(json.dumps(asked).encode())
        file.flush()
        socket.send_fds(told, [b"."], [file.fileno(), *streams])
    return Forked(told)


def command(*arguments: str) -> list[str]:
    """What others are to run in order to have such a process: it has their streams."""
    if sys.platform != "linux":
        return [sys.executable, "-m", "callgate", *arguments]
    return [sys.executable, "-ES", __file__, ASKING, _nursery(), *arguments]


def finished(
    *arguments: str, cwd: Path, env: Mapping[str, str] | None = None, timeout: float = 180
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
def _nursery() -> str:
    """Where processes are asked for. The one that forks them ends with us."""
    directory = tempfile.mkdtemp(prefix="callgate-nursery-")
    place = f"{directory}/socket"
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(place)
        listener.listen(64)
        process = subprocess.Popen(
            [sys.executable, "-m", "fakes.forking", str(listener.fileno())],
            cwd=TESTS, pass_fds=[listener.fileno()], stdin=subprocess.PIPE,
        )  # fmt: skip

    def end() -> None:
        process.communicate()
        shutil.rmtree(directory, ignore_errors=True)

    atexit.register(end)
    return place


def _serve(listener: socket.socket) -> list[str] | None:
    """Forks as it is asked. Returns in each new process: its arguments; and here, when all is done."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    interrupted = signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        ready, _, _ = select.select([listener, sys.stdin], [], [])
        if sys.stdin in ready:
            return None
        told, _ = listener.accept()
        with told:
            if os.fork() == 0:
                listener.close()
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                arguments = _become(told)
                signal.signal(signal.SIGINT, interrupted)
                return arguments


def _become(told: socket.socket) -> list[str]:
    """One more fork: the elder waits for the younger, and says how it ended."""
    _, (file, *streams), _, _ = socket.recv_fds(told, 1, FDS)
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


def _load(group: click.Group) -> None:
    """Imports all commands: they do that by themselves only when they are asked for."""
    for one in group.commands.values():
        if hasattr(one, "commands"):
            _load(cast("click.Group", one))


def main() -> None:
    if sys.argv[1] == ASKING:
        sys.exit(_ask(*sys.argv[2:]))
    from callgate.cli import commands  # noqa: PLC0415 - by whoever forks, not by whoever asks

    _load(commands)
    gc.freeze()  # so that no process looks through, and copies, what all have
    with socket.socket(fileno=int(sys.argv[1])) as listener:
        arguments = _serve(listener)
    if arguments is not None:
        sys.argv = ["callgate", *arguments]
        sys.path[0] = str(Path.cwd())  # as `-m` has it
        runpy.run_module("callgate", run_name="__main__", alter_sys=True)


def _ask(place: str, *arguments: str) -> int:
    process = start(list(arguments), Path.cwd(), os.environ, (0, 1, 2), place)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: process.send_signal(number))
    code = process.wait()
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    main()
