"""W3C trace context: what a `traceparent` says, and whether a call is sampled."""

from __future__ import annotations

import os
import re

from callgate.model import Json, Value

SAMPLED = 0x01
_RANDOM = 0x02  # level 2: passed on as it came
_LOW_BITS = (1 << 64) - 1
_TRACEPARENT = re.compile(
    r"(?!ff)(?P<version>[0-9a-f]{2})-(?P<trace>(?!0{32})[0-9a-f]{32})-(?P<span>(?!0{16})[0-9a-f]{16})"
    r"-(?P<flags>[0-9a-f]{2})(?P<more>-.*)?"
)


class Parent(Value):
    """The span of whoever called us."""

    trace_id: int
    span_id: int
    flags: int

    @property
    def is_sampled(self) -> bool:
        """Whether it is being traced: we follow."""
        return bool(self.flags & SAMPLED)


class Ids(Value):
    """What the spans of one call are called, before any of them is made."""

    trace_id: int
    server_span_id: int
    client_span_id: int
    flags: int

    @property
    def is_sampled(self) -> bool:
        """Whether the spans are exported."""
        return bool(self.flags & SAMPLED)

    @property
    def traceparent(self) -> str:
        """What goes upstream: our client span as the parent."""
        return f"00-{self.trace_id:032x}-{self.client_span_id:016x}-{self.flags:02x}"


def read_traceparent(text: Json) -> Parent | None:
    """The parent, or None where there is none or it is not valid: then a new trace begins."""
    match = _TRACEPARENT.fullmatch(text) if isinstance(text, str) else None
    if match is None or (match["version"] == "00" and match["more"]):
        return None
    flags = int(match["flags"], 16) & (SAMPLED | _RANDOM)
    return Parent(trace_id=int(match["trace"], 16), span_id=int(match["span"], 16), flags=flags)


def sample_bound(ratio: float) -> int:
    """The bound that `new_ids` takes, as OpenTelemetry's TraceIdRatioBased computes it."""
    return round(ratio * (_LOW_BITS + 1))


def new_ids(parent: Parent | None, bound: int) -> Ids:
    """Ids in the parent's trace, sampled as it is; or in a new trace, sampled below the bound."""
    random = os.urandom(32)
    server_span_id = int.from_bytes(random[16:24], "big") or 1
    client_span_id = int.from_bytes(random[24:], "big") or 1
    if parent is not None:
        trace_id, flags = parent.trace_id, parent.flags
    else:
        trace_id = int.from_bytes(random[:16], "big") or 1
        flags = SAMPLED if trace_id & _LOW_BITS < bound else 0
    return Ids(
        trace_id=trace_id,
        server_span_id=server_span_id,
        client_span_id=client_span_id,
        flags=flags,
    )
