"""One HTTP request from an agent, from its headers to its answer."""

from __future__ import annotations

import asyncio

from callgate.downstream import batches, metadata
from callgate.downstream.callers import HttpCaller, is_primed
from callgate.downstream.dispatch import Dispatcher, malformed_answer, unidentified_answer
from callgate.downstream.inbound import Answer, Inbound
from callgate.downstream.responding import Outlet, Receive, Scope, Send, Watch, respond
from callgate.downstream.sessions import Session
from callgate.downstream.streams import Stream
from callgate.model import Call, Era, Json, Principal, Proof, Refused
from callgate.pipeline.pipeline import record_refusal
from callgate.protocol import headers as routing
from callgate.protocol.eras import (
    ASSUMED_VERSION,
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

STREAM = "text/event-stream"


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
        self._scope = scope
        self._method: str = scope["method"]
        self._receive = receive
        self._send = send
        self._headers = headers
        self._route = route
        self._proof = _proof(scope, headers)

    async def run(self) -> None:
        """Answers it. Never raises for what the agent did."""
        is_legacy = is_legacy_version(self._header(routing.VERSION))
        if self._method == "POST":
            await self._post()
        elif self._method == "GET" and is_legacy:
            await self._get()
        elif self._method == "DELETE" and is_legacy:
            await respond(self._send, await self._delete())
        else:
            allowed = "POST, GET, DELETE" if is_legacy else "POST"
            await respond(self._send, Answer(405, headers=(("allow", allowed),)))

    async def _post(self) -> None:
        message: Message | None = None
        era: Era | None = None
        try:
            refusal = self._check_media()
            if refusal is not None:
                await respond(self._send, refusal)
                return
            body = await self._body()
            if body is None:
                await self._turn_away()
                return
            value = parse_json(body, max_depth=self._gateway.limits.max_depth)
            if isinstance(value, list) and await self._took_batch(value):
                return
            message = read_message(value)
            era = self._era(message)
            await self._answer(message, era)
        except (Malformed, Refused) as problem:
            message_id = message.id if message else None
            await respond(self._send, await self._problem(problem, era, message_id))

    async def _problem(
        self, problem: Malformed | Refused, era: Era | None, message_id: Json
    ) -> Answer:
        """The answer to a message that is not taken."""
        if isinstance(problem, Refused):
            return unidentified_answer(problem, message_id, self._challenge())
        await self._note_malformed(problem.reason)
        return malformed_answer(problem, era)

    async def _turn_away(self) -> None:
        """Answers a request whose body is too large to be read."""
        reason = f"The body is larger than {self._gateway.limits.max_body_bytes} bytes."
        await self._note_malformed(reason)
        await respond(self._send, _refusal(413, reason))

    async def _answer(self, message: Message, era: Era) -> None:
        principal = await self._gateway.identified(self._proof)
        session: Session | None = None
        if era is Era.LEGACY and message.method != "initialize":
            found = self._session(principal, message.id)
            if isinstance(found, Answer):
                await respond(self._send, found)
                return
            session = found
        if message.method is None or message.id is None:
            self._take(message, session)
            await respond(self._send, Answer(202))
            return
        may_stream = STREAM in (self._header("accept") or "")
        is_handshake = session is None and era is Era.LEGACY  # its answer carries a header
        caller = HttpCaller(self._send, session, may_stream=may_stream and not is_handshake)
        if session is not None and self._prefers_stream():
            caller.begin()
        await self._finish(self._inbound(message, era, principal, session, caller), caller)

    def _prefers_stream(self) -> bool:
        """Whether the agent names the stream before JSON: equals go by their order then."""
        accept = self._header("accept") or ""
        return -1 < accept.find(STREAM) < accept.find("application/json")

    def _take(self, message: Message, session: Session | None) -> None:
        """A message that gets no answer: a notification, or the response to a request of ours."""
        if not message.is_response:
            self._dispatcher.take_note(message, session)
        elif session is None:
            raise Malformed(INVALID_REQUEST, "Responses are not accepted here.")
        else:
            session.asks.answer(message)

    def _inbound(
        self,
        message: Message,
        era: Era,
        principal: Principal,
        session: Session | None,
        caller: HttpCaller,
    ) -> Inbound:
        if era is Era.MODERN:
            envelope = modern_envelope(message)
            routing.check_routing(message, envelope.version, self._headers)
            check_version(message, envelope.version)
        else:
            version = session.version if session else ASSUMED_VERSION
            envelope = legacy_envelope(message, version, session.client if session else {})
        return Inbound(
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

    async def _finish(self, inbound: Inbound, caller: HttpCaller) -> None:
        watch = Watch(self._dispatcher.deadlines, self._receive, caller.hang_up, caller.begin)
        try:
            answer = await self._dispatcher.answer(inbound)
        except asyncio.CancelledError:
            if inbound.era is Era.MODERN and caller.has_hung_up:
                caller.abandon()
                return  # the caller closed the stream, which is cancellation
            if self._dispatcher.is_stopping and not caller.is_gone:
                caller.abandon()
                raise
            # Legacy: cancelled by notification. The request gets no response, only an end.
            answer = Answer(200, None)
        except (Malformed, Refused) as problem:
            if not caller.has_begun:
                raise
            answer = await self._problem(problem, inbound.era, inbound.message.id)
        except BaseException:
            caller.abandon()
            raise
        finally:
            watch.stop()
        await caller.finish(answer)

    async def _took_batch(self, values: list[Json]) -> bool:
        """Answers a batch, where the session is of the revision that has them."""
        if not is_legacy_version(self._header(routing.VERSION)):
            return False
        principal = await self._gateway.identified(self._proof)
        session = self._session(principal, None)
        if isinstance(session, Answer) or session.version != batches.VERSION:
            return False
        caller = HttpCaller(self._send, session, may_stream=False)

        async def treat(message: Message) -> bytes | None:
            if message.method is None or message.id is None:
                self._take(message, session)
                return None
            inbound = self._inbound(message, Era.LEGACY, principal, session, caller)
            return (await self._dispatcher.answer(inbound)).body

        watch = Watch(self._dispatcher.deadlines, self._receive, caller.hang_up)
        try:
            body = await batches.answer_batch(values, treat, self._note_malformed)
        finally:
            watch.stop()
        await respond(self._send, Answer(202) if body is None else Answer(200, body))
        return True

    async def _get(self) -> None:
        """The session's own stream, or the rest of a call's stream that broke off."""
        found = await self._to_read()
        if isinstance(found, Answer):
            await respond(self._send, found)
            return
        session, stream, after = found
        reading = stream.attach(after)
        outlet = Outlet(self._send, reading, has_ids=True, is_primed=is_primed(session))
        watch = Watch(self._dispatcher.deadlines, self._receive, outlet.close)
        try:
            await outlet.done()
        finally:
            watch.stop()
            outlet.close()
            self._dispatcher.sessions.use(session)

    async def _to_read(self) -> tuple[Session, Stream, int] | Answer:
        """Which stream of which session, and after which message; or why there is none."""
        accept = self._header("accept") or ""
        if STREAM not in accept and "*/*" not in accept:
            return _refusal(406, "Accept must list text/event-stream.")
        try:
            principal = await self._gateway.identified(self._proof)
        except Refused as refused:
            return unidentified_answer(refused, None, self._challenge())
        session = self._session(principal, None)
        if isinstance(session, Answer):
            return session
        last_event_id = self._header("last-event-id")
        if last_event_id is None:
            standing = session.streams.standing
            return session, standing, standing.taken
        found = session.streams.find(last_event_id)
        if found is None:
            # Not 404, which would mean that the whole session is gone; and not the session's own
            # stream, on which the client would wait for an answer that never comes.
            return _refusal(400, "There is no such event any more; send the request again.")
        stream, after = found
        if stream.is_ended and stream.next_after(after) is None:
            # An empty stream would make clients come back for more, again and again.
            return _refusal(405, "Nothing more comes on this stream.")
        return session, stream, after

    def _check_media(self) -> Answer | None:
        media = (self._header("content-type") or "").partition(";")[0].strip().lower()
        if media != "application/json":
            return _refusal(415, "Content-Type must be application/json.")
        accept = self._header("accept") or "*/*"
        accepts_all = "*/*" in accept
        if not accepts_all and "application/json" not in accept:
            return _refusal(406, "Accept must list application/json and text/event-stream.")
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
                why = "The caller hung up before the body was complete, or was too slow with it."
                raise Malformed(INVALID_REQUEST, why)
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

    def _session(self, principal: Principal, message_id: Json) -> Session | Answer:
        session_id = self._header("mcp-session-id")
        if session_id is None:
            reason = "The header Mcp-Session-Id is missing; send `initialize` first."
            return _refusal(400, reason, message_id)
        session = self._dispatcher.sessions.find(session_id, principal)
        if session is None:
            return _refusal(404, "There is no such session; send `initialize` again.", message_id)
        return session

    async def _delete(self) -> Answer:
        try:
            principal = await self._gateway.identified(self._proof)
        except Refused as refused:
            return unidentified_answer(refused, None, self._challenge())
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

    def _challenge(self) -> str:
        """Where a caller without a token can get one."""
        protection = self._gateway.protection
        base = metadata.base_of(protection, self._scope, self._header("host") or "")
        return metadata.challenge(protection, base, self._scope["path"])

    def _header(self, name: str) -> str | None:
        values = self._headers.get(name)
        return values[0] if values else None


def _refusal(status: int, reason: str, message_id: Json = None) -> Answer:
    return Answer(status, error_response(message_id, INVALID_REQUEST, reason))


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
