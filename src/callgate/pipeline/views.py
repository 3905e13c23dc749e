"""What interceptors see of a call: made once, copied for each of them."""

from __future__ import annotations

from typing import Generic, TypeVar

from msgspec.structs import force_setattr

from callgate.model import Call
from callgate.pipeline.attaching import Attachment
from callgate.pipeline.unalterable import EMPTY, fixed, fixed_principal, fixed_tool
from callgate.scrutiny import Request, View

V = TypeVar("V", bound=View)


class Views(Generic[V]):
    """The views of one call at one point, before they are given what is special to the point.

    Making one costs four times what copying it does, so one is made for those that are known to
    change nothing, and one for all others: what calls share cannot be changed in that.
    """

    __slots__ = ("_call", "_for_gentle", "_for_others", "_kind")

    def __init__(self, kind: type[V]) -> None:
        self._kind = kind
        self._call: Call | None = None  # of which the two are
        self._for_gentle: V | None = None
        self._for_others: V | None = None

    def of(self, call: Call, attachment: Attachment) -> V:
        """One for one interceptor: fields may be set as long as nobody else has it."""
        if call is not self._call:
            self._call, self._for_gentle, self._for_others = call, None, None
        if attachment.interceptor.is_gentle:
            made = self._for_gentle
            if made is None:
                made = self._for_gentle = self._made(call)
        else:
            made = self._for_others
            if made is None:
                made = self._for_others = self._protected(call)
        view: V = made.__copy__()  # type: ignore[attr-defined] # its stubs do not have it
        if call.headers and attachment.headers:
            force_setattr(view, "headers", headers_of(call, attachment))
        return view

    def _made(self, call: Call) -> V:
        assert call.principal is not None and call.tool is not None  # noqa: S101 - stage order
        return self._kind(
            call_id=call.id,
            principal=call.principal,
            tool=call.tool,
            run=run_of(call),
            headers=EMPTY,
            meta=call.meta,
            labels=call.labels,
            **({"enriched": call.enriched} if self._kind is Request else {}),
            **({"verdict": call.verdict} if "verdict" in self._kind.__struct_fields__ else {}),
        )

    def _protected(self, call: Call) -> V:
        view = self._made(call)
        force_setattr(view, "principal", fixed_principal(view.principal))
        force_setattr(view, "tool", fixed_tool(view.tool))
        force_setattr(view, "meta", fixed(call.meta))
        if self._kind is Request:
            force_setattr(view, "enriched", fixed(call.enriched))
        return view


def headers_of(call: Call, attachment: Attachment) -> dict[str, str]:
    """The headers of the request that the interceptor may see."""
    headers = call.headers
    return {name: headers[name] for name in attachment.headers if name in headers}


def run_of(call: Call) -> str:
    """What joins the calls of one run: the MCP session, or else the trace id that the agent sent.

    Not the run of the record: where there is neither, an interceptor may take all calls of the
    principal together, which a pause does not end.
    """
    return call.session_id or (_trace(call) if call.meta else "")


def _trace(call: Call) -> str:
    """The trace id of `traceparent` (W3C): `00-<trace>-<span>-<flags>`."""
    sent = call.sent_traceparent  # telemetry puts a trace of its own in its place
    parent = call.meta.get("traceparent") if sent is None else sent
    parts = parent.split("-") if isinstance(parent, str) else ()
    return parts[1] if len(parts) == 4 else ""
