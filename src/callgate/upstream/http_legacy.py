"""Legacy targets over HTTP: a session per client and offer, its streams, and lost ones restored."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from functools import partial

import msgspec

from callgate.model import NOTHING, Features, Json, Offer, Ran
from callgate.ports import Pausing
from callgate.protocol.eras import META_PROGRESS, MODERN_ERRORS
from callgate.protocol.http1 import HttpError
from callgate.protocol.jsonrpc import REFUSED, encode
from callgate.protocol.negotiation import LEGACY_STATUSES, read_initialized
from callgate.protocol.outbound import (
    CHANGES,
    INITIALIZED,
    LOGGED,
    PROGRESS,
    ROOTS_CHANGED,
    UPDATED,
    Message,
    WireError,
    cancelled,
    read_fault,
    read_params,
)
from callgate.upstream.faults import Lost, Unreachable
from callgate.upstream.http_asking import CANCELLED, Asks
from callgate.upstream.http_exchange import Answer, StreamCut, converse
from callgate.upstream.http_listening import SessionStream
from callgate.upstream.http_session import (
    MAX_SUBSCRIPTIONS,
    Session,
    answer_target,
    key_of,
    whom_to_ask,
)
from callgate.upstream.http_wire import (
    COURTESY_SECONDS,
    VISIBLE,
    Attempt,
    NoHandshake,
    Wire,
    answer_of,
    ignore,
)
from callgate.upstream.session import WORDS
from callgate.upstream.sharing import Shared

MAX_SESSIONS = 20_000
OPENING_SECONDS = 15.0  # for a handshake
STREAM_SECONDS = 1.0  # how long a call waits for the session's stream to be there first
MAX_RESUMES = 8  # without an event between them
MAX_RETRY_SECONDS = 30.0
SET_LEVEL = "logging/setLevel"
SUBSCRIBE = "resources/subscribe"
UNSUBSCRIBE = "resources/unsubscribe"
_log = logging.getLogger("callgate.upstream")


class LegacySide:
    """The conversation with a target of the handshake era."""

    def __init__(self, wire: Wire, ticks: Callable[[], float]) -> None:
        self._wire = wire
        self._sessions = Shared(self._establish_own, self._end, ticks, most=MAX_SESSIONS)
        self._keys: dict[str, tuple[str, ...]] = {}  # session key → the keys of its sessions
        self._streams = SessionStream(wire, self._overhear, self._again, ticks)
        self._features = Features()
        self._is_watched = False
        self._heard = ""  # the key of the gateway's own session whose stream is open

    def forget(self) -> None:
        """What was found out about the target may not hold any more."""
        self._streams.exist = True

    async def features(self, offer: Offer) -> Features:
        """What the handshake said to a client with this offer."""
        session = await self._session_for(Attempt(self._wire.next_id(), offer=offer))
        return session.features

    def watch(self, *, is_wanted: bool) -> None:
        """Keeps the stream of one of the gateway's own sessions open, or not."""
        self._is_watched = is_wanted
        for key in self._keys.get("", ()):
            own = self._sessions.peek(key)
            if own is not None and is_wanted:
                self._hear_changes(own)
            elif own is not None:
                own.stop()

    def _hear_changes(self, own: Session) -> None:
        """Opens its stream, unless another is heard: all would say the same."""
        other = self._sessions.peek(self._heard)
        is_heard = other is not None and other.listening is not None and other.key != own.key
        tells = any(own.features.has(what, "listChanged") for what in CHANGES.values())
        if tells and not is_heard:
            self._heard = own.key
            self._streams.open(own)

    async def ask(self, attempt: Attempt, body: bytes) -> Message:
        """The response to a request. Raises TargetError, NoHandshake and what an exchange raises.

        Cancelled: the target is told.
        """
        session = await self._session_for(attempt)
        refused = await self._prepare(session, attempt)
        if refused is not None:
            return refused
        answer = await self._ask_in(session, attempt, body)
        if session.id is not None and _is_unknown(answer):
            # The session is gone and the request was turned down with it: the one case of a retry.
            session = await self._again(session)
            attempt.exchange = None
            answer = await self._ask_in(session, attempt, body)
        message = answer_of(answer, attempt)
        if message is None:
            # What servers say, too, to a session that they do not know.
            session.is_doubtful = answer.status in (400, 404)
            raise self._wire.turned_down(answer)
        if bytes(message.error) and (fault := read_fault(message)).code in MODERN_ERRORS:
            # Another server has taken the place of the one that shook hands.
            raise self._wire.faults.protocol(f"the error {fault.code} of a later era", ran=Ran.NO)
        if attempt.request is not None and bytes(message.result):
            _note(session, attempt.request.tool.method, attempt.request.params)
        return message

    async def _session_for(self, attempt: Attempt) -> Session:
        session_key, offer = attempt.session_key, attempt.offer
        key = key_of(session_key, offer)
        if self._sessions.peek(key) is None:
            known = self._keys.get(session_key, ())
            if key not in known:
                self._keys[session_key] = (*known, key)
        try:
            make = partial(self._establish, session_key, offer, None)
            session = await self._sessions.get(key, make)
            if session.is_doubtful and not session.attempts:
                session = await self._again(session)
            return session
        except Exception:
            if self._sessions.peek(key) is None:
                self._forget_key(session_key, key)
            raise

    async def _prepare(self, session: Session, attempt: Attempt) -> Message | None:
        """Has the target know what it must before the request; a message: it is not made."""
        request = attempt.request
        if request is None:
            return None
        if request.beyond is not None:
            session.beyond = request.beyond
        if request.beyond is not None or not request.offer.is_empty:
            await self._streams.opened(session, STREAM_SECONDS)
        level, method = request.log_level, request.tool.method
        if level is not None and level != session.log_level and method != SET_LEVEL:
            await self._set_level(session, level)
        if method == SUBSCRIBE and len(session.subscriptions) >= MAX_SUBSCRIPTIONS:
            reason = f"More than {MAX_SUBSCRIPTIONS} subscriptions; end some of them first."
            error = encode({"code": REFUSED, "message": reason})
            return Message(id=attempt.request_id, error=msgspec.Raw(error))
        return None

    async def _set_level(self, session: Session, level: str) -> None:
        """Told once; a target that will not hear it still gets the call."""
        if session.features.has("logging"):
            session.log_level = level
            await self._ask_aside(session, SET_LEVEL, {"level": level})

    async def _ask_aside(self, session: Session, method: str, params: dict[str, Json]) -> bool:
        """Makes a request of the gateway's own; whether it had a result."""
        attempt = Attempt(self._wire.next_id())
        body = WORDS.request(attempt.request_id, method, encode(params), b"")
        answer = await self._wire.post(attempt, session.headers, body, ignore)
        return answer.message is not None and bool(bytes(answer.message.result))

    async def _ask_in(self, session: Session, attempt: Attempt, body: bytes) -> Answer:
        session.enter(attempt)
        on_message = partial(self._hear, session, attempt)
        try:
            try:
                return await self._wire.post(attempt, session.headers, body, on_message)
            except StreamCut as cut:
                return await self._resume(session, attempt, cut)
        except asyncio.CancelledError:
            if attempt.is_sent:
                note = cancelled(attempt.request_id)
                telling = self._wire.tell(session.headers, note, wanted=attempt.wanted)
                self._wire.tasks.start(telling, "cancelling")
            raise
        finally:
            if attempt.asks is not None:
                attempt.asks.end("The call is over.")
            session.leave(attempt)

    async def _resume(self, session: Session, attempt: Attempt, cut: StreamCut) -> Answer:
        """Takes up a cut stream where it ended (2025-11-25, "Resumability"): the call is not made
        again. Without an event id, or cut again and again without an event: lost."""
        last_id, retry_seconds, tries = cut.last_id, cut.retry_seconds, 0
        on_message = partial(self._hear, session, attempt)
        caller: object = attempt.caller
        if retry_seconds is not None and isinstance(caller, Pausing):
            caller.pause(retry_seconds)  # the target wants to be polled: the agent may do so, too
        while last_id is not None and VISIBLE.fullmatch(last_id) and tries < MAX_RESUMES:
            await asyncio.sleep(min(max(retry_seconds or 0.0, tries * 0.1), MAX_RETRY_SECONDS))
            headers = [*session.headers, ("Last-Event-ID", last_id)]
            exchange = self._wire.client.request("GET", headers, wanted=attempt.wanted)
            try:
                answer = await converse(
                    exchange, attempt.request_id, on_message, self._wire.max_bytes
                )
            except StreamCut as again:
                is_further = again.last_id not in (None, last_id)
                tries = 0 if is_further else tries + 1
                last_id = again.last_id or last_id
                retry_seconds = again.retry_seconds or retry_seconds
            except (Lost, Unreachable):  # not for long, perhaps; the call itself was sent
                tries += 1
            else:
                if answer.status == 200:
                    return answer
                break
        raise cut

    async def _hear(self, session: Session, attempt: Attempt, message: Message) -> None:
        """Takes what the target says on the stream of one request."""
        if message.id is not None:
            if attempt.asks is None:
                attempt.asks = self._asks(session, attempt.wanted)
            answer = partial(answer_target, session.offer, message, attempt.caller, (attempt,))
            attempt.asks.begin(message, answer)
        elif message.method in (PROGRESS, LOGGED):
            if attempt.notes is not None:
                await attempt.notes.pass_on(message)
        else:
            await self._hear_unasked(session, message)

    async def _overhear(self, session: Session, message: Message) -> None:
        """Takes what the target says on the stream of a session, outside any request."""
        if message.is_response:
            return  # to nothing that still waits
        if message.id is not None:
            if session.asks is None:
                session.asks = self._asks(session)
            calls = tuple(session.attempts.values())  # any of them may wait for this
            answer = partial(
                answer_target, session.offer, message, whom_to_ask(session, calls), calls
            )
            session.asks.begin(message, answer)
        elif message.method == PROGRESS:
            token = read_params(message).get(META_PROGRESS)
            attempt = session.attempts.get(token) if type(token) is int else None
            if attempt is not None and attempt.notes is not None:
                await attempt.notes.pass_on(message)
        else:
            await self._hear_unasked(session, message)

    async def _hear_unasked(self, session: Session, message: Message) -> None:
        method = message.method or ""
        if method == CANCELLED:
            for asks in session.all_asks():
                asks.hear_cancelled(message)
        if method in CHANGES:
            self._wire.changes.announce(CHANGES[method])
        if session.beyond is not None and (method in CHANGES or method in (UPDATED, LOGGED)):
            await session.beyond.notify(method, read_params(message))

    def _asks(self, session: Session, wanted: Mapping[str, str] | None = None) -> Asks:
        telling = partial(self._wire.tell, session.headers, wanted=wanted)
        return Asks(self._wire.tasks, telling)

    async def _again(self, session: Session) -> Session:
        """What a lost session is replaced by, once nothing is in flight in it. Raises TargetError.

        Those in flight may have lost it, too, and come here: they are waited for, within bounds.
        """
        try:
            async with asyncio.timeout(COURTESY_SECONDS):
                await session.quiet()
        except TimeoutError:
            reason = "lost the session, with other calls still in it"
            raise self._wire.faults.unavailable("HTTP 404", reason=reason) from None
        make = partial(self._establish, session.session_key, session.offer, session)
        another = await self._sessions.replace(session.key, session, make)
        session.stop()
        return another

    async def _establish_own(self, _key: str) -> Session:
        return await self._establish("", NOTHING, None)

    async def _establish(self, session_key: str, offer: Offer, lost: Session | None) -> Session:
        attempt = Attempt(self._wire.next_id(), offer=offer)
        try:
            async with asyncio.timeout(OPENING_SECONDS):
                body = WORDS.initialize(attempt.request_id, offer)
                answer = await self._wire.post(attempt, [], body, ignore)
                features = self._read_handshake(answer)
                session = Session(session_key, offer, answer.session_id, features)
                await self._wire.tell(session.headers, INITIALIZED)
                await self._begin(session, lost)
        except TimeoutError:
            raise self._wire.faults.timeout(OPENING_SECONDS, is_sent=False) from None
        except WireError as error:
            raise self._wire.faults.protocol(f"initialize: {error}", ran=Ran.NO) from None
        return session

    def _read_handshake(self, answer: Answer) -> Features:
        if answer.status in LEGACY_STATUSES:
            raise NoHandshake(f"{answer.detail} to `initialize`")
        if answer.status != 200 or answer.message is None:
            raise self._wire.turned_down(answer)
        if answer.session_id is not None and not VISIBLE.fullmatch(answer.session_id):
            raise WireError("a session id that is not visible ASCII")
        features = read_initialized(answer.message)
        if features != self._features:
            self._features = features
        return self._features  # one for all sessions that were told the same

    async def _begin(self, session: Session, lost: Session | None) -> None:
        """Opens its stream, and tells the target what it was told in the session it lost."""
        if lost is not None:
            session.beyond = lost.beyond
        if session.beyond is not None:
            self._streams.open(session)
        elif self._is_watched and not session.session_key:
            self._hear_changes(session)
        if lost is None:
            return
        if lost.log_level is not None:
            await self._set_level(session, lost.log_level)
        for uri in sorted(lost.subscriptions):
            if await self._ask_aside(session, SUBSCRIBE, {"uri": uri}):
                session.subscriptions |= {uri}
        self._wire.tasks.start(self._streams.tell_missed(session), "telling what was missed")

    def _forget_key(self, session_key: str, key: str) -> None:
        rest = tuple(one for one in self._keys.get(session_key, ()) if one != key)
        if rest:
            self._keys[session_key] = rest
        else:
            self._keys.pop(session_key, None)

    async def _end(self, session: Session) -> None:
        """Target down or slow: it ends the session by itself some day."""
        self._forget_key(session.session_key, session.key)
        session.stop()
        if session.id is not None:
            try:
                await self._wire.tell(session.headers, b"", "DELETE")
            except (TimeoutError, Unreachable, Lost, HttpError) as error:
                _log.debug("a session could not be ended: %s", error)

    async def release(self, session_key: str) -> None:
        """Ends all sessions of this key."""
        for key in self._keys.pop(session_key, ()):
            await self._sessions.release(key)

    def roots_changed(self, session_key: str) -> None:
        """Tells it in every session of this key that offers roots."""
        for key in self._keys.get(session_key, ()):
            session = self._sessions.peek(key)
            if session is not None and "roots" in session.offer.capabilities:
                telling = self._wire.tell(session.headers, ROOTS_CHANGED)
                self._wire.tasks.start(telling, "telling of roots")

    def stop(self) -> None:
        """Another era is spoken there now: nothing is to be heard in any session."""
        for session in self._sessions.all():
            session.stop()

    async def close(self) -> None:
        """Ends the sessions."""
        await self._sessions.close()


def _is_unknown(answer: Answer) -> bool:
    """404, or as the TypeScript SDK's examples have it: 400 and an error that is of no request."""
    message = answer.message
    return answer.status == 404 or (
        answer.status == 400 and message is not None and message.id is None
    )


def _note(session: Session, method: str, params: bytes) -> None:
    """Keeps what a session that replaces this one must be told again."""
    if method not in (SUBSCRIBE, UNSUBSCRIBE, SET_LEVEL):
        return
    said = msgspec.json.decode(params)
    uri, level = said.get("uri"), said.get("level")
    if method == SUBSCRIBE and isinstance(uri, str):
        session.subscriptions |= {uri}
    elif method == UNSUBSCRIBE:
        session.subscriptions -= {uri}
    elif isinstance(level, str):
        session.log_level = level
