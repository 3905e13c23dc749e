"""An agent that talks HTTP to the endpoint in process: real ASGI, no socket."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import msgspec

from callgate.downstream.dispatch import Dispatcher
from callgate.downstream.http import HttpEndpoint
from callgate.downstream.sessions import Sessions
from callgate.pipeline.gateway import Gateway

MODERN = "2026-07-28"
META = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": {"name": "test"},
}


@dataclass
class Response:
    """What came back. `events` are the messages of a stream."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    @property
    def events(self) -> list[Any]:
        lines = self.body.decode().splitlines()
        return [msgspec.json.decode(line[6:]) for line in lines if line.startswith("data: ")]


@dataclass
class Agent:
    """One agent and the gateway it talks to."""

    gateway: Gateway
    is_loopback: bool = True
    allowed_hosts: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    client: str = "127.0.0.1"
    hung_up: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        sessions = Sessions(self.gateway.clock, idle_seconds=1800)
        self.dispatcher = Dispatcher(lambda: self.gateway, sessions, "0.0.0")
        self.endpoint = HttpEndpoint(
            self.dispatcher,
            allowed_hosts=self.allowed_hosts,
            allowed_origins=self.allowed_origins,
            is_loopback=self.is_loopback,
        )

    async def send(
        self, method: str, path: str, headers: dict[str, str] | list[tuple[str, str]], body: bytes
    ) -> Response:
        """One request, byte for byte."""
        pairs = list(headers.items()) if isinstance(headers, dict) else headers
        response = Response()
        is_read = False

        async def receive() -> dict[str, Any]:
            nonlocal is_read
            if not is_read:
                is_read = True
                return {"type": "http.request", "body": body, "more_body": False}
            await self.hung_up.wait()
            return {"type": "http.disconnect"}

        async def send(event: Any) -> None:
            if event["type"] == "http.response.start":
                response.status = event["status"]
                response.headers = {k.decode(): v.decode() for k, v in event["headers"]}
            else:
                response.body += event.get("body", b"")

        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": b"",
            "headers": [(name.lower().encode(), value.encode()) for name, value in pairs],
            "client": (self.client, 50000),
        }
        await self.endpoint(scope, receive, send)
        return response

    async def post(self, message: Any, path: str = "/mcp", **headers: str) -> Response:
        """A JSON message with the headers every client sends; a header of "" is left out."""
        body = message if isinstance(message, bytes) else msgspec.json.encode(message)
        full = {
            "host": "127.0.0.1:8080",
            "content-type": "application/json",
            "accept": "application/json, text/event-stream",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        return await self.send("POST", path, {k: v for k, v in full.items() if v}, body)

    async def modern(
        self, method: str, params: Any = None, path: str = "/mcp", **headers: str
    ) -> Response:
        """A 2026-07-28 request with its envelope and routing headers."""
        params = {"_meta": META, **(params or {})}
        routing = {"mcp_protocol_version": MODERN, "mcp_method": method}
        if "name" in params:
            routing["mcp_name"] = params["name"]
        message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        return await self.post(message, path, **{**routing, **headers})

    async def initialize(self, version: str = "2025-11-25", **headers: str) -> str:
        """A legacy handshake; the session id."""
        params = {"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "old"}}
        response = await self.legacy("initialize", params, **headers)
        return response.headers["mcp-session-id"]

    async def legacy(
        self,
        method: str,
        params: dict[str, Any] | None = None,
        *,
        message_id: Any = 1,
        path: str = "/mcp",
        **headers: str,
    ) -> Response:
        """A request of the handshake era."""
        message = {"jsonrpc": "2.0", "method": method, "params": params or {}}
        if message_id is not None:
            message["id"] = message_id
        return await self.post(message, path, **headers)
