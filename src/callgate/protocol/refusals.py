"""Every refusal code there is: stable, documented, never reused; and how each goes on the wire."""

from __future__ import annotations

from callgate.model import CALL_TOOL, Json, Outcome, Value
from callgate.protocol.jsonrpc import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    INVALID_REQUEST,
    REFUSED,
    error_response,
    response,
)

META_KEY = "callgate/refusal"


def misanswered(target: str) -> str:
    """What agents are told of a target that breaks the protocol: `target_protocol_error`."""
    return f"The target {target} gave an answer that MCP does not allow."


class Refusal(Value):
    """What a code means, and its JSON-RPC error code where it is never a tool result."""

    meaning: str
    error_code: int | None = None  # None: a tool result with isError, unless configured otherwise
    http_status: int = 200


REFUSALS: dict[str, Refusal] = {
    "unauthenticated": Refusal(
        meaning="No proof of identity, or one that does not hold.",
        error_code=REFUSED,
        http_status=401,
    ),
    "identity_unavailable": Refusal(
        meaning="The proof cannot be checked now, because its issuer cannot be reached.",
        error_code=INTERNAL_ERROR,
        http_status=503,
    ),
    "malformed": Refusal(
        meaning="The message is not valid JSON-RPC or MCP.", error_code=INVALID_REQUEST
    ),
    "unknown_tool": Refusal(
        meaning="There is no tool of this name here.", error_code=INVALID_PARAMS
    ),
    "unknown_item": Refusal(
        meaning="There is no resource, prompt or task of this name here.", error_code=INVALID_PARAMS
    ),
    "invalid_state": Refusal(
        meaning="The requestState was not given to this caller for this call, or is too old.",
        error_code=INVALID_PARAMS,
    ),
    "invalid_arguments": Refusal(meaning="The arguments do not fit the tool's input schema."),
    "not_permitted": Refusal(meaning="No policy permits the call, or one forbids it."),
    "policy_error": Refusal(meaning="A policy failed while it was evaluated; that refuses."),
    "refused_by_interceptor": Refusal(meaning="An interceptor refused the call."),
    "approval_required": Refusal(
        meaning="An interceptor wants a person to approve the call, and nobody can yet."
    ),
    "interceptor_failed": Refusal(meaning="An interceptor failed or took too long."),
    "result_withheld": Refusal(meaning="The tool ran; an interceptor keeps its result back."),
    "record_unavailable": Refusal(meaning="The record cannot be written, so nothing is called."),
    "target_unavailable": Refusal(meaning="The target cannot be reached; the tool did not run."),
    "target_timeout": Refusal(meaning="The target did not answer in time; it may have run."),
    "target_lost": Refusal(meaning="The target died before it answered; it may have run."),
    "target_protocol_error": Refusal(meaning="The target answered what MCP does not allow."),
    "asking_refused": Refusal(
        meaning="The target asked the client for what policy does not let it ask."
    ),
    "unanswered": Refusal(
        meaning="The client could not be asked what the target wants to know, or did not answer."
    ),
    "cancelled": Refusal(meaning="The caller cancelled the call or hung up."),
    "interrupted": Refusal(meaning="The gateway ended before the outcome was known."),
    "internal_error": Refusal(meaning="The gateway itself failed; that refuses."),
    "overloaded": Refusal(
        meaning="Too many calls wait for their clients' answers; try again later."
    ),
    "shutting_down": Refusal(meaning="The gateway is stopping; try again later."),
}


def refusal_of(code: str) -> Refusal:
    """What a code means; one that nobody documented is a fault of ours."""
    return REFUSALS.get(code) or REFUSALS["internal_error"]


def refusal_data(code: str, reason: str, call_id: str | None) -> dict[str, Json]:
    """The machine-readable half of a refusal."""
    data = {"code": code, "reason": reason}
    if call_id is not None:
        data["call"] = call_id
    return data


def refusal_response(message_id: Json, outcome: Outcome, *, as_error: bool) -> bytes:
    """The JSON-RPC response for a refused call: a tool result, or an error where that is due."""
    code = outcome.refusal_code or "internal_error"
    refusal = refusal_of(code)
    data = refusal_data(code, outcome.reason, outcome.call.id)
    if refusal.error_code is not None:
        return error_response(message_id, refusal.error_code, outcome.reason, {META_KEY: data})
    if as_error or outcome.call.method != CALL_TOOL:
        return error_response(message_id, REFUSED, outcome.reason, {META_KEY: data})
    return response(
        message_id,
        {
            "resultType": "complete",
            "content": [{"type": "text", "text": outcome.reason}],
            "isError": True,
            "_meta": {META_KEY: data},
        },
    )
