"""MCP over one pipe that both sides speak on at will: requests of ours and theirs, told apart."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

from callgate.model import Era, Features, Json, Offer
from callgate.ports import Caller
from callgate.protocol.eras import META_PROGRESS
from callgate.protocol.jsonrpc import INTERNAL_ERROR, encode, error_response, response
from callgate.protocol.methods import LEVELS
from callgate.protocol.outbound import (
    ACKNOWLEDGED,
    CHANGES,
    LOGGED,
    PROGRESS,
    UPDATED,
    Message,
    WireError,
    cancelled,
    not_offered,
    read_params,
    without_subscription,
)
from callgate.upstream.audience import Attached, Audience
from callgate.upstream.faults import Lost, Patience
from callgate.upstream.session import WORDS, Changes, Notes, answered
from callgate.upstream.tasks import Tasks

MAX_NOTES = 256  # of one call, waiting for a slow agent; older ones give way
MAX_ASKING = 32  # requests of the target that are being answered at a time
MAX_ASKED_IN_CALL = 100  # requests of the target during one call
CANCELLED = "notifications/cancelled"
UNCLEAR = (
    "The gateway cannot tell whom to ask: several sessions use this target at the same time."
    " Set `share: session` for it."
)
_log = logging.getLogger("callgate.upstream")


class Asked:
    """One request of ours on the pipe, and what has come back for it so far."""

    def __init__(
        self, request_id: int, notes: Notes | None = None, patience: Patience | None = None
    ) -> None:
        self.request_id = request_id
        self.notes = notes  # None: it is no call of an agent
        self.patience = patience
        self.is_sent = False
        self.times_asked = 0  # by the target, meanwhile
        self._queue: deque[Message] = deque(maxlen=MAX_NOTES)
        self._reply: Message | None = None
        self._error: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None

    def mark_sent(self) -> None:
        """Some of it may have reached the target."""
        self.is_sent = True

    def begin_again(self) -> None:
        """Nothing of it was sent, and it is tried on another pipe."""
        self._reply = self._error = None

    def hear(self, message: Message) -> None:
        """Takes a notification of this call. Never waits: the pipe is everybody's."""
        if self.notes is not None:
            self._queue.append(message)
            self._wake()

    def end(self, end: Message | Exception) -> None:
        """Takes the response, or the reason why there will be none. The first one counts."""
        if self._reply is None and self._error is None:
            if isinstance(end, Exception):
                self._error = end
            else:
                self._reply = end
            self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def reply(self) -> Message:
        """Hands on what is said meanwhile and waits for the response."""
        while True:
            while self._queue and self.notes is not None:
                await self.notes.pass_on(self._queue.popleft())
            if self._reply is not None:
                return self._reply
            if self._error is not None:
                raise self._error
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter


class _Question:
    """One request of the target that is being answered, and the calls that wait for that."""

    def __init__(self, message: Message, key: str, calls: set[Asked]) -> None:
        self.message = message
        self.key = key  # whose session is asked
        self.calls = calls  # empty: it came outside any call
        self.task: asyncio.Task[None] | None = None


@dataclass(frozen=True, slots=True)
class Terms:
    """What a pipe is opened with."""

    audience: Audience
    changes: Changes
    next_id: Callable[[], int]
    offer: Offer  # what clients that use it offer, and what a legacy target is told


