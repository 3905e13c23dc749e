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
        await self.json({"jsonrpc": "2.0", "id": seen.message.get("id"), "error": error}, status)

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

    def stop(self) -> None:
        """Takes no connection any more."""
        assert self._server is not None
        self._server.close()

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


class Legacy:
    """A target of the handshake era with sessions, their streams, and questions of its own."""

    def __init__(self, call: Answer = done, /, **capabilities: Any) -> None:
        self.call = call
        self.capabilities = {"tools": {}, **capabilities}
        self.has_streams = True
        self.declared: dict[str, Any] = {}  # session → what its handshake declared
        self.known: set[str] = set()
        self.levels: dict[str, str] = {}
        self.subscriptions: dict[str, set[str]] = {}
        self.streams: dict[str, Talk] = {}
        self.resumed: list[str | None] = []  # Last-Event-ID of each stream
        self.answers: dict[object, Any] = {}  # to questions, by their id

    async def __call__(self, seen: Seen, talk: Talk) -> None:
        session = seen.headers.get("mcp-session-id", "")
        if seen.rpc == "server/discover":
            await talk.json({"jsonrpc": "2.0", "id": None, "error": {"code": -32600}}, 400)
        elif seen.rpc == "initialize":
            await self._begin(seen, talk)
        elif session not in self.known:
            await talk.respond(404)
        elif seen.method == "GET":
            await self._listen(seen, talk, session)
        elif seen.method == "DELETE":
            self.known.discard(session)
            await talk.respond(200)
        elif "method" not in seen.message:
            self.answers[seen.message["id"]] = seen.message
            await talk.respond(202)
        elif "id" not in seen.message:
            await talk.respond(202)
        else:
            await self._answer(seen, talk, session)

    async def _begin(self, seen: Seen, talk: Talk) -> None:
        session = f"s-{len(self.declared) + 1}"
        self.declared[session] = seen.message["params"]["capabilities"]
        self.known.add(session)
        self.subscriptions[session] = set()
        result = {"protocolVersion": "2025-11-25", "capabilities": self.capabilities}
        await talk.result(seen, result, Mcp_Session_Id=session)

    async def _listen(self, seen: Seen, talk: Talk, session: str) -> None:
        if not self.has_streams:
            await talk.respond(405)
            return
        self.resumed.append(seen.headers.get("last-event-id"))
        await talk.stream()
        self.streams[session] = talk
        await talk.until_peer_hangs_up()
        if self.streams.get(session) is talk:
            del self.streams[session]

    async def _answer(self, seen: Seen, talk: Talk, session: str) -> None:
        params = seen.message.get("params", {})
        if seen.rpc == "tools/list":
            await talk.result(seen, {"tools": [ECHO]})
            return
        if seen.rpc == "tools/call":
            await self.call(seen, talk)
            return
        if seen.rpc == "logging/setLevel":
            self.levels[session] = params["level"]
        elif seen.rpc == "resources/subscribe":
            self.subscriptions[session].add(params["uri"])
        elif seen.rpc == "resources/unsubscribe":
            self.subscriptions[session].discard(params["uri"])
        await talk.result(seen, {})

    async def say(self, session: str, **message: Any) -> None:
        """One message on the stream of a session."""
        await self.streams[session].event({"jsonrpc": "2.0", **message})

    async def cut(self, session: str) -> None:
        """Ends the stream of a session in good order."""
        talk = self.streams.pop(session)
        await talk.end_stream()
        await talk.hang_up()

    def forget(self) -> None:
        """As after a restart: no session is known, no stream goes on."""
        self.known.clear()
        self.streams.clear()


class Modern:
    """A target of 2026-07-28 that tells what changes to those who listen."""

    def __init__(self, call: Answer = done, /, **capabilities: Any) -> None:
        self.call = call
        self.capabilities = {"tools": {}, **capabilities}
        self.refused: set[str] = set()  # resources that it takes no subscription to
        self.listens: list[tuple[Seen, Talk]] = []  # those open now
        self.asked: list[dict[str, Any]] = []  # what was asked for, each time
        self.listen: Answer | None = None  # instead of agreeing

    async def __call__(self, seen: Seen, talk: Talk) -> None:
        if seen.method != "POST":
            await talk.respond(405)
        elif seen.headers.get("mcp-protocol-version") != "2026-07-28":
            await talk.error(seen, -32022, 400, {"supported": ["2026-07-28"]})
        elif seen.rpc == "server/discover":
            await talk.result(seen, {**DISCOVERED, "capabilities": self.capabilities})
        elif seen.rpc == "tools/list":
            await talk.result(seen, {"resultType": "complete", "tools": [ECHO]})
        elif seen.rpc == "subscriptions/listen":
            await self._listen(seen, talk)
        else:
            await self.call(seen, talk)

    async def _listen(self, seen: Seen, talk: Talk) -> None:
        asked = seen.message["params"]["notifications"]
        self.asked.append(asked)
        if self.listen is not None:
            await self.listen(seen, talk)
            return
        uris = [uri for uri in asked.get("resourceSubscriptions", ()) if uri not in self.refused]
        granted = {**asked, "resourceSubscriptions": uris} if self.refused else asked
        await talk.stream()
        self.listens.append((seen, talk))
        await tell(seen, talk, "subscriptions/acknowledged", notifications=granted)
        await talk.until_peer_hangs_up()
        if (seen, talk) in self.listens:
            self.listens.remove((seen, talk))

    async def say(self, method: str, **params: Any) -> None:
        """One notification to all who listen."""
        for seen, talk in tuple(self.listens):
            await tell(seen, talk, method, **params)

    async def cut(self) -> None:
        """Breaks off all streams."""
        while self.listens:
            await self.listens.pop()[1].hang_up()


async def tell(seen: Seen, talk: Talk, method: str, **params: Any) -> None:
    """One notification on the stream of a subscription."""
    meta = {"io.modelcontextprotocol/subscriptionId": seen.message["id"]}
    said = {"method": f"notifications/{method}", "params": {**params, "_meta": meta}}
    await talk.event({"jsonrpc": "2.0", **said})
