"""Starts the servers that clients are tried against, and says how each is reached."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from conformance.servers import fixture
from fakes.node import module_file, node
from fakes.ports import free_port

READY_SECONDS = 120.0
PROGRAMS = Path(sys.executable).parent
GIT = ["git", "-c", "user.name=ada", "-c", "user.email=ada@example.org"]


class ServerError(Exception):
    """A server could not be started."""


@dataclass(frozen=True)
class Reached:
    """How a server is reached: by a URL, or as a process that its client starts."""

    url: str | None = None
    command: tuple[str, ...] = ()


def files(directory: Path) -> None:
    """What the servers work on."""
    (directory / "files").mkdir()
    (directory / "files" / "note.txt").write_text("written beforehand\n")
    repository = directory / "repository"
    subprocess.run([*GIT, "init", "-q", repository], check=True)
    commit = ["commit", "-q", "--allow-empty", "-m", "the first commit"]
    subprocess.run([*GIT, "-C", str(repository), *commit], check=True)


@contextmanager
def servers(directory: Path) -> Iterator[dict[str, Reached]]:
    """Everything that clients are tried against, each by the name of its target."""
    script = {
        name: str(module_file(f"@modelcontextprotocol/server-{name}", "dist/index.js"))
        for name in ("everything", "filesystem", "memory", "sequential-thinking")
    }
    started = {
        "git": (f"{PROGRAMS}/mcp-server-git", "--repository", f"{directory}/repository"),
        "time": (f"{PROGRAMS}/mcp-server-time", "--local-timezone", "UTC"),
        "everything": (str(node()), script["everything"], "stdio"),
        "filesystem": (str(node()), script["filesystem"], f"{directory}/files"),
        "memory": (
            "env",
            f"MEMORY_FILE_PATH={directory}/memory.jsonl",
            str(node()),
            script["memory"],
        ),
        "thinking": (str(node()), script["sequential-thinking"]),
    }
    reached = {name: Reached(command=command) for name, command in started.items()}
    with ExitStack() as stack:
        for name, mode, path in (
            ("everything-http", "streamableHttp", "mcp"),
            ("everything-sse", "sse", "sse"),
        ):
            port = stack.enter_context(_everything(script["everything"], mode))
            reached[name] = Reached(url=f"http://127.0.0.1:{port}/{path}")
        for era in ("legacy", "modern"):
            reached[f"fixture-{era}"] = Reached(url=stack.enter_context(fixture(era)))
        yield reached


@contextmanager
def _everything(script: str, mode: str) -> Iterator[int]:
    """server-everything over HTTP; its port. It listens on every address: it has no other way."""
    port = free_port()
    process = subprocess.Popen(
        [node(), script, mode],
        env={**os.environ, "PORT": str(port)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    is_ready = threading.Event()
    reading = threading.Thread(target=_read, args=(process, is_ready))
    reading.start()
    try:
        if not is_ready.wait(READY_SECONDS) or process.poll() is not None:
            raise ServerError(f"server-everything {mode} did not start")
        yield port
    finally:
        process.kill()
        process.wait()
        reading.join()
        process.stderr.close()


def _read(process: subprocess.Popen[str], is_ready: threading.Event) -> None:
    assert process.stderr is not None
    for line in process.stderr:  # all of it: a full pipe would stop the server
        if " on port " in line:
            is_ready.set()
    is_ready.set()
