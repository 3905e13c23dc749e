"""A real gateway in a process of its own, on free ports."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import warnings
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, TypeVar

from fakes.forking import Forked, finished, start

T = TypeVar("T")
META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}
PROGRAM = ("-m", "callgate")  # as everybody starts it
LISTENERS = """
listeners:
  agents: {port: 0}
  control: {port: 0}
"""


@dataclass
class Running:
    """The process, where it listens, and what it logged."""

    process: subprocess.Popen[bytes] | Forked
    directory: Path
    log: list[str] = field(default_factory=list)
    seen: threading.Condition = field(default_factory=threading.Condition)
    is_read: bool = False  # the log, to its end: nothing comes any more

    def await_log(self, pattern: str, seconds: float = 120.0, since: int = 0) -> re.Match[str]:
        """The first log line that matches, now or later; `since` lines were seen before."""
        deadline = time.monotonic() + seconds
        looked_at = since
        with self.seen:
            while True:
                for line in self.log[looked_at:]:
                    match = re.search(pattern, line)
                    if match is not None:
                        return match
                looked_at = len(self.log)
                left = deadline - time.monotonic()
                if left <= 0 or self.is_read:
                    raise AssertionError(f"no {pattern!r} in:\n" + "\n".join(self.log))
                self.seen.wait(left)

    @property
    def agents(self) -> str:
        return self.await_log(r"agents connect at (http://[^\s\"]+/mcp)")[1]

    @property
    def control(self) -> str:
        return self.await_log(r"operators connect at (http://[^\s\"]+)")[1]

    def post(
        self, method: str, params: dict[str, Any] | None = None, path: str = "", **headers: str
    ) -> tuple[int, Any]:
        """A modern request; HTTP status and the JSON that came back."""
        params = {"_meta": META, **(params or {})}
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        sent = {
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
            "MCP-Protocol-Version": "2026-07-28",
            "Mcp-Method": method,
            **({"Mcp-Name": params["name"]} if "name" in params else {}),
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        return fetch(self.agents + path, json.dumps(body).encode(), sent)

    def call(self, tool: str, /, **arguments: Any) -> tuple[int, Any]:
        """tools/call without a proof of identity."""
        return self.post("tools/call", {"name": tool, "arguments": arguments})

    def callgate(self, *arguments: str) -> str:
        """Runs a command beside it and returns what it printed."""
        done = finished(*arguments, cwd=self.directory)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def calls(self, number: int) -> list[dict[str, Any]]:
        """All that are on record, the newest first, once so many have ended: ends are noted after
        the answers."""
        deadline = time.monotonic() + 120
        while True:
            lines = self.callgate("calls", "--json", "--limit", "10000").splitlines()
            if len(lines) >= number or time.monotonic() > deadline:
                assert len(lines) >= number, f"{len(lines)} calls, and not {number}"
                return [json.loads(line) for line in lines]

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ends it; the exit code."""
        self.process.send_signal(number)
        return self.process.wait(120)


def until(condition: Callable[[], object]) -> None:
    """Returns when it holds."""
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def run_stdio_client(scenario: Coroutine[Any, Any, T]) -> T:
    """Runs what uses the SDK's stdio client, which leaves its process to the garbage collector."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        result = asyncio.run(scenario)
        gc.collect()
    return result


def fetch(
    url: str, body: bytes | None = None, headers: Any = None, method: str | None = None
) -> tuple[int, Any]:
    """Status and JSON of one HTTP exchange."""
    request = urllib.request.Request(url, body, headers or {}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=120) as response:
            body, kind = response.read(), response.headers.get_content_type()
            if kind == "text/event-stream":  # a call that took long: its answer comes last
                body = body.rpartition(b"\ndata: ")[2]
            return response.status, json.loads(body or b"null")
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read() or b"null")


@contextmanager
def running(
    directory: Path, config: str, program: Sequence[str] = (), **files: str
) -> Iterator[Running]:
    """Runs `callgate run` on a configuration; `files` are written beside it (`__` is a dot).

    `program`: what Python is to run, where that is not `callgate` as tests fork it.
    """
    (directory / "callgate.yaml").write_text(config + ("" if "listeners:" in config else LISTENERS))
    for name, text in files.items():
        (directory / name.replace("__", ".")).write_text(text)
    reading, writing = os.pipe()
    with os.fdopen(reading, encoding="utf-8", errors="replace") as errors:
        try:
            process = _started(directory, program, writing)
        finally:
            os.close(writing)
        gateway = Running(process, directory)
        listening = threading.Thread(target=_read, args=(gateway, errors))
        listening.start()
        try:
            yield gateway
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
            listening.join()


def _started(
    directory: Path, program: Sequence[str], errors: int
) -> subprocess.Popen[bytes] | Forked:
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    if not program and sys.platform == "linux":
        return start(["run"], directory, environment, (0, 1, errors))
    command = [sys.executable, *(program or PROGRAM), "run"]
    return subprocess.Popen(command, cwd=directory, stderr=errors, env=environment)


def _read(gateway: Running, errors: IO[str]) -> None:
    for line in errors:
        with gateway.seen:
            gateway.log.append(line.rstrip())
            gateway.seen.notify_all()
    with gateway.seen:
        gateway.is_read = True
        gateway.seen.notify_all()
