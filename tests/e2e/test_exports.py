"""Calls leave a real gateway for a file, a lake and a webhook: none is missing, also after kill -9."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import duckdb
import pytest

from fakes.running import Running, running, until

pytestmark = pytest.mark.e2e

ECHO = '''
def echo(text: str) -> str:
    """Say it again."""
    return text
'''
POLICY = 'permit(principal, action, resource) when { context.input.text != "secret" };'
CONFIG = """
identity: {anonymous: true}
targets:
  echo: {python: echo}
policies: {files: ["*.cedar"]}
listeners:
  agents: {port: 0}
  control: {port: 0}
exports:
  - {name: siem, format: ocsf, file: out, every_seconds: 0.05}
  - {name: lake, parquet: lake, every_seconds: 0.05}
  - {name: hook, format: cloudevents, webhook: "URL", every_seconds: 0.05}
"""
FILES = {"echo__py": ECHO, "p__cedar": POLICY}


class Receiver:
    """Takes every batch but the first few; remembers what it took."""

    def __init__(self) -> None:
        self.taken: list[dict[str, Any]] = []
        self.refusals = 2


@contextmanager
def receiving() -> Iterator[tuple[Receiver, str]]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            status = 204
            if receiver.refusals:
                receiver.refusals -= 1
                status = 503
            else:
                receiver.taken += json.loads(body)
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield receiver, f"http://127.0.0.1:{server.server_port}/in"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def exported(directory: Path) -> list[str]:
    file = directory / "out" / "siem.jsonl"
    if not file.exists():
        return []
    whole = file.read_bytes().rpartition(b"\n")[0].split(b"\n")
    return [json.loads(line)["api"]["request"]["uid"] for line in whole if line]


def recorded(gateway: Running, number: int) -> list[str]:
    return [call["call"] for call in gateway.calls(number)]


def test_every_call_reaches_every_export_also_where_the_gateway_was_killed(tmp_path: Path) -> None:
    with receiving() as (receiver, url):
        config = CONFIG.replace("URL", url)
        with running(tmp_path, config, **FILES) as gateway:
            for number in range(20):
                gateway.call("echo___echo", text="secret" if number == 7 else f"n{number}")
            gateway.stop(signal.SIGKILL)
        with running(tmp_path, config, **FILES) as gateway:
            gateway.call("echo___echo", text="after")
            calls = recorded(gateway, 21)
            assert len(calls) == 21
            until(lambda: set(calls) <= set(exported(tmp_path)))
            until(lambda: set(calls) <= _ended(receiver))
            until(lambda: set(calls) <= _in_the_lake(tmp_path))
    events = {event["type"] for event in receiver.taken}
    assert {"dev.callgate.call.completed", "dev.callgate.call.refused",
            "dev.callgate.policies_in_force", "dev.callgate.gateway_started"} <= events  # fmt: skip
    ids = [event["id"] for event in receiver.taken]
    assert len(ids) - len(set(ids)) <= 500  # at most the batch that was not noted came again


def _ended(receiver: Receiver) -> set[str]:
    return {event["subject"] for event in receiver.taken
            if event["type"].startswith("dev.callgate.call.") and event["type"] != "dev.callgate.call.intended"}  # fmt: skip


def _in_the_lake(directory: Path) -> set[str]:
    if not list(directory.glob("lake/*/*.parquet")):
        return set()
    with duckdb.connect() as connection:
        found = connection.execute(f"SELECT call FROM '{directory}/lake/*/*.parquet'").fetchall()
    return {call for (call,) in found}


def test_export_on_the_command_line_goes_on_where_it_ended(tmp_path: Path) -> None:
    config = CONFIG.partition("exports:")[0]
    with running(tmp_path, config, **FILES) as gateway:
        gateway.call("echo___echo", text="one")
        gateway.call("echo___echo", text="two")
        gateway.calls(2)
        arguments = ("export", "--format", "calls", "--out", "calls.jsonl", "--cursor", "cursor")
        gateway.callgate(*arguments)
        gateway.call("echo___echo", text="secret")
        gateway.calls(3)
        gateway.callgate(*arguments)
        gateway.callgate(*arguments)
        lines = [json.loads(line) for line in (tmp_path / "calls.jsonl").read_text().splitlines()]
        assert [line["arguments"]["text"] for line in lines] == ["one", "two", "secret"]
        chosen = gateway.callgate("export", "--format", "ocsf", "--refused").splitlines()
        assert [json.loads(line)["disposition"] for line in chosen] == ["Blocked"]
        gateway.callgate("export", "--format", "parquet", "--out", "lake")
        assert len(_in_the_lake(tmp_path)) == 3
        chain = gateway.callgate("export", "--format", "sep-3004").splitlines()
        events = [json.loads(line) for line in chain]
        assert [one["outcome"] for one in events] == ["allowed", "allowed", "denied"]
        assert events[1]["previous_hash"] == events[0]["event_hash"]
