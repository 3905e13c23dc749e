"""A client for ASGI applications, without a socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

Application = Callable[
    [
        MutableMapping[str, Any],
        Callable[[], Awaitable[MutableMapping[str, Any]]],
        Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ],
    Awaitable[None],
]


@dataclass(frozen=True)
class Answered:
    """A whole response. Header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def ask(
    application: Application,
    path: str,
    *,
    method: str = "GET",
    headers: tuple[tuple[str, str], ...] = (("host", "localhost"),),
    body: bytes | tuple[bytes, ...] = b"",
) -> Answered:
    """Sends one request, and waits for the whole response. `body` may come in pieces."""
    return asyncio.run(asked(application, path, method=method, headers=headers, body=body))


async def asked(
    application: Application,
    path: str,
    *,
    method: str = "GET",
    headers: tuple[tuple[str, str], ...] = (("host", "localhost"),),
    body: bytes | tuple[bytes, ...] = b"",
) -> Answered:
    """The same, on a loop that runs already."""
    path, _, query = path.partition("?")
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers],
        "client": ("127.0.0.1", 50_000),
    }
    events: list[MutableMapping[str, Any]] = []
    pieces = [body] if isinstance(body, bytes) else list(body)

    async def receive() -> MutableMapping[str, Any]:
        piece = pieces.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

    async def send(event: MutableMapping[str, Any]) -> None:
        events.append(event)

    await application(scope, receive, send)
    start, *rest = events
    assert start["type"] == "http.response.start"
    assert all(event["type"] == "http.response.body" for event in rest)
    body = b"".join(event.get("body", b"") for event in rest)
    sent = {name.decode(): value.decode("latin-1") for name, value in start["headers"]}
    return Answered(start["status"], sent, body)
