"""Calls of an HTTP target through its connector, in one line of a test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

from callgate.model import Json, Offer, Reply
from callgate.ports import Caller, TargetError, TargetRequest
from callgate.protocol.jsonrpc import encode
from callgate.protocol.methods import METHODS, method_tool
from callgate.upstream.mcp_http import HttpTargetSettings, McpHttpConnector
from fakes.calls import a_tool
from fakes.clock import FakeClock
from fakes.http_target import Answer, HttpTarget
from fakes.target import FakeCaller

Run = Callable[[Coroutine[Any, Any, None]], None]


def a_request(
    name: str = "echo", arguments: bytes = b'{"text":"hi"}', **more: Any
) -> TargetRequest:
    """A call of the tool `echo`, as the pipeline would make it."""
    settings: dict[str, Any] = {
        "call_id": "c1",
        "tool": a_tool(name=name, schema={"type": "object"}),
        "params": b'{"name":%b,"arguments":%b}' % (encode(name), arguments),
        "item": name,
        "arguments": arguments,
        "session_key": "ada",
        "timeout_seconds": 30.0,
        **more,
    }
    return TargetRequest(**settings)


def a_method(method: str, said: dict[str, Json], /, **more: Any) -> TargetRequest:
    """A request with any other method than tools/call."""
    item = said.get(METHODS[method].item or "")
    settings: dict[str, Any] = {
        "tool": method_tool("shop", method),
        "params": encode(said),
        "item": item,
        "arguments": b"{}",
        **more,
    }
    return a_request(**settings)


def an_offer(*names: str) -> Offer:
    """What a client offers with capabilities that have no options."""
    return Offer(capabilities={name: {} for name in names}, digest="+".join(names))


def a_connector(target: HttpTarget, **more: Any) -> McpHttpConnector:
    return McpHttpConnector("shop", HttpTargetSettings(url=target.url, **more), FakeClock())


async def call(
    answer: Answer, request: TargetRequest | None = None, caller: Caller | None = None
) -> tuple[Reply, HttpTarget]:
    async with HttpTarget(answer) as target:
        connector = a_connector(target)
        reply = await connector.call(request or a_request(), caller or FakeCaller())
        await connector.close()
        return reply, target


def faults(run: Run, answer: Answer, **request: Any) -> TargetError:
    found: list[TargetError] = []

    async def scenario() -> None:
        with pytest.raises(TargetError) as raised:
            await call(answer, a_request(**request))
        found.append(raised.value)

    run(scenario())
    return found[0]


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not is_so():  # noqa: ASYNC110 - a real socket has no event to wait for
            await asyncio.sleep(0.005)


class HeldCaller(FakeCaller):
    """An agent whose client thinks before it answers, and that reads when a test lets it."""

    def __init__(self) -> None:
        super().__init__()
        self.is_asked = asyncio.Event()
        self.is_told = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.may_read = asyncio.Event()
        self.may_read.set()
        self.is_cancelled = asyncio.Event()

    async def notify(self, method: str, params: dict[str, Json]) -> None:
        self.is_told.set()
        await self.may_read.wait()
        await super().notify(method, params)

    async def ask(self, method: str, params: dict[str, Json]) -> Reply:
        self.asked.append((method, params))
        self.is_asked.set()
        try:
            await self.may_answer.wait()
        except asyncio.CancelledError:
            self.is_cancelled.set()
            raise
        return self.answers.pop(0) if self.answers else ANSWER  # type: ignore[return-value]


ANSWER = Reply(body=b'{"action":"accept","content":{"name":"Ada"}}')


@asynccontextmanager
async def connected(
    answer: Answer, **more: Any
) -> AsyncIterator[tuple[HttpTarget, McpHttpConnector]]:
    """A target, and a started connector to it."""
    async with HttpTarget(answer) as target:
        connector = a_connector(target, **more)
        await connector.start()
        try:
            yield target, connector
        finally:
            await connector.close()
