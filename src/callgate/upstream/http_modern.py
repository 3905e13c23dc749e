"""Modern targets over HTTP: each request speaks for itself, and refusals of the era are read."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from callgate.model import CALL_TOOL, Era, Json, Offer, Ran, Reply
from callgate.ports import TargetRequest
from callgate.protocol.eras import HEADER_MISMATCH, MISSING_CAPABILITY, MODERN_ERRORS
from callgate.protocol.outbound import (
    CHANGES,
    Fault,
    Headers,
    Message,
    WireError,
    cut_reply,
    mirrored_headers,
    modern_headers,
    read_fault,
)
from callgate.upstream.http_exchange import Answer
from callgate.upstream.http_wire import Attempt, Wire, answer_of
from callgate.upstream.session import WORDS

MAX_HEADS = 1024  # of calls that are kept


class ModernSide:
    """The conversation with a target of 2026-07-28."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._heads: dict[str | None, bytes] = {}  # of calls, by what they call

    async def ask(self, attempt: Attempt, headers: Headers, body: bytes) -> Message:
        """The response to a request. Raises TargetError and what an exchange raises.

        Cancelled: the target learns it by the closed connection.
        """
        answer = await self._wire.post(attempt, headers, body, partial(self._hear, attempt))
        return self._response(answer, attempt)

    async def call(self, attempt: Attempt, request: TargetRequest) -> Reply:
        """The answer to a request of an agent. Raises as `ask` does."""
        request_id = attempt.request_id
        meta = WORDS.meta(Era.MODERN, request.meta, attempt.token, request.offer, request.log_level)
        body = WORDS.request(request_id, request.tool.method, request.params, meta)
        answer = await self._wire.post_after(
            self._head(request), attempt, body, partial(self._hear, attempt)
        )
        return cut_reply(self._response(answer, attempt))

    def _head(self, request: TargetRequest) -> bytes:
        """How a request begins: calls of one tool mostly all alike."""
        tool = request.tool
        is_alike = tool.method == CALL_TOOL and not tool.mirrored and not request.headers
        if is_alike and (known := self._heads.get(request.item)) is not None:
            return known
        headers = modern_headers(tool.method, request.item)
        if tool.method == CALL_TOOL and tool.mirrored:
            headers += mirrored_headers(tool.mirrored, request.arguments)
        head = self._wire.client.head("POST", headers, request.headers)
        if is_alike:
            if len(self._heads) >= MAX_HEADS:
                self._heads.clear()
            self._heads[request.item] = head
        return head

    def _response(self, answer: Answer, attempt: Attempt) -> Message:
        message = answer_of(answer, attempt)
        if message is None:
            raise self._wire.turned_down(answer)
        if message.error:
            self._check(read_fault(message), attempt.offer)
        return message

    def _check(self, fault: Fault, offer: Offer) -> None:
        """Raises where an error is between the target and the gateway, not the client's to know."""
        if fault.code not in MODERN_ERRORS:
            return
        if fault.code == MISSING_CAPABILITY and _is_lacking(fault, offer):
            return  # the client itself has not got it: it may want to know what is missing
        if fault.code == HEADER_MISMATCH:
            self._wire.changes.announce("tools")  # most likely one changed since it was listed
        reason = f"the error {fault.code}: {fault.message[:200]}"
        raise self._wire.faults.protocol(reason, ran=Ran.NO)

    async def _hear(self, attempt: Attempt, message: Message) -> None:
        if message.id is not None:
            raise WireError(f"a request of its own ({str(message.method)[:40]!r}) during a call")
        if (method := message.method or "") in CHANGES:
            self._wire.changes.announce(CHANGES[method])
        elif attempt.notes is not None:
            await attempt.notes.pass_on(message)


def _is_lacking(fault: Fault, offer: Offer) -> bool:
    required = fault.data.get("requiredCapabilities") if isinstance(fault.data, dict) else None
    return (
        isinstance(required, dict) and bool(required) and not _covers(offer.capabilities, required)
    )


def _covers(offered: Json, required: Json) -> bool:
    """Whether all that is required was offered. `elicitation: {}` is the form mode."""
    if not isinstance(required, Mapping) or not isinstance(offered, Mapping):
        return offered == required or not isinstance(required, Mapping)
    for name, detail in required.items():
        if name not in offered:
            return False
        said = offered[name]
        if name == "elicitation" and said == {}:
            said = {"form": {}}
        if not _covers(said, detail):
            return False
    return True
