"""An HTTP server that does exactly what a test tells it to, byte for byte, and remembers all."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Seen:
    """One request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    connection: int

    @property
    def message(self) -> dict[str, Any]:
        value = json.loads(self.body or b"{}")
        assert isinstance(value, dict)
        return value

    @property
    def rpc(self) -> str:
        return str(self.message.get("method", self.method))


class Talk:
    """The server's side of one exchange."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def raw(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def respond(
        self, status: int = 200, body: bytes = b"", kind: str = "application/json", **headers: str
    ) -> None:
        lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", f"Content-Type: {kind}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        await self.raw("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    async def json(self, value: Any, status: int = 200, **headers: str) -> None:
        await self.respond(status, json.dumps(value).encode(), **headers)

    async def result(self, seen: Seen, result: Any, **headers: str) -> None:
        await self.json(
            {"jsonrpc": "2.0", "id": seen.message["id"], "result": result}, 200, **headers
        )

    async def error(self, seen: Seen, code: int, status: int = 200, data: Any = None) -> None:
        error = {"code": code, "message": "no", **({"data": data} if data is not None else {})}
        await self.json({"jsonrpc": "2.0", "id": seen.message["id"], "error": error}, status)

    async def stream(self, **headers: str) -> None:
        lines = ["HTTP/1.1 200 OK", "Content-Type: text/event-stream", "Transfer-Encoding: chunked"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        await self.raw("\r\n".join(lines).encode() + b"\r\n\r\n")

    async def chunk(self, data: bytes) -> None:
        await self.raw(b"%x\r\n%b\r\n" % (len(data), data))

    async def event(self, value: Any) -> None:
        await self.chunk(b"event: message\r\ndata: " + json.dumps(value).encode() + b"\r\n\r\n")

    async def end_stream(self) -> None:
        await self.raw(b"0\r\n\r\n")

    async def hang_up(self) -> None:
        self._writer.close()

    async def until_peer_hangs_up(self) -> None:
        """Waits for the other side to close; anything it still says is dropped."""
        while await self._reader.read(65536):
            continue


Answer = Callable[[Seen, Talk], Awaitable[None]]


@dataclass
class HttpTarget:
    """Serves `answer` on 127.0.0.1 while it is entered."""

    answer: Answer
    tls: ssl.SSLContext | None = None
    seen: list[Seen] = field(default_factory=list)
    connections: int = 0
    url: str = ""
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _server: asyncio.Server | None = None

    async def __aenter__(self) -> HttpTarget:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self.tls)
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"{'https' if self.tls else 'http'}://localhost:{port}/mcp"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def rpcs(self) -> list[str]:
        return [seen.rpc for seen in self.seen]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        number = self.connections
        try:
            while not writer.is_closing():
                seen = await _read_request(reader, number)
                self.seen.append(seen)
                await self.answer(seen, Talk(reader, writer))
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError, ssl.SSLError):
            pass  # the peer went away, or the test is over
        finally:
            self._tasks.discard(task)
            writer.close()


async def _read_request(reader: asyncio.StreamReader, connection: int) -> Seen:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    first, *lines = head.strip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (x.partition(":") for x in lines)}
    method, path, _ = first.split(" ")
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Seen(method, path, headers, body, connection)


DISCOVERED = {
    "resultType": "complete",
    "supportedVersions": ["2026-07-28"],
    "capabilities": {"tools": {}},
    "ttlMs": 1000,
    "cacheScope": "private",
}
ECHO = {
    "name": "echo",
    "inputSchema": {"type": "object", "properties": {"text": {"type": "string"}}},
}
DONE = {"resultType": "complete", "content": [{"type": "text", "text": "done"}]}


def modern(call: Answer, tools: list[Any] | None = None) -> Answer:
    """A target of 2026-07-28 whose tools/call is answered by `call`."""

    async def answer(seen: Seen, talk: Talk) -> None:
        if seen.rpc == "server/discover":
            await talk.result(seen, DISCOVERED)
        elif seen.rpc == "tools/list":
            page = {"resultType": "complete", "tools": tools or [ECHO], "ttlMs": 5000}
            await talk.result(seen, page)
        else:
            await call(seen, talk)

    return answer


def legacy(call: Answer, version: str = "2025-11-25", session: str | None = "s-1") -> Answer:
    """A target of the handshake era whose tools/call is answered by `call`."""

    async def answer(seen: Seen, talk: Talk) -> None:
        headers = {"Mcp_Session_Id": session} if session else {}
        if seen.rpc == "initialize":
            result = {"protocolVersion": version, "capabilities": {"tools": {}}}
            await talk.result(seen, result, **headers)
        elif seen.rpc == "server/discover":
            await talk.json({"jsonrpc": "2.0", "id": None, "error": {"code": -32600}}, 400)
        elif seen.rpc == "tools/list":
            await talk.result(seen, {"tools": [ECHO]})
        elif seen.rpc == "tools/call" or seen.method == "GET":
            await call(seen, talk)
        else:
            await talk.respond(202)

    return answer


async def done(seen: Seen, talk: Talk) -> None:
    """Answers any call at once."""
    await talk.result(seen, DONE)
