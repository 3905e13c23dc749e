"""The demo's run: on which ports, and what ends the story early."""

import asyncio
import io
import socket
from pathlib import Path

import pytest
from rich.console import Console

from callgate.app.process import StopServing
from callgate.demo.directory import prepare
from callgate.demo.running import Running, configured, said_of


def test_it_runs_on_the_ports_of_its_configuration(tmp_path: Path) -> None:
    demo = prepare(tmp_path / "demo")

    config = configured(demo)

    assert str(config.listeners.agents.port) in (demo.path / "call.sh").read_text()
    assert config.directory == demo.path


def test_where_its_port_is_taken_it_runs_on_another(tmp_path: Path) -> None:
    demo = prepare(tmp_path / "demo")
    port = configured(demo).listeners.agents.port

    with socket.create_server(("127.0.0.1", port)):
        moved = configured(demo).listeners

    assert moved.agents.port not in (port, moved.control.port)


def test_an_exception_is_said_in_one_line() -> None:
    assert said_of(ValueError("no such thing")) == "ValueError: no such thing"
    assert said_of(TimeoutError()) == "TimeoutError"


def test_whatever_breaks_the_story_ends_it_with_a_problem(tmp_path: Path) -> None:
    out = io.StringIO()
    running = Running(prepare(tmp_path / "demo"), Console(file=out), stays_up=False)

    with pytest.raises(StopServing):
        asyncio.run(running.tell(object()))  # type: ignore[arg-type] # no application at all

    assert running.problems[0].startswith("AttributeError")
    assert "Not as expected: AttributeError" in out.getvalue()
