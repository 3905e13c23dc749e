"""Two listeners in one process: agents here, operators there; served by Granian."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from granian.constants import Interfaces, TaskImpl
from granian.http import HTTP1Settings
from granian.server.embed import Server

from callgate.scheduling import standing_back

AsgiApplication = Callable[
    [MutableMapping[str, Any], Callable[[], Awaitable[Any]], Callable[[Any], Awaitable[None]]],
    Awaitable[None],
]
BACKLOG = 2048
START_SECONDS = 5.0  # for a listener to take connections; after that it is said to be up anyway
LOOK_SECONDS = 0.005


class ListenError(Exception):
    """An address cannot be listened on."""


@dataclass(frozen=True, slots=True)
class Listener:
    """One address and what answers there."""

    application: AsgiApplication
    host: str
    port: int
    tls_certificate: Path | None = None
    tls_key: Path | None = None

    @property
    def url(self) -> str:
        """Where to reach it."""
        scheme = "https" if self.tls_certificate else "http"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}://{host}:{self.port}"


class Listening:
    """A listener that runs until it is stopped. Use as an async context manager."""

    def __init__(self, listener: Listener) -> None:
        """Raises ListenError where the address is taken or cannot be listened on."""
        listener = replace(listener, port=_free_port(listener))
        self.url = listener.url
        self._place = (listener.host, listener.port)
        self._server = Server(
            listener.application,
            address=listener.host,
            port=listener.port,
            interface=Interfaces.ASGINL,
            task_impl=TaskImpl.asyncio,
            websockets=False,
            backlog=BACKLOG,
            backpressure=BACKLOG,
            http1_settings=HTTP1Settings(header_read_timeout=10_000),
            log_enabled=False,
            ssl_cert=listener.tls_certificate,
            ssl_key=listener.tls_key,
        )
        self._serving: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Listening:
        # Held here and awaited in __aexit__: it lives exactly as long as this listener.
        with standing_back():  # for Granian's threads
            self._serving = asyncio.get_running_loop().create_task(self._server.serve())
            await self._accepts()
        return self

    async def _accepts(self) -> None:
        """Returns once it takes connections: Granian's threads need their time to begin."""
        host, port = self._place
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(START_SECONDS):
                while True:
                    try:
                        _, writer = await asyncio.open_connection(host, port)
                    except OSError:
                        await asyncio.sleep(LOOK_SECONDS)
                    else:
                        writer.close()
                        return

    async def __aexit__(self, *exception: object) -> None:
        self._server.stop()  # type: ignore[no-untyped-call] # Granian's, without types
        if self._serving is not None:
            await asyncio.wait({self._serving}, timeout=5)


def _free_port(listener: Listener) -> int:
    """The port to listen on: the one asked for if it is free, any free one for 0.

    Granian shares ports (SO_REUSEPORT): a second gateway would silently take half the calls.
    """
    family = socket.AF_INET6 if ":" in listener.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((listener.host, listener.port))
        except OSError as error:
            where = f"{listener.host}:{listener.port}"
            raise ListenError(f"cannot listen on {where}: {error.strerror}") from None
        port: int = probe.getsockname()[1]
        return port


async def until_signalled() -> None:
    """Returns on SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        await stop.wait()
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
