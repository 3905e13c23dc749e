"""Runs inside FastMCP's environment: its proxy for one target, over streamable HTTP."""

from __future__ import annotations

import argparse
import asyncio
import ssl
from typing import Any

from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport
from fastmcp.server import create_proxy

FRONT: dict[str, Any] = {
    "transport": "http",
    "host": "127.0.0.1",
    "show_banner": False,
    "log_level": "error",
    "json_response": True,
    "stateless_http": True,
    "uvicorn_config": {"access_log": False},
}


# Streams and questions need a front that keeps sessions and sends events.
CONVERSING = {**FRONT, "json_response": False, "stateless_http": False}
MODES = {"modern": "2026-07-28", "legacy": "legacy"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--upstream", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--sessions", choices=["fresh", "one-tls-context", "shared"])
    parser.add_argument("--conversing", choices=MODES, help="and the era of its upstream")
    options = parser.parse_args()
    if options.conversing:
        asyncio.run(converse(options))
    else:
        asyncio.run(serve(options.upstream, options.port, options.sessions))


async def converse(options: argparse.Namespace) -> None:
    """It would mirror the era of its client; the pin lets it reach a target of the other one."""
    upstream = options.upstream
    if options.sessions == "one-tls-context":
        upstream = StreamableHttpTransport(upstream, verify=ssl.create_default_context())
    proxy = create_proxy(upstream, mode=MODES[options.conversing], name="bench")
    await proxy.run_async(port=options.port, **CONVERSING)


async def serve(upstream: str, port: int, sessions: str) -> None:
    if sessions == "shared":
        async with Client(upstream, mode="legacy") as client:
            await create_proxy(client, name="bench").run_async(port=port, **FRONT)
    elif sessions == "one-tls-context":
        transport = StreamableHttpTransport(upstream, verify=ssl.create_default_context())
        await create_proxy(transport, name="bench").run_async(port=port, **FRONT)
    else:
        await create_proxy(upstream, name="bench").run_async(port=port, **FRONT)


if __name__ == "__main__":
    main()
