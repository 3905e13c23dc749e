"""Calls of modern clients whose targets ask in the middle: they outlive their HTTP requests."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

from callgate.model import Call, Json, Outcome, Reply
from callgate.pipeline.conversing import invalid_state
from callgate.pipeline.sealing import Seal, digest_of
from callgate.ports import Caller, Unanswerable
from callgate.protocol.eras import META_PROGRESS
from callgate.protocol.jsonrpc import encode, response
from callgate.protocol.outbound import PROGRESS

PARK = "parked"  # the purpose of the tokens that name a parked call
PARK_SECONDS = 300.0  # for a client to come back with its answers
MAX_PARKED = 1000
GATHER_SECONDS = 0.05  # after a question, for others that the target asks at the same time


@dataclass(slots=True)
class _Question:
    method: str
    params: dict[str, Json]
    answer: asyncio.Future[Reply]


@dataclass(slots=True)
class Parked:
    """Implements Caller: one call, listening to whichever request of its client is open now."""

    id: str
    fingerprint: str
    of: str  # the principal's key
    is_gone: bool = False
    turns: int = 0  # requests of the client that listened to it so far
    _task: asyncio.Task[Outcome] | None = None
    _questions: dict[str, _Question] = field(default_factory=dict)
    _caller: Caller | None = None
    _token: Json = None  # progressToken of the request that is open now
    _turn: asyncio.Future[None] | None = None
    _expiry: asyncio.TimerHandle | None = None
    _asked: int = 0

    async def notify(self, method: str, params: dict[str, Json]) -> None:
        """To the request that is open, under its own token; between two of them nobody listens."""
        if method == PROGRESS:
            if self._token is None:
                return
            params = {**params, META_PROGRESS: self._token}
        if self._caller is not None:
            await self._caller.notify(method, params)

    async def ask(self, method: str, params: dict[str, Json]) -> Reply:
        """Ends the open request with the question; its repetition brings the answer."""
        if self.is_gone:
            raise Unanswerable("The client does not come back.")
        self._asked += 1
        key = f"{method.partition('/')[0]}-{self._asked}"
        answer: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._questions[key] = _Question(method, params, answer)
        self._wake()
        try:
            return await answer
        finally:
            self._questions.pop(key, None)

    def _wake(self, _: object = None) -> None:
        if self._turn is not None and not self._turn.done():
            self._turn.set_result(None)

    def answered(self, responses: dict[str, Json]) -> None:
        """Takes the answers of a repeated request; what was not asked is ignored."""
        for key, said in responses.items():
            question = self._questions.get(key)
            if question is not None and not question.answer.done():
                question.answer.set_result(Reply(body=encode(said)))
                del self._questions[key]

    @property
    def is_open(self) -> bool:
        """Whether a request of the client is waiting already."""
        return self._turn is not None

    async def turn(self, caller: Caller, token: Json = None) -> Outcome | None:
        """How the call ended; None where it has a question. Cancelled: so is the call."""
        task = self._task
        assert task is not None  # noqa: S101 - begun before
        if self._expiry is not None:
            self._expiry.cancel()
        self._caller, self._token = caller, token
        self.turns += 1
        task.add_done_callback(self._wake)
        try:
            self._turn = asyncio.get_running_loop().create_future()
            while not self._questions and not task.done():  # a question may be withdrawn
                await self._turn
                self._turn = asyncio.get_running_loop().create_future()
            if not task.done():
                await asyncio.sleep(GATHER_SECONDS)  # what is asked together goes out together
            return task.result() if task.done() else None
        except asyncio.CancelledError:
            self.is_gone = True
            task.cancel()
            await asyncio.wait({task})
            raise
        finally:
            task.remove_done_callback(self._wake)
            self._caller = self._turn = None

    def questions(self) -> dict[str, Json]:
        """`inputRequests` for what is not answered yet."""
        return {
            key: {"method": question.method, "params": question.params}
            for key, question in self._questions.items()
        }


class Parking:
    """All calls that may be asked in. One process only: a repeated request must come back to it."""

    def __init__(self) -> None:
        self._parked: dict[str, Parked] = {}

    def __len__(self) -> int:
        return len(self._parked)

    def begin(self, call: Call, work: Coroutine[Any, Any, Outcome], parked: Parked) -> None:
        """Starts the call as a task of its own, held here until it ends."""
        task = asyncio.get_running_loop().create_task(work, name=f"call {call.id}")
        parked._task = task
        self._parked[parked.id] = parked

    def has_room(self, of: str) -> bool:
        """Whether one more call of this principal may be asked in.

        Where there are too many, it takes the place of one that waits for its client, of whoever
        has most of those; not where its principal has as many.
        """
        if len(self._parked) < MAX_PARKED:
            return True
        waiting = [parked for parked in self._parked.values() if not parked.is_open]
        [(greediest, most)] = Counter(one.of for one in waiting).most_common(1) or [("", 0)]
        if sum(one.of == of for one in self._parked.values()) >= most:
            return False
        self._expire(next(one for one in waiting if one.of == greediest))
        return True

    @staticmethod
    def new(call: Call) -> Parked:
        """A place for one call."""
        assert call.principal is not None  # noqa: S101 - whoever is asked is known
        id_ = secrets.token_urlsafe(16)
        return Parked(id=id_, fingerprint=_fingerprint(call), of=call.principal.key)

    def find(self, call: Call, seal: Seal) -> Parked | None:
        """The parked call that this one repeats; None where it repeats none.

        Raises Refused(`invalid_state`) where it is over, another's, or being answered already.
        """
        state = call.follow_up.state if call.follow_up is not None else None
        if state is None or call.principal is None:
            return None
        said = seal.open(state, PARK, call.principal.key)
        if not isinstance(said, list):
            return None  # a state of the target's own
        parked = self._parked.get(said[0])
        if parked is None or parked.fingerprint != _fingerprint(call) or parked.is_open:
            raise invalid_state(call)
        if said[1] != parked.turns:
            raise invalid_state(call)  # of an earlier turn: its questions were answered
        return parked

    async def turn(self, parked: Parked, caller: Caller, token: Json = None) -> Outcome | None:
        """See Parked.turn. Where there is a question, the client has PARK_SECONDS to answer."""
        outcome: Outcome | None = None
        is_asking = False
        try:
            outcome = await parked.turn(caller, token)
            is_asking = outcome is None
            return outcome
        finally:
            if is_asking and parked._task is not None:
                loop = asyncio.get_running_loop()
                parked._expiry = loop.call_later(PARK_SECONDS, self._expire, parked)
            else:
                self._parked.pop(parked.id, None)

    def _expire(self, parked: Parked) -> None:
        parked.is_gone = True
        self._parked.pop(parked.id, None)
        if parked._task is not None:
            parked._task.cancel()

    def stop(self) -> None:
        """Ends what waits for a client that cannot come back in time."""
        for parked in tuple(self._parked.values()):
            if not parked.is_open:
                self._expire(parked)


def asking_response(message_id: Json, parked: Parked, seal: Seal, principal_key: str) -> bytes:
    """The answer to a request whose call has a question."""
    result = {
        "resultType": "input_required",
        "inputRequests": parked.questions(),
        "requestState": seal.close([parked.id, parked.turns], PARK, principal_key),
    }
    return response(message_id, result)


def _fingerprint(call: Call) -> str:
    return digest_of(call.method, call.route, call.requested_name, call.arguments)
