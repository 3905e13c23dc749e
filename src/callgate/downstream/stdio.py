"""Agents over stdio: the same gateway for hosts that start servers as a subprocess."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from callgate.downstream import batches
from callgate.downstream.asking import Asks
from callgate.downstream.dispatch import Dispatcher, malformed_answer, unidentified_answer
from callgate.downstream.inbound import Answer, Inbound
from callgate.downstream.sessions import Flights, Session, declared
from callgate.downstream.streams import on_one_line
from callgate.model import Era, Json, Principal, Proof, Refused, Reply
from callgate.ports import Unanswerable
from callgate.protocol.eras import ASSUMED_VERSION, META_VERSION, negotiate
from callgate.protocol.framing import FramingError, Lines
from callgate.protocol.jsonrpc import (
    INTERNAL_ERROR,
    INVALID_REQUEST,
    Malformed,
    Message,
    error_response,
    notification,
    parse_json,
    read_message,
)
from callgate.protocol.mcp import check_version, legacy_envelope, modern_envelope

HINT = "Set CALLGATE_TOKEN or CALLGATE_API_KEY, or allow anonymous callers."

Write = Callable[[bytes], Awaitable[None]]
_log = logging.getLogger("callgate.downstream")


class Pipe:
    """The host's end of the pipe. One message is one line."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self.tasks: asyncio.TaskGroup | None = None  # set while the pipe is served
        self.is_closed = False

    async def say(self, body: bytes) -> None:
        """Writes one message; waits for a host that reads slowly."""
        await self._write(on_one_line(body))

    def mention(self, body: bytes) -> None:
        """Writes it without having the caller wait."""
        if self.tasks is None:
            return
        saying = self.say(body)
        try:
            self.tasks.create_task(saying)
        except RuntimeError:  # the pipe is closing
            saying.close()


@dataclass(slots=True)
class PipeCaller:
    """The host at the other end of the pipe, in one call or outside any."""

    pipe: Pipe
    asks: Asks | None  # None: in a request of the modern era, which has no requests to clients

    @property
    def is_gone(self) -> bool:
        """Whether the host closed its end."""
        return self.pipe.is_closed

    async def notify(self, method: str, params: dict[str, Json]) -> None:
        """Says it on the pipe."""
        await self.pipe.say(notification(method, params))

    async def ask(self, method: str, params: dict[str, Json]) -> Reply:
        """Asks on the pipe."""
        if self.asks is None:
            raise Unanswerable("A client of this revision of MCP takes no requests.")
        return await self.asks.ask(self.pipe, method, params)


class StdioEndpoint:
    """Serves one host. Every request runs in its own task; answers are lines on stdout.

    The era is read off each message: a request that carries the modern envelope is modern, so one
    pipe serves hosts of both eras, as a server that is probed must.
    """

    def __init__(
        self, dispatcher: Dispatcher, proof: Proof, route: str | None, write: Write
    ) -> None:
        self._dispatcher = dispatcher
        self._proof = proof
        self._route = route
        self._pipe = Pipe(write)
        self._in_flight = Flights()
        self.session: Session | None = None

    async def serve(self, read: Callable[[], Awaitable[bytes]]) -> None:
        """Until the input ends; calls in flight are finished, as a host closing stdin expects."""
        try:
            async with asyncio.TaskGroup() as tasks:
                self._pipe.tasks = tasks
                await self._read_all(read, tasks)
                await asyncio.sleep(0)  # what came in before the end is taken, answers too
                if self.session is not None:
                    self.session.asks.close()  # no more of them come
        finally:
            self._pipe.is_closed = True
            if self.session is not None:
                self._dispatcher.sessions.close(self.session)

    async def _read_all(
        self, read: Callable[[], Awaitable[bytes]], tasks: asyncio.TaskGroup
    ) -> None:
        most = self._dispatcher.current().limits.max_body_bytes
        lines = Lines(most)
        while chunk := await read():
            try:
                for line in lines.feed(chunk):
                    if line.is_cut:
                        await self._refuse(f"The message is larger than {most} bytes.")
                    else:
                        tasks.create_task(self._take(line.text))
            except FramingError as error:
                await self._refuse(f"The input cannot be read: {error}.")
                return

    async def _refuse(self, reason: str) -> None:
        await self._pipe.say(error_response(None, INVALID_REQUEST, reason))

    async def _take(self, line: bytes) -> None:
        try:
            depth = self._dispatcher.current().limits.max_depth
            value = parse_json(line, max_depth=depth)
            session = self.session
            if isinstance(value, list) and session and session.version == batches.VERSION:
                body = await batches.answer_batch(value, self._treat)
            else:
                body = await self._treat(read_message(value))
        except Malformed as malformed:
            body = malformed_answer(malformed, Era.LEGACY).body
        if body is not None:
            await self._pipe.say(body)

    async def _treat(self, message: Message) -> bytes | None:
        """What goes back for one message; None for a notification, or a request cancelled."""
        if message.method is None or message.id is None:
            self._take_note(message)
            return None
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - we are in a coroutine
        flight = self._in_flight.begin(message.id, task)
        try:
            return (await self._answer(message)).body
        except Refused as refused:
            return unidentified_answer(refused, message.id).body
        except asyncio.CancelledError:
            if flight.is_cancelled:
                return None  # by the host: a cancelled request gets no response
            raise
        except Malformed:
            raise
        except Exception:  # noqa: BLE001 - the pipe is for all requests: one must not end it
            _log.exception("%s failed", message.method)
            return error_response(message.id, INTERNAL_ERROR, "The gateway failed on this request.")
        finally:
            self._in_flight.end(flight)

    def _take_note(self, message: Message) -> None:
        if message.is_response:
            if self.session is not None:
                self.session.asks.answer(message)
        elif message.method == "notifications/cancelled":
            self._in_flight.cancel(message.params.get("requestId"))
        else:
            self._dispatcher.take_note(message, self.session)

    async def _answer(self, message: Message) -> Answer:
        principal = await self._dispatcher.current().identified(self._proof, HINT)
        meta = message.params.get("_meta")
        session: Session | None = None
        if isinstance(meta, dict) and META_VERSION in meta:
            era, envelope = Era.MODERN, modern_envelope(message)
            check_version(message, envelope.version)
        else:
            era, session = Era.LEGACY, self._session_for(message, principal)
            envelope = legacy_envelope(message, session.version, session.client)
        inbound = Inbound(
            message=message,
            envelope=envelope,
            era=era,
            route=self._route,
            proof=self._proof,
            principal=principal,
            caller=PipeCaller(self._pipe, session.asks if session is not None else None),
            session=session,
        )
        return await self._dispatcher.answer(inbound)

    def _session_for(self, message: Message, principal: Principal) -> Session:
        """The one session of this pipe; `initialize` begins another."""
        is_handshake = message.method == "initialize"
        if self.session is None or is_handshake:
            client, capabilities = declared(message) if is_handshake else ({}, {})
            if self.session is not None:
                self._dispatcher.sessions.close(self.session)
            asks = Asks()
            self.session = Session(
                id=f"stdio-{secrets.token_hex(4)}",
                principal=principal,
                version=(
                    negotiate(message.params.get("protocolVersion"))
                    if is_handshake
                    else ASSUMED_VERSION
                ),
                client=client,
                capabilities=capabilities,
                beyond=PipeCaller(self._pipe, asks),
                asks=asks,
                used_at=self._dispatcher.current().clock.now(),
            )
        return self.session
