"""Talking MCP over HTTP: finds the era, keeps sessions, tells the target when nobody waits."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from itertools import count

from callgate.model import Era, Ran
from callgate.ports import TargetError
from callgate.protocol.eras import HEADER_MISMATCH, MISSING_CAPABILITY, MODERN_ERRORS
from callgate.protocol.negotiation import Peer, Undecided, era_over_http, read_initialized
from callgate.protocol.outbound import (
    INITIALIZED,
    LIST_CHANGED,
    Headers,
    Message,
    WireError,
    answer_request,
    cancelled,
    modern_headers,
    read_fault,
)
from callgate.upstream.faults import Faults
from callgate.upstream.http_client import Exchange, HttpClient
from callgate.upstream.http_exchange import Answer, StreamCut, converse
from callgate.upstream.session import WORDS, Changes, Notes
from callgate.upstream.sharing import Shared
from callgate.upstream.tasks import Tasks, join

MAX_SESSIONS = 1000
OPENING_SECONDS = 15.0  # for the opening question, and for a handshake
COURTESY_SECONDS = 5.0  # for what we tell a target without needing its answer
MAX_RESUMES = 8
MAX_RETRY_SECONDS = 30.0
MAX_ANSWERS = 32  # requests of the target that we answer during one call
_VISIBLE = re.compile(r"[\x21-\x7e]{1,1024}")

# Statuses that say that the request was turned down, so that nothing was executed.
WITHOUT_EFFECT = frozenset(
    {400, 401, 403, 404, 405, 406, 407, 411, 413, 414, 415, 421, 426, 429, 431}
)
TURNED_DOWN = frozenset({401, 403, 404, 405, 407, 429})


class Attempt:
    """One request on its way: what is known about it when it fails."""

    def __init__(self, request_id: int, *, share_key: str = "") -> None:
        self.request_id = request_id
        self.share_key = share_key
        self.era: Era | None = None  # None: still opening
        self.notes: Notes | None = None
        self.exchange: Exchange | None = None
        self.answers = 0  # to requests of the target

    @property
    def is_sent(self) -> bool:
        """Whether any byte of it may have reached the target."""
        return self.exchange is not None and self.exchange.is_sent


class Session:
    """One session of the handshake era. `id` is None with a target that keeps none."""

    def __init__(self, session_id: str | None, peer: Peer) -> None:
        self.id = session_id
        self.peer = peer
        self.calls = 0
        self.used_at = 0.0

    @property
    def headers(self) -> Headers:
        """What every later request of the session carries."""
        headers = [("MCP-Protocol-Version", self.peer.version)]
        if self.id is not None:
            headers.append(("Mcp-Session-Id", self.id))
        return headers


class HttpDialogue:
    """The conversation with one target, of whichever era it turns out to be."""

    def __init__(
        self,
        client: HttpClient,
        faults: Faults,
        tasks: Tasks,
        ticks: Callable[[], float],
        max_bytes: int,
    ) -> None:
        self.era: Era | None = None
        self.changes = Changes()
        self._client = client
        self._faults = faults
        self._tasks = tasks
        self._max_bytes = max_bytes
        self._opening: asyncio.Task[Era] | None = None
        self._ids = count(1)
        self._sessions = Shared(self._establish, self._end, ticks, most=MAX_SESSIONS)

    def next_id(self) -> int:
        """A JSON-RPC id, and progress token, that no other request to this target has."""
        return next(self._ids)

    def forget_era(self) -> None:
        """Has the next request ask again which era is spoken."""
        self.era = None

    async def open(self) -> Era:
        """The era, asked for once however many wait. Raises TargetError, or as an exchange does."""
        if self.era is not None:
            return self.era
        if self._opening is None or self._opening.done():
            self._opening = self._tasks.start(self._ask_era(), "opening")
        return await join(self._opening)

    async def _ask_era(self) -> Era:
        attempt = Attempt(self.next_id())
        headers = modern_headers("server/discover")
        try:
            async with asyncio.timeout(OPENING_SECONDS):
                answer = await self._post(attempt, headers, WORDS.discover(attempt.request_id))
            self.era = era_over_http(answer.status, answer.message)
        except Undecided:
            raise self._turned_down(answer) from None
        except TimeoutError:
            raise self._faults.timeout(OPENING_SECONDS, is_sent=False) from None
        return self.era

    async def ask(self, attempt: Attempt, modern: Headers, body: bytes) -> Message:
        """The response to a request. Raises TargetError and what an exchange raises.

        Cancelled: the target learns it, by the closed connection or by a notification.
        """
        if attempt.era is Era.MODERN:
            return self._read_modern(attempt, await self._post(attempt, modern, body))
        session = await self._sessions.get(attempt.share_key)
        answer = await self._ask_in(session, attempt, body)
        if answer.status == 404 and session.id is not None:
            # The session is gone and the request was turned down with it: the one case of a retry.
            self._sessions.drop(attempt.share_key, session)
            attempt.exchange = None
            session = await self._sessions.get(attempt.share_key)
            answer = await self._ask_in(session, attempt, body)
        if answer.status == 200 or _answers(answer, attempt):
            assert answer.message is not None  # noqa: S101 - both conditions imply it
            return answer.message
        if answer.status in (400, 404):  # what servers say, too, to a session they do not know
            self._sessions.drop(attempt.share_key, session)
        raise self._turned_down(answer)

    async def _ask_in(self, session: Session, attempt: Attempt, body: bytes) -> Answer:
        session.calls += 1
        try:
            try:
                return await self._post(attempt, session.headers, body)
            except StreamCut as cut:
                return await self._resume(session, attempt, cut)
        except asyncio.CancelledError:
            if attempt.is_sent:
                note = cancelled(attempt.request_id)
                self._tasks.start(self._tell(session.headers, note), "cancelling")
            raise
        finally:
            session.calls -= 1

    async def _resume(self, session: Session, attempt: Attempt, cut: StreamCut) -> Answer:
        """Takes up a cut stream where it ended (2025-11-25, "Resumability"): the call is not made
        again. Without an event id, or cut again and again: lost."""
        for _ in range(MAX_RESUMES):
            if cut.last_id is None or not _VISIBLE.fullmatch(cut.last_id):
                break
            await asyncio.sleep(min(cut.retry_seconds or 0.0, MAX_RETRY_SECONDS))
            headers = [*session.headers, ("Last-Event-ID", cut.last_id)]
            exchange = self._client.request("GET", headers)
            try:
                answer = await self._converse(exchange, attempt)
            except StreamCut as again:
                cut = again if again.last_id is not None else cut
                continue
            if answer.status == 200:
                return answer
            break
        raise cut

    async def _post(self, attempt: Attempt, headers: Headers, body: bytes) -> Answer:
        exchange = attempt.exchange = self._client.request("POST", headers, body)
        return await self._converse(exchange, attempt)

    async def _converse(self, exchange: Exchange, attempt: Attempt) -> Answer:
        async def on_message(message: Message) -> None:
            await self._hear(message, attempt)

        return await converse(exchange, attempt.request_id, on_message, self._max_bytes)

    async def _hear(self, message: Message, attempt: Attempt) -> None:
        if message.id is not None:
            await self._answer(message, attempt)
        elif message.method == LIST_CHANGED:
            self.changes.announce()
        elif attempt.notes is not None:
            await attempt.notes.pass_on(message)

    async def _answer(self, message: Message, attempt: Attempt) -> None:
        """Answers a request of a legacy target; in the modern era there are none."""
        attempt.answers += 1
        if attempt.era is not Era.LEGACY or attempt.answers > MAX_ANSWERS:
            raise WireError(f"a request of its own ({str(message.method)[:40]!r}) during a call")
        session = await self._sessions.get(attempt.share_key)
        self._tasks.start(self._tell(session.headers, answer_request(message)), "answering")

    async def _tell(self, headers: Headers, body: bytes, method: str = "POST") -> None:
        """Sends what needs no answer. Target down or slow: it finds out by itself."""
        async with asyncio.timeout(COURTESY_SECONDS), self._client.request(method, headers, body):
            return

    async def _establish(self, _key: str) -> Session:
        attempt = Attempt(self.next_id())
        try:
            async with asyncio.timeout(OPENING_SECONDS):
                answer = await self._post(attempt, [], WORDS.initialize(attempt.request_id))
                if answer.status != 200 or answer.message is None:
                    raise self._no_handshake(answer)
                if answer.session_id is not None and not _VISIBLE.fullmatch(answer.session_id):
                    raise WireError("a session id that is not visible ASCII")
                session = Session(answer.session_id, read_initialized(answer.message))
                await self._tell(session.headers, INITIALIZED)
        except TimeoutError:
            raise self._faults.timeout(OPENING_SECONDS, is_sent=False) from None
        except WireError as error:
            raise self._faults.protocol(f"initialize: {error}", ran=Ran.NO) from None
        return session

    async def _end(self, session: Session) -> None:
        if session.id is not None:
            await self._tell(session.headers, b"", "DELETE")

    async def close(self) -> None:
        """Ends the sessions."""
        await self._sessions.close()

    def _read_modern(self, attempt: Attempt, answer: Answer) -> Message:
        message = answer.message
        if message is None or not (answer.status == 200 or _answers(answer, attempt)):
            raise self._turned_down(answer)
        if bytes(message.error) and (fault := read_fault(message)).code in MODERN_ERRORS:
            if fault.code == HEADER_MISMATCH:
                self.changes.announce()  # most likely the tool changed since it was listed
            reason = f"the error {fault.code}: {fault.message[:200]}"
            if fault.code == MISSING_CAPABILITY:
                reason += " (it wants the client to offer what Callgate does not)"
            raise self._faults.protocol(reason, ran=Ran.NO)
        return message

    def _turned_down(self, answer: Answer) -> TargetError:
        status = answer.status
        if status in TURNED_DOWN or 300 <= status < 400:
            return self._faults.unavailable(answer.detail, reason="turned the gateway away")
        ran = Ran.NO if status in WITHOUT_EFFECT else Ran.UNKNOWN
        return self._faults.protocol(answer.detail or f"HTTP {status} to a request", ran=ran)

    def _no_handshake(self, answer: Answer) -> TargetError:
        if answer.status in (400, 404, 405):
            detail = (
                f"HTTP {answer.status} to `initialize`: nothing speaks streamable HTTP at this URL."
                " The HTTP+SSE transport of 2024-11-05 is not supported; if the target offers"
                " streamable HTTP too (often at /mcp), set `url` to that"
            )
            return self._faults.unavailable(detail)
        return self._turned_down(answer)


def _answers(answer: Answer, attempt: Attempt) -> bool:
    """Whether a status other than 200 carries the JSON-RPC error for this very request."""
    return answer.message is not None and answer.message.id == attempt.request_id
