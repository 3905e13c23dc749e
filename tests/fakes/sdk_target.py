"""Whole servers over HTTP inside the test's event loop: the MCP SDK's own, and the suite's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from mcp.server.mcpserver import Context, MCPServer

from fakes.conformance_server.exchange import World
from fakes.conformance_server.http import Endpoint


@asynccontextmanager
async def sdk_target(begun: list[str], cancelled: list[str], **settings: Any) -> AsyncIterator[str]:
    """Serves `add`, `steps` and `hang`, and says when that hangs; yields the URL."""
    server = MCPServer("sdk", log_level="CRITICAL")

    @server.tool()
    def add(a: int, b: int) -> int:
        return a + b

    @server.tool()
    async def steps(n: int, ctx: Context) -> str:
        for step in range(n):
            await ctx.report_progress(step, n, "step")
        return "done"

    @server.tool()
    async def hang() -> str:
        begun.append("hang")
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.append("hang")
            raise
        return "done"

    async with _served(server.streamable_http_app(**settings)) as url:
        yield url


@asynccontextmanager
async def suite_target(era: str) -> AsyncIterator[str]:
    """Serves the conformance suite's fixture in one era; yields the URL."""
    async with asyncio.TaskGroup() as group:
        world = World(group)
        try:
            async with _served(Endpoint(world, era, "127.0.0.1", None)) as url:
                yield url
                world.close_listeners()
        finally:
            world.stop()


@asynccontextmanager
async def _served(app: Any) -> AsyncIterator[str]:
    config = uvicorn.Config(app, port=0, log_config=None, timeout_graceful_shutdown=1)
    running = uvicorn.Server(config)
    serving = asyncio.ensure_future(running.serve())
    while not running.started:  # noqa: ASYNC110 - it has no event for this
        await asyncio.sleep(0.01)
    port = running.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        running.should_exit = True
        await serving
