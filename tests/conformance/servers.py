"""What the suite is run against: the fixture server, and a gateway in front of a server."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fakes.running import LISTENERS, running

TESTS = Path(__file__).parent.parent
TARGET = "fixture"
READY = "listening on "
CONFIG = """
identity: {{anonymous: true}}
targets:
  {target}: {{url: "{url}"}}
policies: {{files: ["*.cedar"]}}
"""
POLICY = "permit(principal, action, resource);\n"


class FixtureError(Exception):
    """The fixture server could not be started."""


def with_tests() -> dict[str, str]:
    """The environment in which a process finds what is in tests/."""
    before = os.environ.get("PYTHONPATH")
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(TESTS), *([before] if before else [])]),
    }


@contextmanager
def fixture(era: str) -> Iterator[str]:
    """Runs the fixture server that speaks one era or both; its URL."""
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "fakes.conformance_server", "--port", "0", "--era", era],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env={**with_tests(), "PYTHONUNBUFFERED": "1"},
        )
        assert process.stdout is not None
        try:
            first = process.stdout.readline().strip()
            if not first.startswith(READY):
                process.kill()
                process.wait()
                errors.seek(0)
                raise FixtureError(f"the fixture said {first!r}:\n{errors.read()[-4000:]}")
            yield first.removeprefix(READY)
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            process.stdout.close()


@contextmanager
def gateway(directory: Path, url: str) -> Iterator[str]:
    """Runs a gateway that lets everything through to the server at a URL; the URL that leads there."""
    directory.mkdir(parents=True, exist_ok=True)
    config = CONFIG.format(target=TARGET, url=url) + LISTENERS
    with running(directory, config, everything__cedar=POLICY) as started:
        try:
            yield f"{started.agents}/{TARGET}"
        finally:
            started.stop()
            (directory / "gateway.log").write_text("\n".join(started.log))
