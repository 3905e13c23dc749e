"""Speaks MCP by hand, once: opens a legacy session and proves that a peer gives real results."""

from __future__ import annotations

import dataclasses
import itertools
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

from peers.peer import Running

MODERN = "2026-07-28"
LEGACY = "2025-11-25"
MARKER = "bench-ok"
TIMEOUT_SECONDS = 60.0
ACCEPT = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
CLIENT = {"name": "bench", "version": "1"}
META = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientInfo": CLIENT,
    "io.modelcontextprotocol/clientCapabilities": {},
}

ids = itertools.count(1)


class ReplyError(Exception):
    """What came back is not the result of the call; the message shows it."""


@dataclasses.dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: str

    def message(self) -> Any:
        """The JSON-RPC message, also if it came as the last event of a stream."""
        lines = [line[5:] for line in self.body.splitlines() if line.startswith("data:")]
        try:
            return json.loads(lines[-1] if lines else self.body)
        except json.JSONDecodeError as problem:
            raise ReplyError(f"{self.status} {self.body[:500]!r}") from problem


def post(url: str, message: Mapping[str, Any], headers: Mapping[str, str]) -> Reply:
    request = urllib.request.Request(url, json.dumps(message).encode(), {**ACCEPT, **headers})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as reply:
            return Reply(reply.status, dict(reply.headers.items()), reply.read().decode())
    except urllib.error.HTTPError as problem:
        with problem:
            return Reply(problem.code, dict(problem.headers.items()), problem.read().decode())


def ready_for_load(running: Running) -> Running:
    """The same peer with every header that its calls need; opens a session if legacy."""
    if running.era == "modern":
        return with_headers(running, routing_headers("tools/call", running.tool))
    return in_session(running, open_session(running.url, running.headers))


def in_session(running: Running, session: Mapping[str, str]) -> Running:
    return dataclasses.replace(with_headers(running, session), era="legacy")


def with_headers(running: Running, headers: Mapping[str, str]) -> Running:
    return dataclasses.replace(running, headers={**ACCEPT, **running.headers, **headers})


def routing_headers(method: str, name: str | None = None) -> dict[str, str]:
    headers = {"MCP-Protocol-Version": MODERN, "Mcp-Method": method}
    return headers if name is None else {**headers, "Mcp-Name": name}


def open_session(url: str, headers: Mapping[str, str]) -> dict[str, str]:
    params = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": CLIENT}
    reply = post(url, request("initialize", params), headers)
    result = reply.message().get("result")
    if reply.status != 200 or result is None:
        raise ReplyError(f"initialize: {reply.status} {reply.body[:500]}")
    session = {"MCP-Protocol-Version": result["protocolVersion"]}
    for name, value in reply.headers.items():
        if name.lower() == "mcp-session-id":
            session["Mcp-Session-Id"] = value
    initialized = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    post(url, initialized, {**headers, **session})
    return session


def request(method: str, params: Mapping[str, Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": next(ids), "method": method, "params": params}


def check_call(running: Running) -> str:
    """Calls once with a fresh amount; raises ReplyError unless the target answered this call."""
    amount = 1000 + next(ids)
    arguments = {"customer": "c-1001", "amount": amount, "note": "checked by hand"}
    params: dict[str, Any] = {"name": running.tool, "arguments": arguments}
    if running.era == "modern":
        params["_meta"] = META
    reply = post(running.url, request("tools/call", params), running.headers)
    result = reply.message().get("result")
    is_real = (
        reply.status == 200
        and result is not None
        and not result.get("isError")
        and MARKER in reply.body
        and result.get("structuredContent", arguments).get("amount") == amount
    )
    if not is_real:
        raise ReplyError(f"not a result: {reply.status} {reply.body[:500]}")
    return reply.body


def list_tools(running: Running, headers: Mapping[str, str]) -> list[Any]:
    params = {"_meta": META} if "Mcp-Method" in headers else {}
    reply = post(running.url, request("tools/list", params), {**running.headers, **headers})
    result = reply.message().get("result")
    if reply.status != 200 or result is None:
        raise ReplyError(f"tools/list: {reply.status} {reply.body[:500]}")
    tools: list[Any] = result["tools"]
    return tools
