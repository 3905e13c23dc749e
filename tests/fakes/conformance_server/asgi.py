"""HTTP in the few ASGI calls that the fixture needs: bodies, JSON, event streams, hang-ups."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine, Iterable, MutableMapping
from typing import Any

from fakes.conformance_server.exchange import PARSE_ERROR, Json, RpcError

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = dict[str, list[str]]

MOST_BODY_BYTES = 4 * 1024 * 1024


class HttpError(Exception):
    """A request refused with an HTTP status of its own."""

    def __init__(self, status: int, error: RpcError, headers: Iterable[tuple[str, str]] = ()):
        super().__init__(error.message)
        self.status = status
        self.error = error
        self.headers = tuple(headers)


def headers_of(scope: Scope) -> Headers:
    headers: Headers = {}
    for name, value in scope["headers"]:
        headers.setdefault(name.decode("latin-1").lower(), []).append(
            value.decode("latin-1").strip()
        )
    return headers


def first(headers: Headers, name: str) -> str | None:
    values = headers.get(name)
    return values[0] if values else None


async def body_of(receive: Receive) -> Any:
    """The JSON of a request's body."""
    body = b""
    is_more = True
    while is_more:
        part = await receive()
        body += part.get("body", b"")
        is_more = part.get("more_body", False)
        if len(body) > MOST_BODY_BYTES:
            raise HttpError(413, RpcError(PARSE_ERROR, "The body is too large"))
    try:
        return json.loads(body)
    except ValueError as error:
        raise HttpError(400, RpcError(PARSE_ERROR, "Parse error")) from error


async def respond(
    send: Send, status: int, body: object = None, headers: Iterable[tuple[str, str]] = ()
) -> None:
    content = b"" if body is None else json.dumps(body).encode()
    all_headers = [*headers, ("content-length", str(len(content)))]
    if body is not None:
        all_headers.append(("content-type", "application/json"))
    await _start(send, status, all_headers)
    await send({"type": "http.response.body", "body": content})


async def _start(send: Send, status: int, headers: Iterable[tuple[str, str]]) -> None:
    raw = [(name.encode(), value.encode()) for name, value in headers]
    await send({"type": "http.response.start", "status": status, "headers": raw})


async def open_events(send: Send, headers: Iterable[tuple[str, str]] = ()) -> None:
    fixed = (
        ("content-type", "text/event-stream"),
        ("cache-control", "no-cache, no-transform"),
        ("x-accel-buffering", "no"),
    )
    await _start(send, 200, (*fixed, *headers))
    # Without a first part some servers hold the headers back.
    await send({"type": "http.response.body", "body": b"", "more_body": True})


async def send_event(
    send: Send, message: Json | None, id_: str | None = None, retry_ms: int | None = None
) -> None:
    """One event; without a message it only carries its id, for a client to resume from."""
    lines = [] if id_ is None else [f"id: {id_}"]
    if retry_ms is not None:
        lines.append(f"retry: {retry_ms}")
    if message is not None:
        lines.append("event: message")
    lines.append("data: " + ("" if message is None else json.dumps(message)))
    body = "\n".join(lines).encode() + b"\n\n"
    await send({"type": "http.response.body", "body": body, "more_body": True})


async def send_comment(send: Send) -> None:
    await send({"type": "http.response.body", "body": b": keep-alive\n\n", "more_body": True})


async def end_events(send: Send) -> None:
    await send({"type": "http.response.body", "body": b""})


async def while_connected(receive: Receive, work: Coroutine[Any, Any, None]) -> None:
    """Do the work, or drop it when the client hangs up."""
    async with asyncio.TaskGroup() as group:
        working = group.create_task(work)
        watching = group.create_task(_cancel_when_gone(receive, working))
        working.add_done_callback(lambda _: watching.cancel())


async def _cancel_when_gone(receive: Receive, working: asyncio.Task[None]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    working.cancel()
