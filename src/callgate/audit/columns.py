"""Whether what lies beside a body is what it says: columns to find it by, and a payload."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

import msgspec

from callgate.audit.record import indexed

COLUMNS = (
    "kind",
    "call_id",
    "at",
    "run",
    "principal",
    "agent",
    "target",
    "tool",
    "code",
    "ran",
    "is_delivered",
)


class _Who(msgspec.Struct, gc=False):
    id: str | None = None
    agent: str | None = None


class Beside(msgspec.Struct, gc=False):
    """What a body says of the payload beside it."""

    sha256: str
    bytes: int


class Said(msgspec.Struct, gc=False):
    """What a body says that matters here; the rest of it is skipped, which is quick."""

    kind: str
    call: str
    at: str
    format: Any = None
    run: str | None = None
    principal: _Who | None = None
    target: str | None = None
    tool: str | None = None
    code: str | None = None
    event: str | None = None
    ran: str | None = None
    delivered: bool | None = None
    payload: Beside | None = None

    def columns(self) -> tuple[Any, ...]:
        """As `indexed` has them, of texts that are not too long."""
        who = self.principal
        is_named_event = self.kind == "event" and self.format != 1
        return (
            self.kind,
            self.call,
            datetime.fromisoformat(self.at).timestamp(),
            self.run,
            who.id if who else None,
            who.agent if who else None,
            self.target,
            self.tool,
            self.event if is_named_event else self.code,
            self.ran,
            self.delivered,
        )


_decode = msgspec.json.Decoder(Said).decode


def read_said(body: bytes) -> Said:
    """Raises ValueError where the body is no entry's."""
    try:
        return _decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise ValueError(f"its body is no entry of the record: {error}") from error


def column_fault(said: Said, kept: tuple[Any, ...], body: bytes) -> str | None:
    """Which of the columns is not what the body says, in words. `kept` is in their order."""
    try:
        if said.columns() == kept:
            return None
        # Long texts are cut in columns, which is rare: the slow way knows how.
        entry = indexed(body)
    except (ValueError, OverflowError) as error:
        return f"its body is {error}"
    for name, found in zip(COLUMNS, kept, strict=True):
        meant = getattr(entry, name)
        if found != meant:
            return f"its column {name} was edited: it is {found!r}, the body says {meant!r}"
    return None


def payload_fault(said: Said, payload: bytes | None) -> str | None:
    """Why this is not the payload that the body means; None also where there is none at all."""
    beside = said.payload
    if payload is None:
        return None
    if beside is None:
        return "a payload was put beside it, of which its body knows nothing"
    if len(payload) != beside.bytes or hashlib.sha256(payload).hexdigest() != beside.sha256:
        return "its payload was edited: the digest in the body does not fit"
    return None
