"""Formats of one JSON text a line: which there are, and what each says of a call or an entry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from callgate.exports.cloudevents import cloud_event
from callgate.exports.ocsf import api_activity
from callgate.exports.sep3004 import FIRST, AuditChain
from callgate.model import Json, Value
from callgate.protocol.harmless import harmless
from callgate.protocol.jsonrpc import encode

LineFormat = Literal["calls", "records", "ocsf", "cloudevents", "sep-3004"]
Say = Callable[[dict[str, Json]], Json]


class Described(Value):
    """One format: what it is made of, and what it is."""

    of: Literal["calls", "records"]  # ended calls, whole; or every entry, events too
    says: str


LINE_FORMATS: dict[LineFormat, Described] = {
    "calls": Described(of="calls", says="calls as they are recorded, each whole"),
    "records": Described(of="records", says="every entry of the record, events too"),
    "ocsf": Described(of="calls", says="OCSF 1.8.0, API Activity"),
    "cloudevents": Described(of="records", says="CloudEvents 1.0"),
    "sep-3004": Described(of="calls", says="MCP's draft of an audit record, chained"),
}


def speaker(name: LineFormat, origin: str, previous_hash: str = FIRST) -> Say:
    """What says a call or an entry in this format. `previous_hash` is for sep-3004 alone."""
    if name == "ocsf":
        return lambda said: api_activity(said, origin)
    if name == "cloudevents":
        return lambda said: cloud_event(said, origin)
    if name == "sep-3004":
        return AuditChain(previous_hash).next
    return lambda said: said


def line(said: Json) -> bytes:
    """One line, its end included; whatever stands in it, it is one, and may be shown."""
    return harmless(encode(said).decode()).encode() + b"\n"
