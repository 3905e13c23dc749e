"""Calls of an HTTP target through its connector, in one line of a test."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from callgate.model import Reply
from callgate.ports import TargetError, ToolRequest
from callgate.upstream.mcp_http import HttpTargetSettings, McpHttpConnector
from fakes.clock import FakeClock
from fakes.http_target import Answer, HttpTarget
from fakes.target import FakeCaller

Run = Callable[[Coroutine[Any, Any, None]], None]


def a_request(**more: Any) -> ToolRequest:
    settings: dict[str, Any] = {
        "call_id": "c1",
        "tool": "echo",
        "arguments": b'{"text":"hi"}',
        "share_key": "ada",
        "timeout_seconds": 5.0,
        **more,
    }
    return ToolRequest(**settings)


def a_connector(target: HttpTarget, **more: Any) -> McpHttpConnector:
    return McpHttpConnector("shop", HttpTargetSettings(url=target.url, **more), FakeClock())


async def call(
    answer: Answer, request: ToolRequest | None = None, caller: FakeCaller | None = None
) -> tuple[Reply, HttpTarget]:
    async with HttpTarget(answer) as target:
        connector = a_connector(target)
        reply = await connector.call_tool(request or a_request(), caller or FakeCaller())
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
    async with asyncio.timeout(5):
        while not is_so():  # noqa: ASYNC110 - a real socket has no event to wait for
            await asyncio.sleep(0.005)
