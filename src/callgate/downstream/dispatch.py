"""MCP method → what we do with it: one table; what is not in it is refused."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from callgate.downstream.greeting import discover, initialize, ping, set_level
from callgate.downstream.inbound import Answer, Desk, Inbound
from callgate.downstream.sessions import Session
from callgate.downstream.showing import show_items, show_tools
from callgate.downstream.subscriptions import listen
from callgate.downstream.using import use
from callgate.model import Era, Json, Refused
from callgate.protocol.jsonrpc import (
    INVALID_PARAMS,
    METHOD_NOT_FOUND,
    Malformed,
    Message,
    error_response,
)
from callgate.protocol.refusals import META_KEY, refusal_data, refusal_of


class Dispatcher(Desk):
    """Answers messages for whichever gateway is current."""

    def answer(self, inbound: Inbound) -> Awaitable[Answer]:
        """The answer to one request. Raises Malformed for what cannot be answered properly."""
        answerer = METHODS.get((inbound.era, inbound.message.method or ""), unheard_of)
        return answerer(self, inbound)

    def take_note(self, message: Message, session: Session | None) -> None:
        """A notification: cancellation ends a call, changed roots are passed on; nothing else."""
        if session is None:
            return
        if message.method == "notifications/cancelled":
            session.in_flight.cancel(message.params.get("requestId"))
        elif message.method == ROOTS_CHANGED:
            self.tell_roots(session.key)


async def unheard_of(_: Desk, inbound: Inbound) -> Answer:
    """The answer to a method that is not in the table."""
    method = inbound.message.method or ""
    other = Era.MODERN if inbound.era is Era.LEGACY else Era.LEGACY
    why = f"The method {method[:64]!r} is not offered here."
    if (other, method) in METHODS:
        why = f"{method} does not exist in protocol version {inbound.envelope.version}."
    status = 404 if inbound.era is Era.MODERN else 200
    return Answer(status, error_response(inbound.message.id, METHOD_NOT_FOUND, why))


def malformed_answer(malformed: Malformed, era: Era | None) -> Answer:
    """The answer to a message that cannot be taken."""
    data = getattr(malformed, "data", None)
    body = error_response(malformed.message_id, malformed.code, malformed.reason, data)
    is_answerable = era is Era.LEGACY and malformed.code in (METHOD_NOT_FOUND, INVALID_PARAMS)
    return Answer(200 if is_answerable else 400, body)


def unidentified_answer(refused: Refused, message_id: Json, challenge: str | None = None) -> Answer:
    """The answer to a caller whose proof is missing or does not hold."""
    refusal = refusal_of(refused.code)
    data = {META_KEY: refusal_data(refused.code, refused.reason, None)}
    body = error_response(message_id, refusal.error_code or -32603, refused.reason, data)
    headers: tuple[tuple[str, str], ...] = ()
    if challenge is not None and refusal.http_status == 401:
        headers = (("www-authenticate", challenge),)
    return Answer(refusal.http_status, body, headers)


Answerer = Callable[[Desk, Inbound], Awaitable[Answer]]
BOTH = (Era.LEGACY, Era.MODERN)


def _rows(
    eras: tuple[Era, ...], answerer: Answerer, *methods: str
) -> Mapping[tuple[Era, str], Answerer]:
    return {(era, method): answerer for era in eras for method in methods}


ROOTS_CHANGED = "notifications/roots/list_changed"

METHODS: Mapping[tuple[Era, str], Answerer] = {
    **_rows((Era.LEGACY,), initialize, "initialize"),
    **_rows((Era.LEGACY,), ping, "ping"),
    **_rows((Era.LEGACY,), set_level, "logging/setLevel"),
    **_rows((Era.LEGACY,), use, "resources/subscribe", "resources/unsubscribe"),
    **_rows((Era.MODERN,), discover, "server/discover"),
    **_rows((Era.MODERN,), listen, "subscriptions/listen"),
    **_rows((Era.MODERN,), use, "tasks/get", "tasks/update", "tasks/cancel"),
    **_rows(BOTH, show_tools, "tools/list"),
    **_rows(BOTH, use, "tools/call", "resources/read", "prompts/get", "completion/complete"),
    **_rows(BOTH, show_items, "resources/list", "resources/templates/list", "prompts/list"),
}
# INVARIANT: nothing passes through unseen. A method that is not in this table never reaches a
# target; to govern another, give it a row here and in protocol/methods.py.
