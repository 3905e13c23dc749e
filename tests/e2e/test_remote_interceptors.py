"""The examples of interceptors that run elsewhere, or were written for elsewhere."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from callgate.protocol.refusals import META_KEY
from fakes.running import Running, fetch, running

pytestmark = pytest.mark.e2e

EXAMPLES = Path(__file__).parents[2] / "examples"
SECRET = "whsec_" + base64.b64encode(b"s" * 32).decode()


def copied(name: str, directory: Path) -> Path:
    ignored = shutil.ignore_patterns("*.db*", ".callgate", "__pycache__")
    return shutil.copytree(EXAMPLES / name, directory / name, ignore=ignored)


def code(answer: Any) -> str:
    result = answer["result"]
    return str(result["_meta"][META_KEY]["code"]) if META_KEY in result.get("_meta", {}) else "ok"


def reason(answer: Any) -> str:
    return str(answer["result"]["content"][0]["text"])


@contextmanager
def receiving(directory: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The server of the example in a process of its own, on a free port."""
    process = subprocess.Popen(
        [sys.executable, "receiver.py", "0"], cwd=directory, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield process, process.stdout.readline().split()[-1]
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_webhook_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEBHOOK_SECRET", SECRET)
    place = copied("webhook-interceptor", tmp_path)

    with receiving(place) as (server, url):
        config = (place / "callgate.yaml").read_text()
        assert config.count("http://127.0.0.1:9090/decide") == 1
        with running(place, config.replace("http://127.0.0.1:9090/decide", url)) as gateway:
            _, small = gateway.call("shop___refund", order="A-1", amount=79.999)
            _, large = gateway.call("shop___refund", order="A-1", amount=900)
            _, customer = gateway.call("shop___customer", order="A-1")
            server.kill()
            server.wait()
            _, alone = gateway.call("shop___refund", order="A-1", amount=5)
            calls = gateway.calls(4)

    assert small["result"]["structuredContent"]["refunded"] == 80
    assert (code(large), code(customer)) == ("refused_by_interceptor", "ok")
    assert "ask a person" in reason(large)
    assert "grace@example.com" not in json.dumps(customer)
    assert customer["result"]["structuredContent"]["email"] == "[withheld]"
    assert code(alone) == "interceptor_failed"
    assert [
        call.get("changes", [{}])[0].get("patch") for call in calls if "amount" in call["arguments"]
    ] == [
        None,
        None,
        [{"op": "replace", "path": "/amount", "value": 80.0}],
    ]


def minted(directory: Path, scopes: str) -> str:
    command = [sys.executable, "mint.py", "ada", scopes]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_function_of_agentcores_gateway_decides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IDP_SECRET", "0123456789abcdef" * 4)
    place = copied("lambda-interceptor", tmp_path)

    with running(place, (place / "callgate.yaml").read_text()) as gateway:
        token = f"Bearer {minted(place, 'crm:find')}"

        def called(name: str, path: str = "", /, **arguments: Any) -> Any:
            params = {"name": name, "arguments": arguments}
            return gateway.post("tools/call", params, path, Authorization=token)[1]

        found = called("crm___find", name="Grace")
        injected = called("crm___find", name="x' OR 1=1")
        forgotten = called("crm___forget", name="Grace Hopper")
        by_route = called("forget", "/crm", name="Grace Hopper")
        listed = [
            [tool["name"] for tool in answer["result"]["tools"]]
            for _, answer in (
                gateway.post("tools/list", Authorization=token),
                gateway.post("tools/list", path="/crm", Authorization=token),
            )
        ]
        changed = _with_another_function(gateway, place, called)

    assert (code(found), "Grace Hopper" in reason(found)) == ("ok", True)
    assert "grace@example.com" not in json.dumps(found)
    assert (code(injected), reason(injected)) == (
        "refused_by_interceptor",
        "SQL_INJECTION_DETECTED",
    )
    for answer in (forgotten, by_route):
        assert code(answer) == "refused_by_interceptor"
        assert "no scope for crm___forget" in reason(answer)
    assert listed == [["crm___find"], ["find"]]
    assert "grace@example.com" in json.dumps(changed)


def _with_another_function(gateway: Running, place: Path, called: Any) -> Any:
    """What comes back once the function masks nothing any more, after a reload."""
    file = place / "guard.py"
    file.write_text(
        file.read_text().replace('EMAIL.sub("[e-mail]", json.dumps(body))', "json.dumps(body)")
    )
    seen = len(gateway.log)
    fetch(f"{gateway.control}/api/v1/reload", b"")
    gateway.await_log("is in force", since=seen)
    return called("crm___find", name="Grace")
