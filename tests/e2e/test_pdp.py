"""AuthZEN asked of a real gateway: examples/pdp as its README tells it, and over real sockets."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from fakes.running import Running, fetch, running

pytestmark = pytest.mark.e2e

EXAMPLE = Path(__file__).parents[2] / "examples" / "pdp"
PORTAL = "p" * 40
PROTECTED = """
identity: {anonymous: true}
targets: {record: {python: record}}
policies: {files: [policies/*.cedar]}
listeners:
  agents: {port: 0}
  control:
    port: 0
    token: ${file:token}
    readers: {portal: "${file:portal}"}
    public_url: https://pdp.example.com
"""


def copied(directory: Path) -> Path:
    ignored = shutil.ignore_patterns("*.db*", ".callgate", "__pycache__")
    return shutil.copytree(EXAMPLE, directory / "pdp", ignore=ignored)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    place = copied(tmp_path_factory.mktemp("pdp"))
    with running(place, (place / "callgate.yaml").read_text("utf-8")) as started:
        yield started


def said(gateway: Running, *words: str) -> tuple[int, str]:
    """Exit code and output of a program of the example."""
    done = subprocess.run(
        words,
        cwd=gateway.directory,
        env={**os.environ, "CALLGATE_CONTROL": gateway.control},
        capture_output=True,
        text=True,
        timeout=180,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("words", "decision"),
    [
        (("alice", "write", "record-1"), True),
        (("alice", "write", "record-2"), False),
        (("alice", "delete", "record-1", '{"soft": true}'), True),
        (("alice", "delete", "record-1", '{"soft": false}'), False),
        (("mallory", "read", "record-1"), False),
    ],
)
def test_the_script_asks(gateway: Running, words: tuple[str, ...], decision: bool) -> None:
    code, output = said(gateway, "./ask.sh", *words)

    assert (code, json.loads(output)["decision"]) == (0, decision)


def test_the_service_asks_before_it_acts_and_refuses_where_nobody_answers(
    gateway: Running,
) -> None:
    program = (sys.executable, "enforcing.py")

    assert said(gateway, *program, "bob", "read", "record-1") == (0, "bob may read record-1\n")
    assert said(gateway, *program, "bob", "write", "record-1") == (
        1,
        "bob may not write record-1\n",
    )
    with socket.create_server(("127.0.0.1", 0)) as taken:
        nowhere = {**os.environ, "CALLGATE_CONTROL": f"http://127.0.0.1:{taken.getsockname()[1]}"}
    done = subprocess.run(
        [*program, "bob", "read", "record-1"],
        cwd=gateway.directory,
        env=nowhere,
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 1
    assert "no decision" in done.stderr and "bob may not read record-1" in done.stderr


def test_the_policies_decide_without_a_gateway_too(gateway: Running) -> None:
    code, output = said(gateway, sys.executable, "offline.py")

    assert code == 0
    assert "alice write record-1: permitted by alice-writes" in output
    assert "alice write record-2: no policy permits this call" in output


def posted(gateway: Running, path: str, body: Any, **headers: str) -> tuple[int, Any]:
    sent = {"Content-Type": "application/json", **headers}
    return fetch(f"{gateway.control}{path}", json.dumps(body).encode(), sent)


def test_a_subject_that_called_is_found_and_so_is_one_of_the_configuration(
    gateway: Running,
) -> None:
    gateway.call("record___read", id="record-1")  # refused: and seen
    gateway.calls(1)

    body = {
        "subject": {"type": "user"},
        "action": {"name": "write"},
        "resource": {"type": "record", "id": "record-2"},
    }
    _, users = posted(gateway, "/access/v1/search/subject", body)
    everybody = {**body, "subject": {"type": "anonymous"},
                 "action": {"name": "tools/list"},
                 "resource": {"type": "mcp_server", "id": "record"}}  # fmt: skip
    _, anonymous = posted(gateway, "/access/v1/search/subject", everybody)

    assert users["results"] == [
        {
            "type": "user",
            "id": "bob",
            "properties": {"role": "admin", "api_key": "bob-laptop", "issuer": "callgate"},
        }
    ]
    assert [one["id"] for one in anonymous["results"]] == ["anonymous"]


def test_decisions_are_counted_and_are_no_calls(gateway: Running) -> None:
    def counted() -> float:
        with socket.create_connection(
            (urlsplit(gateway.control).hostname, urlsplit(gateway.control).port)
        ) as connection:
            connection.sendall(
                b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            )
            text = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
        lines = [line for line in text.splitlines() if 'api="evaluation",decision="permit"' in line]
        return float(lines[0].split()[-1]) if lines else 0.0

    body = {
        "subject": {"type": "user", "id": "alice"},
        "action": {"name": "read"},
        "resource": {"type": "record", "id": "record-1"},
    }
    before = counted()
    _, calls = fetch(f"{gateway.control}/api/v1/calls?tool=read")
    posted(gateway, "/access/v1/evaluation", body)

    assert counted() == before + 1
    assert fetch(f"{gateway.control}/api/v1/calls?tool=read")[1] == calls


@pytest.mark.parametrize(
    "body",
    [
        b'{"subject":{"type":"user","id":"alice","id":"bob"}}',
        b'{"subject":NaN}',
        b"[" * 1_000_000,
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        b"\xff\xfe",
        b"",
    ],
    ids=lambda body: repr(body[:20]),
)
def test_hostile_bodies_are_refused_and_the_gateway_goes_on(gateway: Running, body: bytes) -> None:
    url = f"{gateway.control}/access/v1/evaluation"
    status, problem = fetch(url, body, {"Content-Type": "application/json"})

    assert (status, problem["title"]) == (400, "Bad Request")
    assert fetch(f"{gateway.control}/readyz")[0] == 200


def test_a_body_beyond_the_limit_is_refused_and_the_gateway_goes_on(gateway: Running) -> None:
    url = urlsplit(gateway.control)
    with socket.create_connection((url.hostname, url.port)) as connection:
        connection.sendall(
            b"POST /access/v1/evaluation HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Type: application/json\r\nContent-Length: 99999999999\r\n\r\n{"
        )
        assert connection.recv(64).startswith(b"HTTP/1.1 413 ")
    assert fetch(f"{gateway.control}/readyz")[0] == 200


def test_a_reader_asks_and_changes_nothing(tmp_path: Path) -> None:
    place = copied(tmp_path)
    (place / "token").write_text("t" * 40)
    (place / "portal").write_text(PORTAL)
    body = {
        "subject": {"type": "user", "id": "alice"},
        "action": {"name": "read"},
        "resource": {"type": "record", "id": "record-1"},
    }
    bearer = {"Authorization": f"Bearer {PORTAL}"}
    with running(place, PROTECTED) as gateway:
        assert posted(gateway, "/access/v1/evaluation", body)[0] == 401
        assert posted(gateway, "/access/v1/evaluation", body, **bearer)[1]["decision"] is True
        assert posted(gateway, "/api/v1/reload", {}, **bearer)[0] == 403
        _, metadata = fetch(f"{gateway.control}/.well-known/authzen-configuration")

    assert metadata["policy_decision_point"] == "https://pdp.example.com"
