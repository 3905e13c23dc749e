"""What the record keeps beside calls: what came into force, who came, what texts and tools say."""

from __future__ import annotations

import secrets

from callgate.audit.record import FORMAT, Entry, entry_of, rfc3339
from callgate.model import Json

STARTED = "gateway_started"
STOPPED = "gateway_stopped"
CONFIG = "config_in_force"
POLICIES = "policies_in_force"
OPERATOR = "operator_authenticated"
TOOL_CHANGED = "tool_changed"

# Their ids name their content: each is recorded before the first entry that refers to it.
POLICIES_DEFINED = "policies_defined"
TOOL_DEFINED = "tool_defined"
PRINCIPAL_DESCRIBED = "principal_described"


def event(
    name: str,
    at: float,
    said: dict[str, Json],
    *,
    identifier: str | None = None,
    payload: dict[str, Json] | None = None,
) -> Entry:
    """An entry of its own, in the same log as the calls. Its id begins with `e`, if not given."""
    if identifier is None:
        identifier = f"e{int(at * 1000):012x}{secrets.token_hex(8)}"
    body = {
        "format": FORMAT,
        "kind": "event",
        "call": identifier,
        "at": rfc3339(at),
        "event": name,
        **said,
    }
    return entry_of(body, at, payload=payload)


def after_all_id(call: str) -> str:
    """The id of the event that says how a call ended that was taken for interrupted."""
    return f"ended:{call}"
