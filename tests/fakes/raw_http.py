"""A caller that says its HTTP byte by byte, and applications that answer it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import TracebackType
from urllib.parse import urlsplit

from callgate.asgi import Application, Event, Scope
from callgate.serving.listener import Listener, Listening

Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]


@dataclass
class Answered:
    """A response as it arrived; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


class Talker:
    """One connection to a listener. Use as an async context manager."""

    def __init__(self, url: str) -> None:
        self._url = urlsplit(url)
        self._reader: asyncio.StreamReader
        self.writer: asyncio.StreamWriter

    async def __aenter__(self) -> Talker:
        self._reader, self.writer = await asyncio.open_connection(
            self._url.hostname, self._url.port
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.writer.close()

    def say(self, data: bytes) -> None:
        self.writer.write(data)

    async def head(self) -> tuple[int, dict[str, str]]:
        """Status and headers of the next response, interim ones included."""
        async with asyncio.timeout(30):
            text = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = text.rstrip("\r\n").split("\r\n")
        pairs = (line.split(": ", 1) for line in lines)
        return int(first.split(" ")[1]), {name.lower(): value for name, value in pairs}

    async def answer(self, *, to_head: bool = False) -> Answered:
        """The next response, whole."""
        status, headers = await self.head()
        async with asyncio.timeout(30):
            if to_head or status in (204, 304):
                body = b""
            elif "content-length" in headers:
                body = await self._reader.readexactly(int(headers["content-length"]))
            elif headers.get("transfer-encoding") == "chunked":
                body = await self._chunks()
            else:
                body = await self._reader.read()
        return Answered(status, headers, body)

    async def _chunks(self) -> bytes:
        pieces = []
        while size := int(await self._reader.readline(), 16):
            pieces.append(await self._reader.readexactly(size))
            await self._reader.readexactly(2)
        await self._reader.readexactly(2)
        return b"".join(pieces)

    async def piece(self) -> bytes:
        """Whatever comes next."""
        async with asyncio.timeout(30):
            return await self._reader.read(65536)

    async def is_closed(self, seconds: float = 30.0) -> bool:
        """Whether the other side ends the connection in time, saying nothing more."""
        try:
            async with asyncio.timeout(seconds):
                return await self._reader.read(1) == b""
        except TimeoutError:
            return False
        except ConnectionError:
            return True


@dataclass
class Echo:
    """Answers with the body; notes every request, and who hung up."""

    scopes: list[Scope] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    hung_up: int = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scopes.append(scope)
        body = await whole_body(receive)
        if body is None:
            self.hung_up += 1
            return
        self.bodies.append(body)
        await say(send, 200, body, (b"content-type", b"text/plain"))


async def whole_body(receive: Receive) -> bytes | None:
    """The request's body; None where the caller hung up before its end."""
    pieces = []
    while True:
        event: Event = await receive()
        if event["type"] != "http.request":
            return None
        pieces.append(event["body"])
        if not event["more_body"]:
            return b"".join(pieces)


async def say(send: Send, status: int, body: bytes, *headers: tuple[bytes, bytes]) -> None:
    """One whole response."""
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})
    await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def serving(application: Application) -> AsyncIterator[str]:
    """The URL where the application answers."""
    async with Listening(Listener(application, "127.0.0.1", 0)) as listening:
        yield listening.url


def post(body: bytes, *headers: bytes, path: bytes = b"/mcp") -> bytes:
    """A request with a length."""
    lines = [b"POST %b HTTP/1.1" % path, b"Host: h", b"Content-Length: %d" % len(body), *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body
