"""The wire to one HTTP target: requests with what is known of them, and what a status means."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Mapping
from itertools import count

from callgate.model import NOTHING, Era, Offer, Ran
from callgate.ports import Caller, TargetError, TargetRequest
from callgate.protocol.outbound import Headers, Message
from callgate.upstream.faults import Faults, Patience
from callgate.upstream.http_asking import Asks
from callgate.upstream.http_client import Exchange, HttpClient
from callgate.upstream.http_exchange import Answer, OnMessage, converse
from callgate.upstream.session import Changes, Notes
from callgate.upstream.tasks import Tasks

COURTESY_SECONDS = 5.0  # for what we tell a target without needing its answer
VISIBLE = re.compile(r"[\x21-\x7e]{1,1024}")

# Statuses that say that the request was turned down, so that nothing was executed.
WITHOUT_EFFECT = frozenset(
    {400, 401, 403, 404, 405, 406, 407, 411, 413, 414, 415, 421, 426, 429, 431}
)
TURNED_DOWN = frozenset({401, 403, 404, 405, 407, 429})


class NoHandshake(Exception):  # noqa: N818 - a finding; an older transport may be spoken there
    """`initialize` was turned down as by a server that does not know streamable HTTP."""


class Attempt:
    """One request on its way: whose it is, and what is known about it when it fails."""

    era: Era | None = None  # None: still opening
    patience: Patience | None = None
    asks: Asks | None = None  # of the target, during this request
    exchange: Exchange | None = None
    _notes: Notes | None = None

    def __init__(
        self,
        request_id: int,
        request: TargetRequest | None = None,
        caller: Caller | None = None,
        offer: Offer = NOTHING,
    ) -> None:
        self.request_id = request_id
        self.request = request  # None: the gateway's own
        self.caller = caller
        self.offer = offer if request is None else request.offer

    @property
    def token(self) -> int | None:
        """What the target is to report progress under, where the agent wants to hear of it."""
        request = self.request
        return self.request_id if request is not None and request.wants_progress else None

    @property
    def notes(self) -> Notes | None:
        """Where what the target says meanwhile goes on to; None: it is no call of an agent."""
        if self._notes is None and self.request is not None and self.caller is not None:
            self._notes = Notes(self.request, self.caller, self.token)
        return self._notes

    @property
    def session_key(self) -> str:
        """Under what the target's state is kept."""
        return "" if self.request is None else self.request.session_key

    @property
    def wanted(self) -> Mapping[str, str]:
        """The headers that interceptors want sent with it."""
        return {} if self.request is None else self.request.headers

    @property
    def is_sent(self) -> bool:
        """Whether any byte of it may have reached the target."""
        return self.exchange is not None and self.exchange.is_sent


class Wire:
    """What both eras need to talk to one target."""

    def __init__(
        self, client: HttpClient, faults: Faults, tasks: Tasks, changes: Changes, max_bytes: int
    ) -> None:
        self.client = client
        self.faults = faults
        self.tasks = tasks
        self.changes = changes
        self.max_bytes = max_bytes
        self._ids = count(1)

    def next_id(self) -> int:
        """A JSON-RPC id, and progress token, that no other request to this target has."""
        return next(self._ids)

    def post(
        self, attempt: Attempt, headers: Headers, body: bytes, on_message: OnMessage
    ) -> Awaitable[Answer]:
        """Sends a request and waits for its answer. Raises what an exchange raises."""
        head = self.client.head("POST", headers, attempt.wanted)
        return self.post_after(head, attempt, body, on_message)

    def post_after(
        self, head: bytes, attempt: Attempt, body: bytes, on_message: OnMessage
    ) -> Awaitable[Answer]:
        """The same, with a head that is there already."""
        exchange = attempt.exchange = self.client.exchange(head, body)
        return converse(exchange, attempt.request_id, on_message, self.max_bytes)

    async def tell(
        self,
        headers: Headers,
        body: bytes,
        method: str = "POST",
        wanted: Mapping[str, str] | None = None,
    ) -> None:
        """Sends what needs no answer. Target down or slow: it finds out by itself."""
        exchange = self.client.request(method, headers, body, wanted)
        async with asyncio.timeout(COURTESY_SECONDS), exchange:
            return

    def turned_down(self, answer: Answer) -> TargetError:
        """What a status that carries no answer means."""
        status = answer.status
        if status in TURNED_DOWN or 300 <= status < 400:
            return self.faults.unavailable(answer.detail, reason="turned the gateway away")
        ran = Ran.NO if status in WITHOUT_EFFECT else Ran.UNKNOWN
        return self.faults.protocol(answer.detail or f"HTTP {status} to a request", ran=ran)


def answer_of(answer: Answer, attempt: Attempt) -> Message | None:
    """The response to this very request, whichever status it came with."""
    message = answer.message
    if answer.status == 200 or (message is not None and message.id == attempt.request_id):
        return message
    return None


async def ignore(_message: Message) -> None:
    """For requests during which a target has nothing to say."""
