"""A real HTTP server that gives the answers a test wants, and remembers what it was asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass
class Answering:
    """One server on this machine. `answer` gets the path and returns a status and a body."""

    answer: Callable[[str], Awaitable[tuple[int, bytes]]]
    paths: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    url: str = ""

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            path = head[0].split(" ")[1]
            self.paths.append(path)
            pairs = (line.partition(": ") for line in head[1:] if line)
            self.headers.append({name.lower(): value for name, _, value in pairs})
            status, body = await self.answer(path)
            extra = "location: https://elsewhere.example/\r\n" if status in (301, 302) else ""
            said = f"HTTP/1.1 {status} x\r\ncontent-length: {len(body)}\r\nconnection: close\r\n"
            writer.write(f"{said}{extra}\r\n".encode() + body)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def answering(
    answer: Callable[[str], Awaitable[tuple[int, bytes]]],
) -> AsyncIterator[Answering]:
    """The server, while it runs."""
    made = Answering(answer)
    server = await asyncio.start_server(made._serve, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield made
