"""Starts the stub in an environment of its own and asks it how many calls it has seen."""

from __future__ import annotations

import urllib.request
from dataclasses import dataclass
from pathlib import Path

from processes import (
    LOAD_CORE,
    Command,
    Process,
    StartError,
    free_port,
    start_listening,
    wait_until,
)
from venvs import Environment, prepare

ENVIRONMENT = Environment("stub", ("granian==2.8.7", "msgspec==0.22.0"))
STUB = Path(__file__).with_name("stub.py")
START_SECONDS = 20.0
TOOL_COUNT = 10  # what the peers are compared with


@dataclass(frozen=True)
class Target:
    process: Process
    port: int
    eras: str = "both"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/mcp"

    def calls_seen(self) -> int:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/calls", timeout=30) as reply:
            return int(reply.read())

    def sessions_open(self) -> int:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/sessions", timeout=30) as reply:
            return int(reply.read())

    def is_answering(self) -> bool:
        """Its worker may begin to listen later than the process that starts it."""
        try:
            return self.calls_seen() == 0
        except OSError:
            return False

    def stop(self) -> None:
        self.process.stop()


def start_target(
    venvs: Path, scratch: Path, tools: int, eras: str = "both", items: int = 0
) -> Target:
    """`items`: how many resources, and prompts; without any it says that it has none."""
    prepare(ENVIRONMENT, venvs)
    port = free_port()
    scratch.mkdir(parents=True, exist_ok=True)
    python = ENVIRONMENT.program(venvs, "python")
    words: list[str | Path] = [python, STUB, "--port", str(port), "--tools", str(tools)]
    words += ["--eras", eras, "--items", str(items)]
    command = Command(words, LOAD_CORE, scratch / f"stub-{eras}.log", directory=STUB.parent)
    target = Target(start_listening(command, port, START_SECONDS), port, eras)
    try:
        wait_until(target.is_answering, target.process, START_SECONDS)
    except StartError:
        target.stop()
        raise
    return target
