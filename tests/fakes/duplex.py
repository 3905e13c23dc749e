"""A pipe without a target behind it: a test reads what was said on it and says what comes back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from itertools import count
from typing import Any

from callgate.model import NOTHING, Era, Features, Json, Offer, Tool
from callgate.ports import TargetRequest
from callgate.protocol.outbound import read_message
from callgate.upstream.audience import Audience
from callgate.upstream.duplex import Asked, Duplex, Terms
from callgate.upstream.faults import Lost, Patience
from callgate.upstream.session import Changes, Notes
from callgate.upstream.tasks import Tasks
from fakes.target import FakeCaller

EVERYTHING = Offer(capabilities={"elicitation": {}, "sampling": {}, "roots": {}}, digest="all")
ABLE: dict[str, Json] = {"tools": {}, "logging": {}, "resources": {"subscribe": True}}
LEGACY = Features(era=Era.LEGACY, version="2025-11-25", capabilities=ABLE)
MODERN = Features(era=Era.MODERN, version="2026-07-28", capabilities=ABLE)


def a_target_request(**more: Any) -> TargetRequest:
    settings: dict[str, Any] = {
        "call_id": "c",
        "tool": Tool(target="shop", name="t", definition={}, digest=""),
        "params": b"{}",
        "progress_token": "mine",
        "session_key": "ada",
        "offer": EVERYTHING,
    }
    return TargetRequest(**{**settings, **more})


class FakeDuplex(Duplex):
    """Everything that is written, as parsed messages; `on_write` may answer."""

    def __init__(
        self,
        features: Features | None = LEGACY,
        offer: Offer = NOTHING,
        terms: Terms | None = None,
    ) -> None:
        self.own = Tasks()
        self.ids = count(1)
        self.heard: list[str] = []
        changes = Changes()
        changes.listen(self.heard.append)
        own = Terms(Audience(self.own), changes, lambda: next(self.ids), offer)
        super().__init__(terms or own)
        self.features = features
        self.written: list[dict[str, Any]] = []
        self.on_write: Callable[[dict[str, Any]], None] = lambda message: None
        self.is_broken = False

    async def write(self, body: bytes, sent: Callable[[], None]) -> None:
        if self.is_broken:
            raise Lost("it is broken")
        sent()
        self.say(body)

    def say(self, body: bytes) -> None:
        self.written.append(json.loads(body))
        self.on_write(self.written[-1])

    async def close(self) -> None:
        self.die("it was closed")
        await self.tasks.close()
        await self.own.close()

    def comes(self, *messages: Any) -> None:
        for message in messages:
            self.hear(read_message(json.dumps(message).encode()))

    def answers(self, method: str, result: Any) -> None:
        """Answers each request of this method from now on: a result, or an error code."""
        before = self.on_write

        def on_write(message: dict[str, Any]) -> None:
            if message.get("method") != method:
                before(message)
            elif isinstance(result, int):
                self.comes({"id": message["id"], "error": {"code": result, "message": "no"}})
            else:
                self.comes({"id": message["id"], "result": result})

        self.on_write = on_write

    def said(self, method: str) -> list[dict[str, Any]]:
        return [message for message in self.written if message.get("method") == method]

    def answered(self, message_id: Any) -> list[dict[str, Any]]:
        return [m for m in self.written if "method" not in m and m.get("id") == message_id]

    def call(
        self, caller: FakeCaller | None = None, patience: Patience | None = None, **more: Any
    ) -> tuple[int, asyncio.Task[Any]]:
        """A call in flight: its id, and what waits for its answer."""
        request = a_target_request(**more)
        self.audience.attach(request)
        number = next(self.ids)
        asked = Asked(number, Notes(request, caller or FakeCaller(), number), patience)
        body = json.dumps({"id": number, "method": "tools/call"}).encode()
        return number, self.own.start(self.ask(asked, body), "a call")
