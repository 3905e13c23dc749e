"""Exports as OpenTelemetry logs: OTLP over HTTP, in JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from callgate.audit.explain import began
from callgate.audit.record import instant
from callgate.exports.calls import Ending, ending, operation, place_of
from callgate.exports.cloudevents import code_of
from callgate.exports.export import Batch, DestinationError
from callgate.exports.posting import Poster
from callgate.model import Json
from callgate.protocol.jsonrpc import encode
from callgate.version import VERSION

# Names follow the OpenTelemetry semantic conventions for generative AI and MCP, which are in
# development; what they have no name for begins with `callgate.`.
_SEVERITY: dict[Ending, tuple[int, str]] = {
    "completed": (9, "INFO"),
    "failed": (13, "WARN"),
    "refused": (13, "WARN"),
    "withheld": (13, "WARN"),
    "broken": (17, "ERROR"),
    "interrupted": (17, "ERROR"),
}
_SAMPLED = "01"

_decode = msgspec.json.Decoder().decode


def log_record(said: dict[str, Json], origin: str, *, with_contents: bool) -> dict[str, Json]:
    """A whole call as a LogRecord of OTLP's JSON form.

    `with_contents`: arguments and results too, as far as the record has them.
    """
    number, word = _SEVERITY[ending(said)]
    told: dict[str, Json] = {
        "timeUnixNano": _nanoseconds(began(said)),
        "observedTimeUnixNano": _nanoseconds(said["at"]),
        "severityNumber": number,
        "severityText": word,
        "eventName": code_of(said),
        "body": {"stringValue": f"{operation(said)}: {ending(said)}"},
        "attributes": [
            {"key": key, "value": _value(value)}
            for key, value in _attributes(said, origin, with_contents=with_contents)
            if value not in (None, "", [])
        ],
    }
    trace = str(said.get("traceparent") or "").split("-")
    if len(trace) == 4:
        told |= {"traceId": trace[1], "spanId": trace[2], "flags": int(trace[3] == _SAMPLED)}
    return told


def _attributes(
    said: dict[str, Json], origin: str, *, with_contents: bool
) -> Iterator[tuple[str, Json]]:
    principal = said.get("principal") or {}
    decision = said.get("decision") or {}
    yield "callgate.record.place", place_of(said, origin)
    yield "callgate.call.id", said["call"]
    yield "callgate.run.id", said.get("run")
    yield "mcp.method.name", said.get("method") or "tools/call"
    yield "mcp.session.id", said.get("session")
    yield "gen_ai.operation.name", None if said.get("method") else "execute_tool"
    yield "gen_ai.tool.name", operation(said)
    yield "gen_ai.tool.call.id", said["call"]
    yield "gen_ai.agent.name", principal.get("agent")
    yield "enduser.id", principal.get("id")
    yield "callgate.code", said.get("code")
    yield "callgate.ran", said.get("ran")
    yield "callgate.delivered", said.get("delivered")
    yield "callgate.policies", [str(policy) for policy in decision.get("policies") or ()]
    yield "callgate.policy.version", decision.get("version")
    yield "callgate.reason", said.get("reason")
    if ending(said) != "completed":
        yield "error.type", "tool_error" if said.get("code") == "ok" else said.get("code")
    if with_contents:
        for key, name in (("arguments", "arguments"), ("content", "result")):
            if key in said:
                yield f"gen_ai.tool.call.{name}", encode(said[key]).decode()


def _value(value: Json) -> dict[str, Json]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, list):
        return {"arrayValue": {"values": [_value(one) for one in value]}}
    return {"stringValue": str(value)}


def _nanoseconds(at: str) -> str:
    return str(round(instant(at) * 1_000_000) * 1000)


class OtlpDestination:
    """One request for each batch. What the collector turns down is sent again, all of it."""

    def __init__(
        self, poster: Poster, origin: str, resource: Mapping[str, str], *, with_contents: bool
    ) -> None:
        self.most = 200
        self._poster = poster
        self._origin = origin
        self._with_contents = with_contents
        self._resource = [{"key": key, "value": _value(text)} for key, text in resource.items()]

    async def send(self, batch: Batch) -> None:
        """Returns when the collector has taken every record."""
        records = [
            log_record(one, self._origin, with_contents=self._with_contents)
            for one in batch.records
        ]
        scope = {"name": "callgate.record", "version": VERSION}
        body = {
            "resourceLogs": [
                {
                    "resource": {"attributes": self._resource},
                    "scopeLogs": [{"scope": scope, "logRecords": records}],
                }
            ]
        }
        answer = await self._poster.post(encode(body), {"content-type": "application/json"})
        turned_down = _rejected(answer)
        if turned_down:
            raise DestinationError(f"the collector turned down {turned_down} records")

    async def close(self) -> None:
        """Ends the connections."""
        await self._poster.close()


def _rejected(answer: bytes) -> int:
    """How many records a collector that answered 2xx has not taken (`partialSuccess`)."""
    try:
        said = _decode(answer) if answer else {}
        return int((said.get("partialSuccess") or {}).get("rejectedLogRecords") or 0)
    except (AttributeError, TypeError, ValueError):
        return 0  # it answered something else; the status says that it has them
