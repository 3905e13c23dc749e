"""Starting, pinning, pausing and stopping processes; CPU time and memory of a whole tree."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

GATEWAY_CORE = 0
LOAD_CORE = 1  # the stub and wrk
STOP_SECONDS = 10.0
PROC = Path("/proc")
PORTS = range(20_000, 32_000)


class StartError(Exception):
    """A process ended, or did not listen in time; the message ends with what it printed last."""


@dataclass(frozen=True)
class Command:
    words: Sequence[str | Path]
    core: int
    log: Path
    environment: Mapping[str, str] | None = None
    directory: Path | None = None


@dataclass(frozen=True)
class Process:
    """A process in a session of its own, with everything it started."""

    popen: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        return self.popen.pid

    def pause(self) -> None:
        signal_all(tree(self.pid), signal.SIGSTOP)

    def resume(self) -> None:
        signal_all(tree(self.pid), signal.SIGCONT)

    def stop(self) -> None:
        if self.popen.poll() is not None:
            return
        pids = tree(self.pid)
        signal_all(pids, signal.SIGCONT)
        self.popen.terminate()
        try:
            self.popen.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
        still_there = [pid for pid in pids if session_of(pid) == self.pid]
        signal_all(still_there, signal.SIGKILL)


def start(command: Command) -> Process:
    def pin() -> None:
        os.sched_setaffinity(0, {command.core})

    with command.log.open("wb") as log:
        popen = subprocess.Popen(
            [str(word) for word in command.words],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=None if command.environment is None else dict(command.environment),
            cwd=command.directory,
            start_new_session=True,
            preexec_fn=pin,  # the harness has one thread; children inherit the core
        )
    return Process(popen, command.log)


def start_listening(command: Command, port: int, seconds: float) -> Process:
    """Returns when the port takes connections. Raises StartError, with the process stopped."""
    process = start(command)
    try:
        wait_until(lambda: is_listening(port), process, seconds)
    except StartError:
        process.stop()
        raise
    return process


def wait_until(is_ready: Callable[[], bool], process: Process, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not is_ready():
        if process.popen.poll() is not None:
            raise StartError(f"ended with {process.popen.returncode}: {last_lines(process.log)}")
        if time.monotonic() > deadline:
            raise StartError(f"not ready after {seconds:.0f} s: {last_lines(process.log)}")
        time.sleep(0.05)


def last_lines(log: Path, count: int = 8) -> str:
    return " | ".join(log.read_text(errors="replace").splitlines()[-count:])


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_port() -> int:
    """Below the range that the kernel takes for outgoing connections, which could be in the way."""
    for port in random.sample(PORTS, len(PORTS)):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise StartError("no port is free")


def signal_all(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def session_of(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return None


def tree(pid: int) -> list[int]:
    """The process and all its living descendants."""
    found = [pid]
    for parent in found:
        for task in (PROC / str(parent) / "task").glob("*/children"):
            found.extend(int(child) for child in read(task).split())
    return found


def cpu_seconds(pid: int) -> float:
    """CPU time of the tree so far: ended threads and reaped children are included."""
    return sum(own_cpu_seconds(each) + reaped_cpu_seconds(each) for each in tree(pid))


def own_cpu_seconds(pid: int) -> float:
    # clock_getcpuclockid(3) for another process: ~pid << 3 | CPUCLOCK_SCHED, in nanoseconds.
    try:
        return time.clock_gettime_ns((~pid << 3) | 2) / 1e9
    except OSError:
        return 0.0


def reaped_cpu_seconds(pid: int) -> float:
    fields = read(PROC / str(pid) / "stat").rpartition(")")[2].split()
    if not fields:
        return 0.0
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


def memory_bytes(pid: int) -> int:
    """Proportional set size of the tree: pages shared by its processes count once."""
    return sum(own_memory_bytes(each) for each in tree(pid))


def resident_bytes(pid: int) -> int:
    """Resident set size of the tree: what `ps` shows, summed."""
    return sum(own_memory_bytes(each, "Rss:") for each in tree(pid))


def own_memory_bytes(pid: int, kind: str = "Pss:") -> int:
    for line in read(PROC / str(pid) / "smaps_rollup").splitlines():
        if line.startswith(kind):
            return int(line.split()[1]) * 1024
    return 0


def read(path: Path) -> str:
    try:
        return path.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
