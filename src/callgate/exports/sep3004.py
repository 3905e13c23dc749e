"""Calls in the shape of MCP's draft of an audit record (SEP-3004): a chain of canonical events."""

from __future__ import annotations

import hashlib
import unicodedata

import rfc8785

from callgate.audit.explain import began
from callgate.audit.record import instant
from callgate.exports.calls import Ending, ending, operation
from callgate.model import Json

# The draft is open; what it asks of a record: sorted keys, no numbers, texts in NFC without
# control characters and spaces around them, of at most 8,192 characters.
MAX_CHARACTERS = 8192
EXTENSION = "runtime-security"
FIRST = "0" * 64

_OUTCOMES: dict[Ending, str] = {
    "completed": "allowed",
    "failed": "error",
    "refused": "denied",
    "withheld": "denied",
    "broken": "error",
    "interrupted": "error",
}


_DECISIONS: dict[Json, str] = {True: "permit", False: "refuse"}


class AuditChain:
    """One segment: each event holds the hash of the one before it."""

    def __init__(self, previous_hash: str = FIRST) -> None:
        self.previous_hash = previous_hash

    def next(self, call: dict[str, Json]) -> dict[str, Json]:
        """The event of a whole call, as the next of the chain."""
        event = _event(call) | {"previous_hash": self.previous_hash}
        self.previous_hash = hashlib.sha256(rfc8785.dumps(event)).hexdigest()
        return event | {"event_hash": self.previous_hash}


def _event(call: dict[str, Json]) -> dict[str, Json]:
    principal, decision = call.get("principal") or {}, call.get("decision") or {}
    is_erased = bool(call.get("erased")) and "decision" not in call
    tells = {
        "decision": _DECISIONS.get(decision.get("permitted"), "" if is_erased else "none"),
        "policies": [_plain(policy) for policy in decision.get("policies") or ()],
        "policy_version": _plain(decision.get("version")),
        "code": _plain(call.get("code")),
        "reason": _plain(call.get("reason")),
        "ran": _plain(call.get("ran")),
        "delivered": "yes" if call.get("delivered") else "" if is_erased else "no",
        "arguments_sha256": _plain(call.get("arguments_sha256")),
        "result_sha256": _plain((call.get("result") or {}).get("sha256")),
        "tool_sha256": _plain(call.get("tool_sha256")),
        "agent": _plain(principal.get("agent")),
        "run": _plain(call.get("run")),
    }
    is_tool = call.get("method") is None
    return {
        "event_id": _plain(call["call"]),
        "occurred_at": _to_milliseconds(began(call)),
        "principal_id": _plain(principal.get("id") or "unknown"),
        "event_type": "tool_call" if is_tool else _plain(call["method"]),
        "tool_name": _plain(operation(call)) if is_tool else None,
        "outcome": _OUTCOMES[ending(call)],
        "extensions": {EXTENSION: {name: value for name, value in tells.items() if value}},
    }


def _plain(text: Json) -> str:
    """The text as the draft wants it; what it forbids is replaced, what is too long is cut."""
    if text is None:
        return ""
    normal = unicodedata.normalize("NFC", str(text).encode(errors="replace").decode())
    kept = "".join("\ufffd" if unicodedata.category(one) == "Cc" else one for one in normal)
    return kept.strip(" ")[:MAX_CHARACTERS].rstrip(" ")


def _to_milliseconds(at: str) -> str:
    instant(at)  # it is one
    return f"{at[:23]}Z"
