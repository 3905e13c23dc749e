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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--upstream", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--sessions", choices=["fresh", "one-tls-context", "shared"])
    options = parser.parse_args()
    asyncio.run(serve(options.upstream, options.port, options.sessions))


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
