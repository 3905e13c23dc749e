"""What the record keeps beside calls: that other policies came into force, and through whom."""

from __future__ import annotations

import secrets

from callgate.audit.record import FORMAT, Entry, in_microseconds, rfc3339
from callgate.model import Json
from callgate.protocol.jsonrpc import encode

POLICIES = "policies_in_force"


def event(name: str, at: float, said: dict[str, Json]) -> Entry:
    """An entry of its own, in the same chain as the calls. Its id begins with `e`."""
    identifier = f"e{int(at * 1000):012x}{secrets.token_hex(8)}"
    body = {
        "format": FORMAT,
        "kind": "event",
        "call": identifier,
        "at": rfc3339(at),
        "event": name,
        **said,
    }
    return Entry(kind="event", call_id=identifier, at=in_microseconds(at), body=encode(body))
