"""What an interceptor wants: shown what it may see, then done, or only recorded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec.structs import replace

from callgate.model import Call, Change, Json, Ran, Refused
from callgate.pipeline.attaching import RESULT, Attachment
from callgate.pipeline.consulting import Told, said
from callgate.protocol.jsonrpc import encode

MAX_TEXT_CHARACTERS = 4000  # of a reason or a note; the rest is cut off
MAX_BYTES = 16 << 20  # of what an interceptor puts in place of something smaller than half of it

_decode = msgspec.json.Decoder().decode

_SCALARS = frozenset({str, int, float, bool, type(None)})

Apply = Callable[[Call, Attachment, Told], Call]


def applied(call: Call, attachment: Attachment, phase: str, told: Told, apply: Apply) -> Call:
    """What the interceptor wants, done; or only recorded, where it observes. Raises Refused."""
    try:
        wanted = apply(call, attachment, told)
        if told.decision is not None and told.decision.note and wanted.changes is call.changes:
            wanted = Noting(attachment, phase, told)(wanted, "noted")
    except Refused as refused:
        attachment.gate.breaker.succeeded()
        if not attachment.is_observing:
            raise
        wanted = refused.call or call
    except Exception as error:  # noqa: BLE001 - junk is a failure of who returned it
        attachment.gate.breaker.failed(told.at)
        failure = f"failed ({type(error).__name__})"
        told = replace(told, failure=failure, detail=said(error))
        return failed(call, attachment, phase, told)
    attachment.gate.breaker.succeeded()
    return replace(call, changes=wanted.changes) if attachment.is_observing else wanted


def failed(call: Call, attachment: Attachment, phase: str, told: Told) -> Call:
    call = Noting(attachment, phase, told)(call, "failed")
    if attachment.may_fail or attachment.is_observing:
        return call
    is_withheld = phase == RESULT and call.ran is not Ran.NO
    reason = f"The interceptor {attachment.name} {told.failure.split(' (')[0]}"
    reason += ", so the result is withheld." if is_withheld else ", so the call is refused."
    detail = f"{told.failure}: {told.detail}"
    raise Refused("interceptor_failed", reason, detail=detail, call=call)


class Noting:
    """Appends to a call's changes what one interceptor did in one phase."""

    def __init__(self, attachment: Attachment, phase: str, told: Told) -> None:
        self._attachment = attachment
        self._phase = phase
        self._told = told

    def __call__(self, call: Call, action: str, *, note: str = "", **more: Any) -> Call:
        told = self._told
        if told.failure:
            own = f"{told.failure}: {told.detail}"
        else:
            own = text_of(told.decision.note, "a note") if told.decision is not None else ""
        change = Change(
            interceptor=self._attachment.name,
            phase=self._phase,
            action=action,
            mode=self._attachment.mode,
            note=note or own,
            duration_seconds=told.seconds,
            **more,
        )
        return replace(call, changes=(*call.changes, change))


class Copies:
    """A JSON value that is shown to one interceptor after the other."""

    __slots__ = ("_is_flat", "_text", "value")

    def __init__(self, value: Json, text: bytes | None = None) -> None:
        self.value = value
        self._text = text
        self._is_flat: bool | None = None  # holds nothing that can be changed in place; not known

    @property
    def text(self) -> bytes:
        """The value as JSON."""
        if self._text is None:
            self._text = encode(self.value)
        return self._text

    def of(self, attachment: Attachment) -> Json:
        """What the interceptor sees: its own copy, unless it is known to leave the value alone."""
        if attachment.interceptor.is_gentle:
            return self.value
        if self._is_flat is None:
            value = self.value
            self._is_flat = type(value) is dict and _SCALARS.issuperset(map(type, value.values()))
        return self.value.copy() if self._is_flat else _decode(self.text)


def own_copy(value: Json) -> Json:
    return _decode(encode(value))


def replacement(
    value: Json, name: str, instead_of: bytes, most: int = MAX_BYTES
) -> dict[str, Json]:
    """A copy of the object that is to stand in place of another. Raises TypeError, ValueError."""
    if not isinstance(value, dict):
        raise TypeError(f"{name} must be a dict")
    text = encode(value)
    if len(text) > max(most, 2 * len(instead_of)):
        raise ValueError(f"{name} has {len(text)} bytes; {most} are taken")
    copied: dict[str, Json] = _decode(text)
    return copied


def sentence(text: Json) -> str:
    """A reason for people. Raises TypeError where it is none."""
    return text_of(text, "a reason")


def text_of(text: Json, name: str) -> str:
    """A text that can be written down, cut where it is too long. Raises TypeError."""
    if not isinstance(text, str):
        raise TypeError(f"{name} is a text")
    if len(text) > MAX_TEXT_CHARACTERS:
        text = f"{text[:MAX_TEXT_CHARACTERS]}… ({len(text)} characters)"
    return str(text.encode("utf-8", "replace"), "utf-8")
