"""Runs the fixture: `python -m fakes.conformance_server --port 0`, or `--stdio`."""

import argparse
import asyncio
import socket
from types import FrameType

import uvicorn

from fakes.conformance_server import stdio
from fakes.conformance_server.exchange import World
from fakes.conformance_server.http import PATH, Endpoint


class Server(uvicorn.Server):
    """Ends the streams that would otherwise stay open before it waits for its connections."""

    def __init__(self, config: uvicorn.Config, world: World) -> None:
        super().__init__(config)
        self._world = world
        self._loop = asyncio.get_running_loop()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._loop.call_soon_threadsafe(self._world.close_listeners)
        super().handle_exit(sig, frame)


def listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_STREAM)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    opened.bind((host, port))
    opened.listen(128)
    return opened


async def serve_http(world: World, options: argparse.Namespace) -> None:
    opened = listening(options.host, options.port)
    host = f"[{options.host}]" if ":" in options.host else options.host
    print(f"listening on http://{host}:{opened.getsockname()[1]}{PATH}", flush=True)  # noqa: T201 - its caller reads the port
    config = uvicorn.Config(
        Endpoint(world, options.era, options.host, options.answers),
        lifespan="off",
        ws="none",
        log_level="warning",
        timeout_graceful_shutdown=1,
    )
    await Server(config, world).serve(sockets=[opened])


async def run(options: argparse.Namespace) -> None:
    async with asyncio.TaskGroup() as group:
        world = World(group, options.page_size)
        try:
            if options.stdio:
                await stdio.serve(world, options.era)
            else:
                await serve_http(world, options)
        finally:
            world.stop()


def main() -> None:
    parser = argparse.ArgumentParser(prog="fakes.conformance_server")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--stdio", action="store_true")
    parser.add_argument("--era", choices=("both", "legacy", "modern"), default="both")
    parser.add_argument(
        "--answers",
        choices=("json", "sse"),
        help="over HTTP, where both would do; else legacy streams and modern does not",
    )
    parser.add_argument("--page-size", type=int, default=0, help="0: lists are one page")
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
