"""An agent that talks HTTP to the endpoint in process: real ASGI, no socket."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
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
        return [event.message for event in self.told if event.data]

    @property
    def told(self) -> list[Event]:
        """Every whole event so far, also those without data; comments are none."""
        whole = self.body.decode().split("\n\n")[:-1]
        return [event for event in map(_event, whole) if event is not None]


@dataclass(frozen=True)
class Event:
    """One event of a stream."""

    id: str | None
    data: str

    @property
    def message(self) -> Any:
        return msgspec.json.decode(self.data)


def _event(block: str) -> Event | None:
    lines = [line.partition(":") for line in block.split("\n")]
    fields = {name: value.removeprefix(" ") for name, _, value in lines if name}
    return Event(fields.get("id"), fields["data"]) if "data" in fields else None


@dataclass
class Exchange:
    """One HTTP request on its way: what came back so far, and a way to hang up."""

    body: bytes
    hung_up: asyncio.Event = field(default_factory=asyncio.Event)
    may_send: asyncio.Event = field(default_factory=asyncio.Event)  # cleared: reads nothing
    response: Response = field(default_factory=Response)
    is_over: bool = False
    is_told: asyncio.Event = field(default_factory=asyncio.Event)  # that it was hung up
    _is_read: bool = False
    _grown: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.may_send.set()

    async def receive(self) -> dict[str, Any]:
        if not self._is_read:
            self._is_read = True
            return {"type": "http.request", "body": self.body, "more_body": False}
        await self.hung_up.wait()
        self.is_told.set()
        return {"type": "http.disconnect"}

    async def send(self, event: Any) -> None:
        await self.may_send.wait()
        if self.hung_up.is_set():
            return  # as the server does: what is sent after a disconnect goes nowhere
        if event["type"] == "http.response.start":
            self.response.status = event["status"]
            self.response.headers = {k.decode(): v.decode() for k, v in event["headers"]}
        else:
            self.response.body += event.get("body", b"")
            self.is_over = self.is_over or not event.get("more_body", False)
        self._grown.set()

    async def until(self, condition: Callable[[Response], bool]) -> Response:
        """Waits until what came back is so."""
        async with asyncio.timeout(30):
            while not condition(self.response):
                self._grown.clear()
                await self._grown.wait()
        return self.response

    async def begun(self) -> Response:
        """Waits for the first bytes of the body."""
        return await self.until(lambda response: bool(response.body))

    async def events(self, count: int) -> list[Any]:
        """Waits until so many messages have come."""
        return (await self.until(lambda response: len(response.events) >= count)).events

    async def ended(self) -> Response:
        """Waits for the end of the response."""
        return await self.until(lambda _: self.is_over)


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
        """One request, byte for byte, and its whole response."""
        exchange = Exchange(body, self.hung_up)
        await self.run(exchange, method, path, headers)
        return exchange.response

    async def run(
        self,
        exchange: Exchange,
        method: str,
        path: str,
        headers: dict[str, str] | list[tuple[str, str]],
    ) -> None:
        """Has the endpoint answer one request."""
        pairs = list(headers.items()) if isinstance(headers, dict) else headers
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": b"",
            "headers": [(name.lower().encode(), value.encode()) for name, value in pairs],
            "client": (self.client, 50000),
        }
        await self.endpoint(scope, exchange.receive, exchange.send)

    def get(self, tasks: asyncio.TaskGroup, session: str, **headers: str) -> Exchange:
        """Opens the stream of a session, or what is left of one (`last_event_id`)."""
        full = {"host": "127.0.0.1", "accept": "text/event-stream", "mcp-session-id": session}
        full |= {name.replace("_", "-"): value for name, value in headers.items()}
        exchange = Exchange(b"")
        tasks.create_task(self.run(exchange, "GET", "/mcp", {k: v for k, v in full.items() if v}))
        return exchange

    def call(
        self,
        tasks: asyncio.TaskGroup,
        session: str,
        params: dict[str, Any],
        *,
        message_id: Any = 1,
        **headers: str,
    ) -> Exchange:
        """Begins a legacy tools/call."""
        message = {"jsonrpc": "2.0", "method": "tools/call", "params": params, "id": message_id}
        exchange = Exchange(msgspec.json.encode(message))
        full = self.headers(mcp_session_id=session, **headers)
        tasks.create_task(self.run(exchange, "POST", "/mcp", full))
        return exchange

    @staticmethod
    def headers(**headers: str) -> dict[str, str]:
        """The headers that every client sends; one of "" is left out."""
        full = {
            "host": "127.0.0.1:8080",
            "content-type": "application/json",
            "accept": "application/json, text/event-stream",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        return {name: value for name, value in full.items() if value}

    async def post(self, message: Any, path: str = "/mcp", **headers: str) -> Response:
        """A JSON message with the headers every client sends; a header of "" is left out."""
        body = message if isinstance(message, bytes) else msgspec.json.encode(message)
        return await self.send("POST", path, self.headers(**headers), body)

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

    async def initialize(
        self, version: str = "2025-11-25", capabilities: Any = None, **headers: str
    ) -> str:
        """A legacy handshake; the session id."""
        params = {
            "protocolVersion": version,
            "capabilities": capabilities or {},
            "clientInfo": {"name": "old"},
        }
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

    async def reply(self, session: str, message_id: Any, **result: Any) -> Response:
        """A response of the client to a request of ours."""
        message = {"jsonrpc": "2.0", "id": message_id, **(result or {"result": {}})}
        return await self.post(message, mcp_session_id=session)
