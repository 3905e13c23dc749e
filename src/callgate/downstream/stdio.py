"""Agents over stdio: the same gateway for hosts that start servers as a subprocess."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from callgate.downstream.dispatch import (
    Answer,
    Dispatcher,
    Inbound,
    malformed_answer,
    unidentified_answer,
)
from callgate.downstream.sessions import Flights, InFlight, Session
from callgate.model import Era, Json, Principal, Proof, Refused
from callgate.protocol.eras import ASSUMED_VERSION, META_VERSION, negotiate
from callgate.protocol.framing import FramingError, Lines
from callgate.protocol.jsonrpc import (
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


@dataclass(slots=True)
class StdioCaller:
    """The host at the other end of the pipe, in one call."""

    write: Write
    progress_token: Json
    is_gone: bool = False

    async def notify(self, method: str, params: dict[str, Json]) -> None:
        """Progress is passed on where the host asked for it."""
        if method == "notifications/progress" and self.progress_token is not None:
            await self.write(notification(method, params))


@dataclass(slots=True)
class StdioEndpoint:
    """Serves one host. Every request runs in its own task; answers are lines on stdout.

    The era is read off each message: a request that carries the modern envelope is modern, so one
    pipe serves hosts of both eras, as mcp.md §2.4 expects of a probed server.
    """

    dispatcher: Dispatcher
    proof: Proof
    route: str | None
    write: Write
    session: Session | None = None
    _in_flight: Flights = field(default_factory=Flights)

    async def serve(self, read: Callable[[], Awaitable[bytes]]) -> None:
        """Until the input ends; calls in flight are finished, as a host closing stdin expects."""
        most = self.dispatcher.current().limits.max_body_bytes
        lines = Lines(most)
        async with asyncio.TaskGroup() as tasks:
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
        await self.write(error_response(None, INVALID_REQUEST, reason))

    async def _take(self, line: bytes) -> None:
        message: Message | None = None
        flight: InFlight | None = None
        try:
            depth = self.dispatcher.current().limits.max_depth
            message = read_message(parse_json(line, max_depth=depth))
            if message.method is None or message.id is None:
                if message.method == "notifications/cancelled":
                    self._in_flight.cancel(message.params.get("requestId"))
                return
            task = asyncio.current_task()
            assert task is not None  # noqa: S101 - we are in a coroutine
            flight = self._in_flight.begin(message.id, task)
            answer = await self._answer(message)
        except Malformed as malformed:
            answer = malformed_answer(malformed, Era.LEGACY)
        except Refused as refused:
            answer = unidentified_answer(refused, message.id if message else None)
        except asyncio.CancelledError:
            if flight is not None and flight.is_cancelled:
                return  # by the host: a cancelled request gets no response
            raise
        finally:
            if message is not None and flight is not None:
                self._in_flight.end(message.id)
        if answer.body is not None:
            await self.write(answer.body)

    async def _answer(self, message: Message) -> Answer:
        principal = await self.dispatcher.current().identified(self.proof, HINT)
        meta = message.params.get("_meta")
        if isinstance(meta, dict) and META_VERSION in meta:
            era, envelope = Era.MODERN, modern_envelope(message)
            check_version(message, envelope.version)
        else:
            era = Era.LEGACY
            session = self._session_for(message, principal)
            envelope = legacy_envelope(message, session.version, session.client)
        inbound = Inbound(
            message=message,
            envelope=envelope,
            era=era,
            route=self.route,
            proof=self.proof,
            principal=principal,
            caller=StdioCaller(self.write, envelope.progress_token),
            session=self.session if era is Era.LEGACY else None,
        )
        return await self.dispatcher.answer(inbound)

    def _session_for(self, message: Message, principal: Principal) -> Session:
        """The one session of this pipe; `initialize` says its version and client."""
        if self.session is None or message.method == "initialize":
            client = message.params.get("clientInfo")
            is_handshake = message.method == "initialize"
            asked = message.params.get("protocolVersion")
            self.session = Session(
                id="stdio",
                principal_key=principal.key,
                version=negotiate(asked) if is_handshake else ASSUMED_VERSION,
                client=client if isinstance(client, dict) else {},
                used_at=self.dispatcher.current().clock.now(),
            )
        return self.session
