"""An address and the ASGI application that answers there, as long as it is to."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path

from callgate.asgi import Application, Scope
from callgate.serving.connection import Connection
from callgate.serving.known_heads import KnownHeads
from callgate.serving.transaction import HungUpError, Transaction

BACKLOG = 2048
MAX_CONNECTIONS = 8192  # more are answered with 503
SWEEP_SECONDS = 1.0  # how often it is looked for connections that take too long
STOP_SECONDS = 5.0  # for responses on their way when it stops
HANDSHAKE_SECONDS = 10.0  # of TLS

_log = logging.getLogger("callgate.serving")


class ListenError(Exception):
    """An address cannot be listened on."""


Words = Callable[[int, str], tuple[bytes, bytes]]


def plain_words(status: int, reason: str) -> tuple[bytes, bytes]:
    """A sentence."""
    return b"text/plain", f"{reason}\n".encode()


@dataclass(frozen=True, slots=True)
class Listener:
    """One address and what answers there."""

    application: Application
    host: str
    port: int
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    words: Words = plain_words
    """How it is said that a request is not taken, by status and reason: media type and body."""


class Listening:
    """A listener that runs until it is stopped. Use as an async context manager."""

    def __init__(self, listener: Listener) -> None:
        """Raises ListenError where the address is taken or cannot be listened on."""
        self.is_stopping = False
        self.known = KnownHeads()
        self.words = listener.words
        self._application = listener.application
        self._tls = _tls(listener)
        self._socket = _bound(listener)
        self._connections: set[Connection] = set()
        self._working: set[Transaction] = set()
        self._loop: asyncio.AbstractEventLoop
        self._server: asyncio.Server
        self._sweeping: asyncio.TimerHandle | None = None
        self._date = (0.0, b"")  # until when, and the line
        scheme = "https" if self._tls else "http"
        host = f"[{listener.host}]" if ":" in listener.host else listener.host
        self.url = f"{scheme}://{host}:{self._socket.getsockname()[1]}"
        self.scope: Scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "scheme": scheme,
            "root_path": "",
        }

    async def __aenter__(self) -> Listening:
        loop = self._loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: Connection(self, loop),
            sock=self._socket,
            backlog=BACKLOG,
            ssl=self._tls,
            ssl_handshake_timeout=HANDSHAKE_SECONDS if self._tls else None,
        )
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Takes nobody any more; what is being answered gets a few seconds. Once is enough."""
        self.is_stopping = True
        self._server.close()
        for connection in tuple(self._connections):
            if connection.is_idle:
                connection.close()
        tasks = [one.task for one in self._working if one.task is not None]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=STOP_SECONDS)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=STOP_SECONDS)
        for connection in tuple(self._connections):
            connection.close()
        if self._sweeping is not None:
            self._sweeping.cancel()

    # What connections need

    def joined(self, connection: Connection) -> bool:
        """A caller has connected. False where there are too many already."""
        self._connections.add(connection)
        if self._sweeping is None:
            self._sweeping = self._loop.call_later(SWEEP_SECONDS, self._sweep)
        return len(self._connections) <= MAX_CONNECTIONS and not self.is_stopping

    def left(self, connection: Connection) -> None:
        """The connection is no more."""
        self._connections.discard(connection)

    def serve(self, transaction: Transaction, connection: Connection) -> None:
        """Has the application answer, in a task that is held here until it ends."""
        self._working.add(transaction)
        transaction.task = self._loop.create_task(self._answer(transaction, connection))

    def date_line(self) -> bytes:
        """The `date` header (RFC 9110, 6.6.1), made once a second."""
        until, line = self._date
        now = self._loop.time()
        if now >= until:
            line = f"date: {formatdate(usegmt=True)}\r\n".encode()
            self._date = (now + 1.0, line)
        return line

    async def _answer(self, transaction: Transaction, connection: Connection) -> None:
        try:
            await self._application(transaction.scope, transaction.receive, transaction.send)
        except HungUpError:
            pass
        except Exception:  # noqa: BLE001 - whatever it is, the others are served
            _log.exception("a request was not answered")
        finally:
            if not transaction.is_finished:
                connection.fail(transaction)
            self._working.discard(transaction)
            transaction.task = None  # each holds the other

    def _sweep(self) -> None:
        self._sweeping = None
        now = self._loop.time()
        for connection in tuple(self._connections):
            connection.expire(now)
        if self._connections:
            self._sweeping = self._loop.call_later(SWEEP_SECONDS, self._sweep)


def _tls(listener: Listener) -> ssl.SSLContext | None:
    if listener.tls_certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(listener.tls_certificate, listener.tls_key)
    except (OSError, ssl.SSLError) as error:
        raise ListenError(f"cannot use {listener.tls_certificate} for TLS: {error}") from None
    return context


def _bound(listener: Listener) -> socket.socket:
    """A socket at the address; any free port for 0."""
    family = socket.AF_INET6 if ":" in listener.host else socket.AF_INET
    with contextlib.ExitStack() as undo:
        made = undo.enter_context(socket.socket(family, socket.SOCK_STREAM))
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            made.bind((listener.host, listener.port))
            made.listen(BACKLOG)
        except OSError as error:
            where = f"{listener.host}:{listener.port}"
            raise ListenError(f"cannot listen on {where}: {error.strerror}") from None
        undo.pop_all()
        return made
