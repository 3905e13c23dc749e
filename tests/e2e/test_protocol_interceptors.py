"""The examples of interceptors that speak a protocol: an MCP interceptor server, and gRPC."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from callgate.protocol.refusals import META_KEY
from fakes.running import running

pytestmark = pytest.mark.e2e

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(autouse=True)
def python(monkeypatch: pytest.MonkeyPatch) -> None:
    """The `python` of the examples is that of the tests."""
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")


def copied(name: str, directory: Path) -> Path:
    ignored = shutil.ignore_patterns("*.db*", ".callgate", "__pycache__")
    return shutil.copytree(EXAMPLES / name, directory / name, ignore=ignored)


def code(answer: Any) -> str:
    result = answer["result"]
    return str(result["_meta"][META_KEY]["code"]) if META_KEY in result.get("_meta", {}) else "ok"


def text(answer: Any) -> str:
    return str(answer["result"]["content"][0]["text"])


def test_an_mcp_interceptor_server_screens_mail(tmp_path: Path) -> None:
    place = copied("mcp-interceptor", tmp_path)
    with running(place, (place / "callgate.yaml").read_text()) as gateway:
        _, read = gateway.call("mail___read_mail")
        mail = {"to": "bob@example.com", "text": "Pay with 5500 0000 0000 0004"}
        _, sent = gateway.call("mail___send_mail", **mail)
        _, elsewhere = gateway.call("mail___send_mail", to="eve@evil.test", text="Hi")
        _, long = gateway.call("mail___send_mail", to="bob@example.com", text="long " * 50)
        calls = gateway.calls(4)

    assert "card ending in 1111" in text(read) and "4111" not in json.dumps(read)
    assert text(sent) == "sent to bob@example.com: Pay with card ending in 0004"
    assert code(elsewhere) == "refused_by_interceptor"
    assert text(elsewhere).endswith(
        "own-domain does not let this pass. Mail goes to example.com only."
    )
    assert code(long) == "ok"
    assert calls[0]["labels"] == ["screening/brevity:warn"]


@contextmanager
def deciding(directory: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The server of the example in a process of its own, on a free port."""
    process = subprocess.Popen(
        [sys.executable, "deciding.py", "0"], cwd=directory, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield process, process.stdout.readline().split()[-1]
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_grpc_server_decides_about_documents(tmp_path: Path) -> None:
    place = copied("grpc-interceptor", tmp_path)
    with deciding(place) as (server, address):
        config = (place / "callgate.yaml").read_text()
        assert config.count("127.0.0.1:9091") == 2
        with running(place, config.replace("127.0.0.1:9091", address)) as gateway:
            _, read = gateway.call("store___read", name="salaries")
            _, deleted = gateway.call("store___delete", name="plan")
            _, refused = gateway.call("store___delete", name="salaries")
            server.kill()
            server.wait()
            _, alone = gateway.call("store___read", name="plan")

    assert text(read) == "Grace ****, Ada ****" and "9000" not in json.dumps(read)
    assert code(deleted) == "ok"
    assert (code(refused), code(alone)) == ("refused_by_interceptor", "interceptor_failed")
    assert text(refused).endswith("Ask the owner.")
