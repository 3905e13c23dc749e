"""What one interceptor of a server answered: a verdict or a payload, or else junk (SEP-2624)."""

from __future__ import annotations

from typing import Literal

import msgspec

from callgate.audit.patch import patch
from callgate.interceptors.mcp_descriptors import Found, McpError
from callgate.model import Json, Value

MAX_TOLD_CHARACTERS = 300
MAX_TOLD = 5


class Said(Value):
    """What came of one invocation."""

    is_blocking: bool = False  # it found an error; whether that blocks is told by its mode
    severity: str = ""  # of what a validator found; "" where it found nothing
    told: str = ""  # its messages, in one line
    is_modified: bool = False
    payload: Json = None


class _Note(msgspec.Struct):
    message: str


class _Echo(msgspec.Struct):
    """What every result repeats; examples of older drafts leave it out."""

    interceptor: str | None = None
    type: Literal["validation", "mutation"] | None = None
    phase: Literal["request", "response"] | None = None


class _Validation(_Echo, kw_only=True):
    valid: bool
    severity: str | None = None
    messages: list[_Note] | None = None


class _Mutation(_Echo, kw_only=True):
    modified: bool
    payload: Json | msgspec.UnsetType = msgspec.UNSET


def read_said(result: Json, found: Found, phase: str, sent: Json) -> Said:
    """Reads the result of one invocation with the payload `sent`. Raises McpError for junk."""
    kind = _Mutation if found.is_mutator else _Validation
    try:
        said = msgspec.convert(result, kind)
    except msgspec.ValidationError as error:
        raise McpError(f"what it answered does not fit: {error}") from None
    _check_echo(said, found, phase)
    if isinstance(said, _Mutation):
        return _mutation(said, sent)
    assert isinstance(said, _Validation)  # noqa: S101 - there are two kinds
    if said.valid:
        return Said(told=_told(said.messages))
    # What is not one of the three severities counts as the gravest.
    severity = said.severity if said.severity in ("info", "warn") else "error"
    return Said(is_blocking=severity == "error", severity=severity, told=_told(said.messages))


def _check_echo(said: _Echo, found: Found, phase: str) -> None:
    kind = "mutation" if found.is_mutator else "validation"
    for echo, expected in ((said.interceptor, found.name), (said.type, kind), (said.phase, phase)):
        if echo is not None and echo != expected:
            raise McpError(f"it answered as {echo[:40]!r} where {expected!r} was asked")


def _mutation(said: _Mutation, sent: Json) -> Said:
    if said.modified and said.payload is msgspec.UNSET:
        raise McpError("it says `modified` and gives no payload")
    # Not by `==`, for which `true` and `1` are the same.
    is_other = said.payload is not msgspec.UNSET and bool(patch(sent, said.payload))
    if not said.modified:
        if is_other:
            raise McpError("it says that it modified nothing, and gives another payload")
        return Said()
    return Said(is_modified=is_other, payload=said.payload)


def _told(messages: list[_Note] | None) -> str:
    texts = [_plain(note.message) for note in (messages or [])[:MAX_TOLD]]
    return " ".join(text for text in texts if text)[:MAX_TOLD_CHARACTERS]


def _plain(text: str) -> str:
    """One printable line."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
