"""One HTTP request from an agent, from its headers to its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from callgate.asgi import Receive, Scope, Send
from callgate.downstream import batches, metadata
from callgate.downstream.callers import HttpCaller, is_primed
from callgate.downstream.dispatch import Dispatcher, malformed_answer, unidentified_answer
from callgate.downstream.heads import Head, refusal
from callgate.downstream.inbound import Answer, Inbound
from callgate.downstream.responding import Outlet, Watch, respond
from callgate.downstream.sessions import Session
from callgate.downstream.streams import Stream
from callgate.model import Call, Era, Json, Principal, Refused
from callgate.pipeline.pipeline import record_refusal
from callgate.protocol import headers as routing
from callgate.protocol.eras import (
    ASSUMED_VERSION,
    HEADER_MISMATCH,
    VERSIONS,
)
from callgate.protocol.jsonrpc import (
    INVALID_REQUEST,
    Malformed,
    Message,
    parse_json,
    read_message,
)
from callgate.protocol.mcp import check_version, legacy_envelope, modern_envelope


class Exchange:
    """One HTTP request from an agent, from its headers to its answer."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        scope: Scope,
        receive: Receive,
        send: Send,
        head: Head,
        route: str | None,
    ) -> None:
        self._dispatcher = dispatcher
        self._gateway = dispatcher.current()
        self._scope = scope
        self._method: str = scope["method"]
        self._receive = receive
        self._send = send
        self._head = head
        self._route = route
        self._proof = head.proof

    def run(self) -> Awaitable[None]:
        """Answers it. Never raises for what the agent did."""
        is_legacy = self._head.is_legacy
        if self._method == "POST":
            return self._post()
        if self._method == "GET" and is_legacy:
            return self._get()
        if self._method == "DELETE" and is_legacy:
            return self._delete()
        allowed = "POST, GET, DELETE" if is_legacy else "POST"
        return respond(self._send, Answer(405, headers=(("allow", allowed),)))

    async def _post(self) -> None:
        message: Message | None = None
        era: Era | None = None
        try:
            if self._head.unfit is not None:
                await respond(self._send, self._head.unfit)
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
        await respond(self._send, refusal(413, reason))

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
        is_handshake = session is None and era is Era.LEGACY  # its answer carries a header
        may_stream = self._head.may_stream and not is_handshake
        caller = HttpCaller(self._send, session, may_stream=may_stream)
        if session is not None and self._head.prefers_stream:
            caller.begin()
        await self._finish(self._inbound(message, era, principal, session, caller), caller)

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
            routing.check_routing(message, envelope.version, self._head.headers)
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
            headers=self._head.headers,
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
        if not self._head.is_legacy:
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
        if not self._head.may_stream and "*/*" not in self._head.accept:
            return refusal(406, "Accept must list text/event-stream.")
        try:
            principal = await self._gateway.identified(self._proof)
        except Refused as refused:
            return unidentified_answer(refused, None, self._challenge())
        session = self._session(principal, None)
        if isinstance(session, Answer):
            return session
        last_event_id = self._head.first("last-event-id")
        if last_event_id is None:
            standing = session.streams.standing
            return session, standing, standing.taken
        found = session.streams.find(last_event_id)
        if found is None:
            # Not 404, which would mean that the whole session is gone; and not the session's own
            # stream, on which the client would wait for an answer that never comes.
            return refusal(400, "There is no such event any more; send the request again.")
        stream, after = found
        if stream.is_ended and stream.next_after(after) is None:
            # An empty stream would make clients come back for more, again and again.
            return refusal(405, "Nothing more comes on this stream.")
        return session, stream, after

    async def _body(self) -> bytes | None:
        """The whole body; None where it is larger than allowed."""
        most = self._gateway.limits.max_body_bytes
        event = await self._receive()
        if event["type"] == "http.request" and not event.get("more_body"):  # mostly
            body: bytes = event.get("body", b"")
            return body if len(body) <= most else None
        if self._announced_bytes() > most:
            return None
        chunks: list[bytes] = []
        size = 0
        while True:
            if event["type"] == "http.disconnect":
                why = "The caller hung up before the body was complete, or was too slow with it."
                raise Malformed(INVALID_REQUEST, why)
            chunk = event.get("body", b"")
            size += len(chunk)
            if size > most:
                return None
            chunks.append(chunk)
            if not event.get("more_body"):
                return b"".join(chunks)
            event = await self._receive()

    def _announced_bytes(self) -> int:
        """What the head says that the body will be, where it says so."""
        for name, value in self._scope["headers"]:
            if name == b"content-length" and value.isdigit():
                return int(value[:20])
        return 0

    def _era(self, message: Message) -> Era:
        if not self._head.is_legacy:
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
        session_id = self._head.session_id
        if session_id is None:
            reason = "The header Mcp-Session-Id is missing; send `initialize` first."
            return refusal(400, reason, message_id)
        session = self._dispatcher.sessions.find(session_id, principal)
        if session is None:
            return refusal(404, "There is no such session; send `initialize` again.", message_id)
        return session

    async def _delete(self) -> None:
        try:
            principal = await self._gateway.identified(self._proof)
        except Refused as refused:
            await respond(self._send, unidentified_answer(refused, None, self._challenge()))
            return
        session = self._dispatcher.sessions.find(self._head.session_id or "", principal)
        if session is not None:
            self._dispatcher.sessions.close(session)
        await respond(self._send, Answer(404 if session is None else 204))

    async def _note_malformed(self, reason: str) -> None:
        """A message that cannot be read is recorded where its sender is known."""
        try:
            principal = await self._gateway.identified(self._proof)
        except Refused:
            return
        gateway = self._gateway
        version = self._head.version or ""
        call = Call(
            id=gateway.new_call_id(),
            received_at=gateway.clock.now(),
            era=Era.LEGACY if self._head.is_legacy else Era.MODERN,
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
        base = metadata.base_of(protection, self._scope, self._head.first("host") or "")
        return metadata.challenge(protection, base, self._scope["path"])
