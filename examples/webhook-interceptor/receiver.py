"""The server that decides: `WEBHOOK_SECRET=… python receiver.py [PORT]`. Standard library only."""

import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from verifying import verify

SECRET = os.environ["WEBHOOK_SECRET"]


def decide(message: dict[str, Any]) -> dict[str, Any] | None:
    """What is wanted of one call; None: nothing, go on."""
    tool = message["tool"]["name"]
    if message["type"] == "request" and tool == "refund":
        amount = message["arguments"]["amount"]
        if amount > 500:
            return {"refuse": f"{amount:g} is more than an agent may refund; ask a person."}
        return {"arguments": {**message["arguments"], "amount": round(amount, 2)}}
    if message["type"] == "result" and tool == "customer" and not message["is_error"]:
        # A Python target says it twice: as text, and as structure.
        found = {**message["result"]["structuredContent"], "email": "[withheld]"}
        content = [{"type": "text", "text": json.dumps(found)}]
        return {"result": {**message["result"], "structuredContent": found, "content": content}}
    return None


class Desk(BaseHTTPRequestHandler):
    """One connection from the gateway, kept open."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """One message."""
        body = self.rfile.read(int(self.headers["content-length"]))
        now = time.time()  # noqa: TID251 - this is no part of the gateway
        if not verify(SECRET, self.headers, body, now):
            self.answer(401, {})
            return
        message = json.loads(body)
        answer = {"version": "1", "id": message["id"], "decision": decide(message)}
        self.answer(200, answer)

    def answer(self, status: int, value: dict[str, Any]) -> None:
        """Sends JSON."""
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Says nothing."""


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 9090
    with ThreadingHTTPServer(("127.0.0.1", port), Desk) as server:
        print(f"listening at http://127.0.0.1:{server.server_port}/decide", flush=True)
        server.serve_forever()
