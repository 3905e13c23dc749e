"""One HTTP request from an agent, from its headers to its answer."""

from __future__ import annotations

import asyncio

from callgate.downstream.dispatch import (
    Answer,
    Dispatcher,
    Inbound,
    malformed_answer,
    unidentified_answer,
)
from callgate.downstream.responding import HttpCaller, Receive, Scope, Send, Watch, respond
from callgate.downstream.sessions import Session
from callgate.model import Call, Era, Principal, Proof, Refused
from callgate.pipeline.pipeline import record_refusal
from callgate.protocol import headers as routing
from callgate.protocol.eras import (
    ASSUMED_VERSION,
    HANDSHAKE_VERSIONS,
    HEADER_MISMATCH,
    VERSIONS,
    is_legacy_version,
)
from callgate.protocol.jsonrpc import (
    INVALID_REQUEST,
    Malformed,
    Message,
    error_response,
    parse_json,
    read_message,
)
from callgate.protocol.mcp import check_version, legacy_envelope, modern_envelope
from callgate.protocol.origins import is_loopback

BODY_SECONDS = 30.0  # for a whole body: who sends slower holds a place that others need


class Exchange:
    """One HTTP request from an agent, from its headers to its answer."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        scope: Scope,
        receive: Receive,
        send: Send,
        headers: dict[str, list[str]],
        route: str | None,
    ) -> None:
        self._dispatcher = dispatcher
        self._gateway = dispatcher.current()
        self._method: str = scope["method"]
        self._receive = receive
        self._send = send
        self._headers = headers
        self._route = route
        self._proof = _proof(scope, headers)

    async def run(self) -> None:
        if self._method == "POST":
            await self._post()
        elif self._method == "DELETE" and is_legacy_version(self._header(routing.VERSION)):
            await respond(self._send, await self._delete())
        else:
            await respond(self._send, Answer(405, headers=(("allow", "POST, DELETE"),)))

    async def _post(self) -> None:
        message: Message | None = None
        era: Era | None = None
        try:
            refusal = self._check_media()
            if refusal is not None:
                await respond(self._send, refusal)
                return
            body = await self._body_in_time()
            if body is None:
                return
            message = read_message(parse_json(body, max_depth=self._gateway.limits.max_depth))
            era = self._era(message)
            await self._answer(message, era)
        except Malformed as malformed:
            await self._note_malformed(malformed.reason)
            await respond(self._send, malformed_answer(malformed, era))
        except Refused as refused:
            message_id = message.id if message else None
            await respond(self._send, unidentified_answer(refused, message_id))

    async def _body_in_time(self) -> bytes | None:
        """The whole body; None where the caller was turned away instead."""
        try:
            async with asyncio.timeout(BODY_SECONDS):
                body = await self._body()
        except TimeoutError:
            await self._turn_away(408, f"The body did not arrive within {BODY_SECONDS:g} seconds.")
            return None
        if body is None:
            most = self._gateway.limits.max_body_bytes
            await self._turn_away(413, f"The body is larger than {most} bytes.")
        return body

    async def _turn_away(self, status: int, reason: str) -> None:
        """Answers a request whose body was not read."""
        await self._note_malformed(reason)
        await respond(self._send, Answer(status, error_response(None, INVALID_REQUEST, reason)))

    async def _answer(self, message: Message, era: Era) -> None:
        principal = await self._gateway.identified(self._proof)
        session: Session | None = None
        if era is Era.LEGACY:
            found = self._session(message, principal)
            if isinstance(found, Answer):
                await respond(self._send, found)
                return
            session = found
        if message.method is None or message.id is None:
            if message.is_response and era is Era.MODERN:
                raise Malformed(INVALID_REQUEST, "Responses are not accepted here.")
            self._dispatcher.take_note(message, session)
            await respond(self._send, Answer(202))
            return
        if era is Era.MODERN:
            envelope = modern_envelope(message)
            routing.check_routing(message, envelope.version, self._headers)
            check_version(message, envelope.version)
        else:
            version = session.version if session else ASSUMED_VERSION
            envelope = legacy_envelope(message, version, session.client if session else {})
        may_stream = "text/event-stream" in (self._header("accept") or "")
        caller = HttpCaller(self._send, envelope.progress_token, may_stream=may_stream)
        inbound = Inbound(
            message=message,
            envelope=envelope,
            era=era,
            route=self._route,
            proof=self._proof,
            principal=principal,
            caller=caller,
            session=session,
            headers=self._headers,
        )
        await self._finish(inbound, caller)

    async def _finish(self, inbound: Inbound, caller: HttpCaller) -> None:
        watch = Watch(self._receive, caller, inbound.era)
        try:
            answer = await self._dispatcher.answer(inbound)
        except asyncio.CancelledError:
            if watch.hung_up:
                return  # modern: the caller closed the stream, which is cancellation
            if self._dispatcher.is_stopping and not caller.is_gone:
                raise
            # Legacy: cancelled by notification. The request gets no response, only an end.
            await caller.finish(Answer(200, None))
            return
        finally:
            watch.stop()
        await caller.finish(answer)

    def _check_media(self) -> Answer | None:
        media = (self._header("content-type") or "").partition(";")[0].strip().lower()
        if media != "application/json":
            reason = "Content-Type must be application/json."
            return Answer(415, error_response(None, INVALID_REQUEST, reason))
        accept = self._header("accept") or "*/*"
        accepts_all = "*/*" in accept
        if not accepts_all and "application/json" not in accept:
            reason = "Accept must list application/json and text/event-stream."
            return Answer(406, error_response(None, INVALID_REQUEST, reason))
        return None

    async def _body(self) -> bytes | None:
        """The whole body; None where it is larger than allowed."""
        most = self._gateway.limits.max_body_bytes
        declared = self._header("content-length")
        if declared is not None and declared.isdecimal() and int(declared) > most:
            return None
        chunks: list[bytes] = []
        size = 0
        while True:
            event = await self._receive()
            if event["type"] == "http.disconnect":
                raise Malformed(INVALID_REQUEST, "The caller hung up before the body was complete.")
            chunk = event.get("body", b"")
            size += len(chunk)
            if size > most:
                return None
            if not event.get("more_body") and not chunks:
                return bytes(chunk)
            chunks.append(chunk)
            if not event.get("more_body"):
                return b"".join(chunks)

    def _era(self, message: Message) -> Era:
        version = self._header(routing.VERSION)
        if not is_legacy_version(version):
            return Era.MODERN
        meta = message.params.get("_meta")
        if isinstance(meta, dict) and routing.names_modern_version(meta):
            raise Malformed(
                HEADER_MISMATCH,
                "The header MCP-Protocol-Version does not say what the body says.",
                message_id=message.id,
            )
        return Era.LEGACY

    def _session(self, message: Message, principal: Principal) -> Session | Answer | None:
        if message.method == "initialize":
            return None
        version = self._header(routing.VERSION)
        if version is not None and version not in HANDSHAKE_VERSIONS:
            raise Malformed(
                INVALID_REQUEST, f"The protocol version {version[:32]!r} is not supported."
            )
        session_id = self._header("mcp-session-id")
        if session_id is None:
            reason = "The header Mcp-Session-Id is missing; send `initialize` first."
            return Answer(400, error_response(message.id, INVALID_REQUEST, reason))
        session = self._dispatcher.sessions.find(session_id, principal)
        if session is None:
            reason = "There is no such session; send `initialize` again."
            return Answer(404, error_response(message.id, INVALID_REQUEST, reason))
        return session

    async def _delete(self) -> Answer:
        try:
            principal = await self._gateway.identified(self._proof)
        except Refused as refused:
            return unidentified_answer(refused, None)
        session = self._dispatcher.sessions.find(self._header("mcp-session-id") or "", principal)
        if session is None:
            return Answer(404)
        self._dispatcher.sessions.close(session)
        return Answer(204)

    async def _note_malformed(self, reason: str) -> None:
        """A message that cannot be read is recorded where its sender is known."""
        try:
            principal = await self._gateway.identified(self._proof)
        except Refused:
            return
        gateway = self._gateway
        version = self._header(routing.VERSION) or ""
        call = Call(
            id=gateway.new_call_id(),
            received_at=gateway.clock.now(),
            era=Era.LEGACY if is_legacy_version(self._header(routing.VERSION)) else Era.MODERN,
            protocol_version=version if version in VERSIONS else "",
            proof=self._proof,
            requested_name="",
            route=self._route,
            principal=principal,
        )
        record_refusal(call, Refused("malformed", reason), gateway)

    def _header(self, name: str) -> str | None:
        values = self._headers.get(name)
        return values[0] if values else None


def _proof(scope: Scope, headers: dict[str, list[str]]) -> Proof:
    authorization = headers.get("authorization")
    api_key = headers.get("x-api-key")
    client = scope.get("client")
    return Proof(
        authorization=authorization[0] if authorization else None,
        api_key=api_key[0] if api_key else None,
        is_loopback=client is not None
        and is_loopback(client[0]) and "forwarded" not in headers
        and "x-forwarded-for" not in headers,
    )  # fmt: skip
