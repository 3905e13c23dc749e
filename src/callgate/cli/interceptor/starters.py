"""What `callgate interceptor new` writes for each kind: an interceptor, its test, its settings."""

from __future__ import annotations

from callgate.model import Value


class Starter(Value):
    """Texts in which `NAME` stands for the name."""

    code: str
    test: str
    settings: str  # of the interceptor, in callgate.yaml; `MODULE` and `FILE` say where it is


PYTHON = Starter(
    code='''\
"""NAME: what it is for, in one line."""

from callgate.interceptors import Decision, Request


def NAME(request: Request) -> Decision | None:
    """Asked before each call. None: go on. docs/interceptors.md tells all it may see and do."""
    if request.tool.name.startswith("delete"):
        return Decision(refuse="Deleting is for people. Ask one to do it.")
    return None
''',
    test='''\
"""NAME, by itself and in the gateway."""

from NAME import NAME

from callgate.testing import a_request, decide, governed


def test_deleting_is_refused_and_nothing_else() -> None:
    assert decide(NAME, a_request(tool="shop___list_orders")) is None
    decision = decide(NAME, a_request({"order": "A-1"}, tool="shop___delete_order"))
    assert decision is not None and decision.refuse


def test_what_is_refused_never_reaches_the_target() -> None:
    with governed(interceptors=[NAME], tools={"shop___delete_order": "deleted"}) as gate:
        seen = gate.call("shop___delete_order", {"order": "A-1"})

    assert (seen.code, seen.sent) == ("refused_by_interceptor", None)
''',
    settings="    python: MODULE:NAME\n",
)

LAMBDA = Starter(
    code='''\
"""NAME: what it is for, in one line. AgentCore's payload contract 1.0."""


def lambda_handler(event, context):
    """Called before each call."""
    body = event["mcp"]["gatewayRequest"]["body"]
    mcp = {"transformedGatewayRequest": {"body": body}}
    if "___delete" in body["params"].get("name", ""):
        error = {"code": -32000, "message": "Deleting is for people. Ask one to do it."}
        answer = {"jsonrpc": "2.0", "id": body["id"], "error": error}
        mcp = {"transformedGatewayResponse": {"statusCode": 403, "body": answer}}
    return {"interceptorOutputVersion": "1.0", "mcp": mcp}
''',
    test='''\
"""NAME in the gateway."""

from pathlib import Path

from callgate.testing import governed

HERE = Path(__file__).parent
SETTINGS = {"name": "NAME", "lambda": f"{HERE / 'NAME.py'}:lambda_handler"}
TOOLS = {"shop___list_orders": "A-1", "shop___delete_order": "deleted"}


def test_deleting_is_refused_and_nothing_else() -> None:
    with governed(interceptors=[SETTINGS], tools=TOOLS) as gate:
        listed = gate.call("shop___list_orders")
        deleted = gate.call("shop___delete_order", {"order": "A-1"})

    assert (listed.code, listed.text) == ("ok", "A-1")
    assert (deleted.is_refused, deleted.sent) == (True, None)
''',
    settings="    lambda: FILE:lambda_handler\n",
)

WEBHOOK = Starter(
    code='''\
"""NAME: what it is for, in one line. `NAME_SECRET=whsec_… python NAME.py` listens on port 9090."""

import base64
import hashlib
import hmac
import json
import os
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def decide(message):
    """What is wanted of one call; None: nothing, go on."""
    if message["type"] == "request" and message["tool"]["name"].startswith("delete"):
        return {"refuse": "Deleting is for people. Ask one to do it."}
    return None


def is_signed(secret, headers, body):
    """Whether the gateway sent this in the last minutes (Standard Webhooks)."""
    sent_at = headers.get("webhook-timestamp", "")
    if not sent_at.isdecimal() or abs(time.time() - int(sent_at)) > 300:
        return False
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{headers.get('webhook-id')}.{sent_at}.".encode() + body
    wanted = b"v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256))
    given = headers.get("webhook-signature", "").encode().split(b" ")
    return any(hmac.compare_digest(one, wanted) for one in given)


class Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        if not is_signed(os.environ["NAME_SECRET"], self.headers, body):
            self.send_error(401)
            return
        message = json.loads(body)
        answer = {"version": "1", "id": message["id"], "decision": decide(message)}
        text = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *arguments):
        """Says nothing."""


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", 9090), Answers).serve_forever()
''',
    test='''\
"""NAME, asked over HTTP by the gateway."""

import base64
import secrets
import threading
from http.server import ThreadingHTTPServer

import NAME
import pytest

from callgate.testing import governed

TOOLS = {"shop___list_orders": "A-1", "shop___delete_order": "deleted"}


@pytest.fixture
def settings(monkeypatch):
    secret = f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"
    monkeypatch.setenv("NAME_SECRET", secret)
    with ThreadingHTTPServer(("127.0.0.1", 0), NAME.Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}/"
        yield {"name": "NAME", "webhook": {"url": url, "secret": secret}}
        server.shutdown()
        thread.join()


def test_deleting_is_refused_and_nothing_else(settings):
    with governed(interceptors=[settings], tools=TOOLS) as gate:
        listed = gate.call("shop___list_orders")
        deleted = gate.call("shop___delete_order", {"order": "A-1"})

    assert (listed.code, listed.text) == ("ok", "A-1")
    assert (deleted.code, deleted.sent) == ("refused_by_interceptor", None)


def test_what_is_not_signed_is_not_answered(settings, monkeypatch):
    monkeypatch.setenv("NAME_SECRET", f"whsec_{base64.b64encode(bytes(32)).decode()}")
    with governed(interceptors=[settings], tools=TOOLS) as gate:
        assert gate.call("shop___list_orders").code == "interceptor_failed"
''',
    settings="""\
    webhook:
      url: http://127.0.0.1:9090/
      secret: ${env:NAME_SECRET}     # echo whsec_$(openssl rand -base64 32)
""",
)

STARTERS = {"python": PYTHON, "lambda": LAMBDA, "webhook": WEBHOOK}
"""By the key of the kind."""
