"""An MCP interceptor server on the MCP SDK, over HTTP or stdio, of either era, good or bad.

Its behaviours are those that the conformance fixtures of SEP-2624's experimental repository name
(`allow-all`, `uppercase-note`, `cross-boundary-guard` …), written from their description. Run as a
program over stdio: `NAME=BEHAVIOUR …`.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import mcp_types
import uvicorn
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.shared.exceptions import MCPError

EXTENSION = "io.modelcontextprotocol/interceptors"
SECRET = re.compile(r"sk_live_[A-Za-z0-9]{20,}|ghp_[A-Za-z0-9]{20,}|AKIA[A-Z0-9]{16}")
MODERN = b"2026-07-28"


class _ListParams(mcp_types.RequestParams):
    event: str | None = None


class _InvokeParams(mcp_types.RequestParams):
    name: str
    event: str
    phase: str
    payload: Any
    config: dict[str, Any] | None = None
    timeout_ms: int | None = None
    context: dict[str, Any] = {}


def passed() -> dict[str, Any]:
    return {"valid": True}


def denied(message: str, severity: str | None = "error") -> dict[str, Any]:
    said: dict[str, Any] = {"valid": False, "messages": [{"message": message, "severity": "error"}]}
    return said if severity is None else {**said, "severity": severity}


def kept(payload: Any) -> dict[str, Any]:
    return {"modified": False, "payload": payload}


def changed(payload: Any) -> dict[str, Any]:
    return {"modified": True, "payload": payload}


def arguments_of(payload: Any) -> dict[str, Any]:
    params = payload.get("params", payload)
    return dict(params.get("arguments", {}))


def with_arguments(payload: Any, arguments: dict[str, Any]) -> Any:
    if "params" in payload:
        return {**payload, "params": {**payload["params"], "arguments": arguments}}
    return {**payload, "arguments": arguments}


def require_uppercase_note(params: _InvokeParams, _: Any) -> dict[str, Any]:
    note = arguments_of(params.payload).get("note", "")
    return passed() if note == note.upper() else denied("note must be uppercase")


def uppercase_note(params: _InvokeParams, _: Any) -> dict[str, Any]:
    arguments = arguments_of(params.payload)
    note = arguments.get("note")
    if not isinstance(note, str) or note == note.upper():
        return kept(params.payload)
    return changed(with_arguments(params.payload, {**arguments, "note": note.upper()}))


def cross_boundary_guard(params: _InvokeParams, state: Any) -> dict[str, Any]:
    """What was read at one target is not sent to another, in the same session."""
    read: dict[str, set[str]] = state[params.context.get("sessionId", "")]
    meta: dict[str, Any] = dict(params.meta or {})
    target = meta["callgate/call"]["target"]
    secrets = set(SECRET.findall(json.dumps(params.payload)))
    if params.phase == "response":
        for secret in secrets:
            read.setdefault(secret, set()).add(target)
        return passed()
    is_foreign = any(read.get(one) and target not in read[one] for one in secrets)
    return denied("a secret of another server") if is_foreign else passed()


def secretless_redactor(params: _InvokeParams, _: Any) -> dict[str, Any]:
    text = json.dumps(params.payload)
    clean = SECRET.sub("[secret]", text)
    return kept(params.payload) if clean == text else changed(json.loads(clean))


async def hang(_: _InvokeParams, __: Any) -> dict[str, Any]:
    await asyncio.sleep(60)
    return passed()


def crash(_: _InvokeParams, __: Any) -> dict[str, Any]:
    raise MCPError(-32603, "Interceptor execution failed", {"reason": "crashed"})


def rename_tool(params: _InvokeParams, _: Any) -> dict[str, Any]:
    return changed({**params.payload, "params": {**params.payload["params"], "name": "other"}})


BEHAVIOURS: dict[str, tuple[str, Callable[[_InvokeParams, Any], Any]]] = {
    "allow-all": ("validation", lambda _, __: passed()),
    "deny-all": ("validation", lambda _, __: denied("denied by policy")),
    "warn": ("validation", lambda _, __: denied("looks odd", "warn")),
    "deny-without-severity": ("validation", lambda _, __: denied("no", None)),
    "deny-unheard-of": ("validation", lambda _, __: denied("no", "catastrophic")),
    "require-uppercase-note": ("validation", require_uppercase_note),
    "uppercase-note": ("mutation", uppercase_note),
    "cross-boundary-guard": ("validation", cross_boundary_guard),
    "secretless-redactor": ("mutation", secretless_redactor),
    "crash": ("validation", crash),
    "crash-mutating": ("mutation", crash),
    "hang": ("validation", hang),
    "hang-mutating": ("mutation", hang),
    "junk": ("validation", lambda _, __: {"valid": "perhaps"}),
    "other-type": ("validation", lambda params, _: {**kept(params.payload), "type": "mutation"}),
    "other-name": ("validation", lambda _, __: {**passed(), "interceptor": "somebody"}),
    "rename-tool": ("mutation", rename_tool),
    "change-method": ("mutation", lambda p, _: changed({**p.payload, "method": "tools/list"})),
    "text": ("mutation", lambda _, __: changed("a text")),
    "says-kept": ("mutation", lambda _, __: kept({"something": "else"})),
    "die": ("validation", lambda _, __: os._exit(3)),
    "large": ("validation", lambda _, __: {**passed(), "info": {"x": "x" * (1 << 20)}}),
    "hide-tools": ("mutation", lambda _, __: changed({"tools": []})),
    "add-tool": (
        "mutation",
        lambda p, _: changed({"tools": [*p.payload["tools"], {"name": "shop___new"}]}),
    ),
    "mask-result": (
        "mutation",
        lambda _, __: changed({"content": [{"type": "text", "text": "masked"}]}),
    ),
}


def declared(name: str, behaviour: str | None = None, **more: Any) -> dict[str, Any]:
    """How an interceptor stands in `interceptors/list`: for tools/call, in both phases."""
    kind = BEHAVIOURS[behaviour or name][0]
    hooks = [{"events": ["tools/call"], "phase": phase} for phase in ("request", "response")]
    return {"name": name, "type": kind, "hooks": hooks, "behaviour": behaviour or name, **more}


class Interceptors:
    """What one server offers; it remembers what it was asked."""

    def __init__(self, *offered: Any) -> None:
        self.offered = [declared(one) if isinstance(one, str) else one for one in offered]
        self.listed = 0
        self.invoked: list[_InvokeParams] = []
        self.cancelled: list[str] = []
        self.extra: dict[str, Any] = {}  # of what `interceptors/list` returns
        self._state: defaultdict[str, dict[str, set[str]]] = defaultdict(dict)

    @property
    def names(self) -> list[str]:
        """Of those that were invoked, in order."""
        return [params.name for params in self.invoked]

    def server(self) -> Server[Any]:
        """What serves it."""
        made: Server[Any] = Server("interceptors", version="1")
        made.extensions = {EXTENSION: {}}
        made.add_request_handler("interceptors/list", _ListParams, self._list)
        made.add_request_handler("interceptor/invoke", _InvokeParams, self._invoke)
        return made

    async def _list(self, _: Any, params: _ListParams) -> dict[str, Any]:
        self.listed += 1
        shown = [
            {key: value for key, value in one.items() if key != "behaviour"} for one in self.offered
        ]
        return {"interceptors": shown, **self.extra}

    async def _invoke(self, _: Any, params: _InvokeParams) -> dict[str, Any]:
        self.invoked.append(params)
        found = [one for one in self.offered if one["name"] == params.name]
        if not found:
            raise MCPError(-32602, "Unknown interceptor", {"name": params.name})
        kind, behaviour = BEHAVIOURS[found[0]["behaviour"]]
        said = behaviour(params, self._state)
        if asyncio.iscoroutine(said):
            try:
                said = await said
            except asyncio.CancelledError:
                self.cancelled.append(params.name)
                raise
        return {"interceptor": params.name, "type": kind, "phase": params.phase, **said}

    @asynccontextmanager
    async def http(self, era: str = "both") -> AsyncIterator[str]:
        """Serves it over streamable HTTP; yields the URL."""
        app = self.server().streamable_http_app()
        config = uvicorn.Config(
            app if era == "both" else _of_before(app),
            port=0,
            log_config=None,
            timeout_graceful_shutdown=1,
        )
        running = uvicorn.Server(config)
        serving = asyncio.ensure_future(running.serve())
        while not running.started:  # noqa: ASYNC110 - it has no event for this
            await asyncio.sleep(0.01)
        port = running.servers[0].sockets[0].getsockname()[1]
        try:
            yield f"http://127.0.0.1:{port}/mcp"
        finally:
            running.should_exit = True
            # Bounded: now and then the SDK's sessions wait at shutdown for a call that hangs.
            _, late = await asyncio.wait({serving}, timeout=5)
            if late:
                running.force_exit = True
                serving.cancel()
                await asyncio.wait({serving}, timeout=5)


def _of_before(app: Any) -> Any:
    """A server that turns down what is newer than 2025-11-25."""

    async def serve(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and (b"mcp-protocol-version", MODERN) in scope["headers"]:
            await send({"type": "http.response.start", "status": 400, "headers": []})
            await send({"type": "http.response.body", "body": b""})
            return
        await app(scope, receive, send)

    return serve


async def _over_stdio(interceptors: Interceptors) -> None:
    server = interceptors.server()
    async with stdio_server() as (reading, writing):
        await server.run(reading, writing, server.create_initialization_options())


if __name__ == "__main__":
    pairs = (word.partition("=") for word in sys.argv[1:])
    asyncio.run(
        _over_stdio(Interceptors(*(declared(name, kind or None) for name, _, kind in pairs)))
    )
