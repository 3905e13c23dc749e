"""Entries of calls and events, as short as they can be and still be entries."""

from __future__ import annotations

from typing import Any

from callgate.audit.event import event
from callgate.audit.record import FORMAT, Entry, entry_of, indexed, rfc3339

AT = 1_700_000_000.0


def an_intent(
    call_id: str, at: float = AT, *, payload: bool = True, same: str = "", **said: Any
) -> Entry:
    """`same`: what its arguments say instead of the call's id."""
    arguments = {"arguments": {"of": same or call_id}}
    return _entry("intent", call_id, at, arguments if payload else None, said)


def an_outcome(
    call_id: str, at: float = AT, *, ran: str = "yes", code: str = "ok", **said: Any
) -> Entry:
    said = {"code": code, "ran": ran, "delivered": ran == "yes", **said}
    return _entry("outcome", call_id, at, {"content": f"of {call_id}"}, said)


def an_event(name: str, at: float = AT, **said: Any) -> Entry:
    return event(name, at, said)


def _entry(
    kind: str, call_id: str, at: float, payload: dict[str, Any] | None, said: dict[str, Any]
) -> Entry:
    body = {
        "format": FORMAT,
        "kind": kind,
        "call": call_id,
        "at": rfc3339(at),
        "run": "r" + "0" * 28,
        "principal": {"id": "ada", "agent": "claude", "kind": "jwt"},
        "target": "shop",
        "tool": "refund",
        **said,
    }
    made = entry_of(body, at, payload=payload)
    return indexed(made.body, made.payload)
