"""How answers reach an agent over HTTP: whole, or as a stream; and whether it still listens."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from callgate.downstream.dispatch import Answer
from callgate.model import Era, Json
from callgate.protocol.jsonrpc import notification

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

WATCH_AFTER_SECONDS = (
    0.05  # a call this long gets a watch on its connection; shorter ones do without
)
_JSON = (b"content-type", b"application/json")
_STREAM = (
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
)


class HttpCaller:
    """The agent at the other end of one POST. Answers with JSON, or with a stream once it must."""

    def __init__(self, send: Send, progress_token: Json, *, may_stream: bool) -> None:
        self._send = send
        self._progress_token = progress_token
        self._may_stream = may_stream
        self._is_streaming = False
        self.is_gone = False

    async def notify(self, method: str, params: dict[str, Json]) -> None:
        """Progress is passed on where the agent asked for it; nothing else was negotiated."""
        wanted = method == "notifications/progress" and self._progress_token is not None
        if not wanted or not self._may_stream or self.is_gone:
            return
        if not self._is_streaming:
            self._is_streaming = True
            await self._send(_start(200, _STREAM))
        await self._event(notification(method, params))

    async def finish(self, answer: Answer) -> None:
        """Sends the answer, on the stream where one was begun."""
        if self._is_streaming:
            if answer.body is not None:
                await self._event(answer.body)
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        await respond(self._send, answer)

    async def _event(self, body: bytes) -> None:
        data = b"event: message\ndata: " + body + b"\n\n"
        await self._send({"type": "http.response.body", "body": data, "more_body": True})


def _start(status: int, headers: Iterable[tuple[bytes, bytes]]) -> dict[str, Any]:
    return {"type": "http.response.start", "status": status, "headers": list(headers)}


async def respond(send: Send, answer: Answer) -> None:
    """One whole response."""
    body = answer.body or b""
    headers = [(b"content-length", str(len(body)).encode())]
    if answer.body is not None:
        headers.append(_JSON)
    headers.extend((name.encode(), value.encode()) for name, value in answer.headers)
    await send(_start(answer.status, headers))
    await send({"type": "http.response.body", "body": body})


class Watch:
    """Notices that the caller hung up, for calls that take long enough to care.

    Started by a timer, so that a quick call costs one timer and no task. Modern: hanging up
    cancels. Legacy: it does not (2025-11-25, "Sending Messages"), the result is just undeliverable.
    """

    def __init__(self, receive: Receive, caller: HttpCaller, era: Era) -> None:
        self._receive = receive
        self._caller = caller
        self._era = era
        self._call = asyncio.current_task()
        self._task: asyncio.Task[None] | None = None
        self._timer = asyncio.get_running_loop().call_later(WATCH_AFTER_SECONDS, self._begin)
        self.hung_up = False

    def _begin(self) -> None:
        # Held here and ended by stop(): it lives no longer than its call.
        self._task = asyncio.get_running_loop().create_task(self._wait())

    async def _wait(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._caller.is_gone = True
        if self._era is Era.MODERN and self._call is not None:
            self.hung_up = True
            self._call.cancel()

    def stop(self) -> None:
        self._timer.cancel()
        if self._task is not None:
            self._task.cancel()