class Duplex(ABC):
    """The pipe to one target. `features` are known once it is open, `end_reason` once it died.

    Of a legacy target's requests none names the call it belongs to. INVARIANT: they reach a session
    only where they can belong to no other one.
    """

    def __init__(self, terms: Terms) -> None:
        self.features: Features | None = None
        self.offer = terms.offer
        self.is_alive = True
        self.has_died = asyncio.Event()
        self.end_reason = ""
        self.audience = terms.audience
        self.next_id = terms.next_id
        self.tasks = Tasks()
        self.listens: dict[int, Listener] = {}  # id of a subscriptions/listen → who it is for
        self._changes = terms.changes
        self._asked: dict[int, Asked] = {}
        self._questions: dict[int | str, _Question] = {}
        self._told_level: str | None = None

    @abstractmethod
    async def write(self, body: bytes, sent: Callable[[], None]) -> None:
        """Sends one message, and calls `sent` once any of it may have arrived. Raises Lost."""

    async def write_asked(self, asked: Asked, body: bytes) -> None:
        """Sends one request of ours."""
        await self.write(body, asked.mark_sent)

    @abstractmethod
    def say(self, body: bytes) -> None:
        """Sends one message without waiting; dropped where the target does not take it."""

    @abstractmethod
    async def close(self) -> None:
        """Ends the pipe; calls in flight are Lost."""

    @property
    def era(self) -> Era | None:
        """The era that is spoken; None before it is open."""
        return self.features.era if self.features is not None else None

    def serves(self, offer: Offer) -> bool:
        """Whether clients with this offer may use it: what it declared is what they offer."""
        return self.era is Era.MODERN or self.offer.digest == offer.digest

    async def ask(self, asked: Asked, body: bytes) -> Message:
        """The response to a request. Cancelled: the target is told. Raises Lost, WireError."""
        self._asked[asked.request_id] = asked
        try:
            if not self.is_alive:
                raise Lost(self.end_reason)
            await self.write_asked(asked, body)
            return await asked.reply()
        except asyncio.CancelledError:
            if asked.is_sent and self.is_alive:
                self.say(cancelled(asked.request_id))
            raise
        finally:
            self._asked.pop(asked.request_id, None)
            self._end_questions(asked)

    def request(self, method: str, params: dict[str, Json]) -> asyncio.Task[Message]:
        """A request of the gateway's own, going on by itself."""
        asked = Asked(self.next_id())
        meta = WORDS.meta(self.era or Era.LEGACY, offer=self.offer)
        body = WORDS.request(asked.request_id, method, encode(params), meta)
        return self.tasks.start(self.ask(asked, body), method)

    async def tell_level(self) -> None:
        """Has a legacy target log as verbosely as the most curious of those that share it."""
        level, features = self.audience.log_level, self.features
        if level is None and self._told_level is not None:
            level = LEVELS[0]  # who asked for less has gone, and the others asked for nothing
        if level in (None, self._told_level) or features is None or self.era is not Era.LEGACY:
            return
        if not features.has("logging"):
            return
        self._told_level = level
        asked = Asked(self.next_id())
        params = encode({"level": level})
        try:
            await self.ask(asked, WORDS.request(asked.request_id, "logging/setLevel", params, b""))
        except WireError:
            return  # it says nothing then, or too much: the call is worth more
        finally:
            if not asked.is_sent:
                self._told_level = None

    def die(self, reason: str) -> None:
        """Nothing comes any more: calls are lost, questions fall away."""
        self.is_alive = False
        self.end_reason = self.end_reason or reason
        for asked in tuple(self._asked.values()):
            asked.end(Lost(self.end_reason))
        for question in tuple(self._questions.values()):
            self._drop(question)
        self.has_died.set()

    def fail(self, request_id: int, error: Exception) -> None:
        """Ends one request of ours whose answer is of no use."""
        asked = self._asked.get(request_id)
        if asked is not None:
            asked.end(error)

    def hear(self, message: Message) -> None:
        """Takes what the target said. Never waits."""
        if message.method is None:
            # What was answered is in flight no longer: what comes next cannot belong to it.
            asked = self._asked.pop(message.id, None) if isinstance(message.id, int) else None
            if asked is not None:  # else: too late, its caller has given up
                asked.end(message)
                self._end_questions(asked)
        elif message.id is not None:
            self._hear_request(message)
        else:
            self._hear_note(message, message.method)

    def _hear_request(self, message: Message) -> None:
        if message.method == "ping":
            self.say(response(message.id, {}))
        elif self.era is not Era.LEGACY:
            self.say(not_offered(message))
        elif len(self._questions) >= MAX_ASKING or message.id in self._questions:
            self._turn_down(message, "Too many requests at a time, or one id for two of them.")
        else:
            self._put(message, self._whose())

    def _whose(self) -> Asked | Attached | None:
        """Who what names no call is about: the latest call, if all calls are of one session."""
        calls = [asked for asked in self._asked.values() if asked.notes is not None]
        if not calls:
            return self.audience.only()
        keys = {asked.notes.request.session_key for asked in calls if asked.notes is not None}
        return calls[-1] if len(keys) == 1 else None

    def _put(self, message: Message, whose: Asked | Attached | None) -> None:
        """Asks whom the target's request is about, in the background."""
        calls: set[Asked] = set()
        if isinstance(whose, Asked) and whose.notes is not None:
            key, offer = whose.notes.request.session_key, whose.notes.request.offer
            caller: Caller | None = whose.notes.caller
            calls = {asked for asked in self._asked.values() if asked.notes is not None}
            whose.times_asked += 1
            if whose.times_asked > MAX_ASKED_IN_CALL:
                self._turn_down(message, "Too many requests during one call.")
                return
        elif isinstance(whose, Attached):
            key, offer, caller = whose.key, whose.offer, whose.beyond
        else:
            self._turn_down(message, UNCLEAR)
            return
        question = _Question(message, key, calls)
        assert message.id is not None  # noqa: S101 - a request has one
        self._questions[message.id] = question
        question.task = self.tasks.start(self._answer(question, offer, caller), "answering")

    async def _answer(self, question: _Question, offer: Offer, caller: Caller | None) -> None:
        message = question.message
        assert message.id is not None  # noqa: S101 - a request has one
        try:
            with ExitStack() as waiting:
                for asked in question.calls:
                    if asked.patience is not None:
                        waiting.enter_context(asked.patience)
                body = await answered(message, offer, caller)
        except Exception:  # noqa: BLE001 - whatever it was, the target waits for an answer
            _log.exception("a target's %s failed", message.method)
            body = error_response(message.id, INTERNAL_ERROR, "The client could not be asked.")
        if self._questions.get(message.id) is question:
            await self.write(body, lambda: None)
            self._questions.pop(message.id, None)

    def _turn_down(self, message: Message, reason: str) -> None:
        self.say(error_response(message.id, INTERNAL_ERROR, reason))

    def _drop(self, question: _Question) -> None:
        """Nobody wants the answer to a request of the target any more."""
        if question.message.id is not None:
            self._questions.pop(question.message.id, None)
        if question.task is not None:
            question.task.cancel()

    def _end_questions(self, asked: Asked) -> None:
        """A call is over, and with the last one that it may belong to a question ends."""
        for question in tuple(self._questions.values()):
            if asked in question.calls:
                question.calls.discard(asked)
                if not question.calls:
                    self._drop(question)
                    self._turn_down(question.message, "The call is over.")

    def leave(self, session_key: str) -> None:
        """A session that has gone is asked nothing more."""
        for question in tuple(self._questions.values()):
            if question.key == session_key:
                self._drop(question)
                self._turn_down(question.message, "The client has gone.")

    def _hear_note(self, message: Message, method: str) -> None:
        if method == PROGRESS:
            token = read_params(message).get(META_PROGRESS)
            asked = self._asked.get(token) if type(token) is int else None
            if asked is not None:
                asked.hear(message)
        elif method == LOGGED:
            self._hear_log(message)
        elif method in CHANGES:
            self._changes.announce(CHANGES[method])
            params, _ = without_subscription(read_params(message))
            for attached in self.audience:
                attached.tell(method, params)
        elif method == UPDATED:
            self._hear_update(read_params(message))
        elif method == CANCELLED:
            self._hear_cancelled(read_params(message).get("requestId"))
        elif method == ACKNOWLEDGED:
            params, listen_id = without_subscription(read_params(message))
            if listen_id in self.listens:
                self.listens[listen_id].acknowledge(params)

    def _hear_log(self, message: Message) -> None:
        whose = self._whose()
        if isinstance(whose, Asked):
            whose.hear(message)
        elif whose is not None:
            whose.tell(LOGGED, read_params(message))

    def _hear_update(self, said: dict[str, Json]) -> None:
        params, listen_id = without_subscription(said)
        uri = params.get("uri")
        if not isinstance(uri, str):
            return
        if self.era is Era.MODERN:
            listener = self.listens.get(listen_id) if listen_id is not None else None
            told = [listener.attached] if listener is not None and listener.attached else []
        else:
            told = list(self.audience)
        for attached in told:
            if attached.is_subscribed(uri):
                attached.tell(UPDATED, params)

    def _hear_cancelled(self, request_id: Json) -> None:
        """The target takes a request of its own back, or ends a stream that we listen to."""
        if type(request_id) is int and request_id in self.listens:
            self.fail(request_id, WireError("the target ended it"))
        elif isinstance(request_id, int | str) and request_id in self._questions:
            self._drop(self._questions[request_id])


class Listener(ABC):
    """Who one subscriptions/listen stream is kept open for."""

    attached: Attached | None = None  # None: for the lists, which are everybody's

    @abstractmethod
    def acknowledge(self, params: dict[str, Json]) -> None:
        """Takes what the target agreed to say."""
