"""What an interceptor wants: shown what it may see, then done, or only recorded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec.structs import replace

from callgate.model import Call, Change, Json, Ran, Refused
from callgate.pipeline.attaching import RESULT, Attachment
from callgate.pipeline.consulting import Told
from callgate.protocol.jsonrpc import encode

_decode = msgspec.json.Decoder().decode

Apply = Callable[[Call, Attachment, Told], Call]


def applied(call: Call, attachment: Attachment, phase: str, told: Told, apply: Apply) -> Call:
    """What the interceptor wants, done; or only recorded, where it observes. Raises Refused."""
    try:
        wanted = apply(call, attachment, told)
    except Refused as refused:
        attachment.gate.breaker.succeeded()
        if not attachment.is_observing:
            raise
        wanted = refused.call or call
    except Exception as error:  # noqa: BLE001 - junk is a failure of who returned it
        attachment.gate.breaker.failed(told.at)
        failure = f"failed ({type(error).__name__})"
        told = replace(told, failure=failure, detail=str(error)[:200])
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
        said = told.decision.note if told.decision is not None else ""
        if told.failure:
            said = f"{told.failure}: {told.detail}"
        change = Change(
            interceptor=self._attachment.name,
            phase=self._phase,
            action=action,
            mode=self._attachment.mode,
            note=note or said,
            duration_seconds=told.seconds,
            **more,
        )
        return replace(call, changes=(*call.changes, change))


class Copies:
    """A JSON value that is shown to one interceptor after the other."""

    __slots__ = ("_text", "value")

    def __init__(self, value: Json, text: bytes | None = None) -> None:
        self.value = value
        self._text = text

    @property
    def text(self) -> bytes:
        """The value as JSON."""
        if self._text is None:
            self._text = encode(self.value)
        return self._text

    def of(self, attachment: Attachment) -> Json:
        """What the interceptor sees: its own copy, unless it is known to leave the value alone."""
        return self.value if attachment.interceptor.is_gentle else _decode(self.text)


def headers_of(call: Call, attachment: Attachment) -> dict[str, str]:
    """The headers of the request that the interceptor may see."""
    headers = call.headers
    if not headers:
        return headers
    return {name: headers[name] for name in attachment.headers if name in headers}


def run_of(call: Call) -> str:
    """What joins the calls of one run: the MCP session, or else the trace id."""
    return call.session_id or (_trace(call) if call.meta else "")


def _trace(call: Call) -> str:
    """The trace id of `traceparent` (W3C): `00-<trace>-<span>-<flags>`."""
    parent = call.meta.get("traceparent")
    parts = parent.split("-") if isinstance(parent, str) else ()
    return parts[1] if len(parts) == 4 else ""


def own_copy(value: Json) -> Json:
    return _decode(encode(value))


def sentence(text: Json) -> str:
    """A reason for people. Raises TypeError where it is none."""
    if not isinstance(text, str):
        raise TypeError("a reason is a text")
    return text
