"""OpenTelemetry traces and metrics of calls, as its GenAI and MCP conventions name them."""

from __future__ import annotations

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from callgate.model import Call, Outcome
from callgate.telemetry.operations import Attributes, Operation, details, forwarded, served
from callgate.telemetry.otlp import Export
from callgate.telemetry.settings import TelemetrySettings
from callgate.telemetry.trace_context import Ids, Parent, new_ids, read_traceparent, sample_bound

METRICS = {
    "mcp.server.operation.duration": "How long calls took, as the agent saw it.",
    "mcp.client.operation.duration": "How long the target took, for calls that were forwarded.",
}

_UNSET = Status(StatusCode.UNSET)
_ERROR = Status(StatusCode.ERROR)  # without a description: a reason may quote arguments


class OtelTelemetry:
    """Implements Telemetry. Needs the extra `callgate[otlp]`.

    The ids of both spans are drawn as the call begins, so that the client span's can go upstream;
    the spans are made when the call has ended, with the times of its stages. So a call costs little
    where it is traced, and next to nothing where it is not.
    """

    def __init__(self, settings: TelemetrySettings, version: str) -> None:
        if settings.otlp_endpoint is None:
            raise ValueError("`telemetry.otlp_endpoint` is not set")
        self._bound = sample_bound(settings.sample_ratio)
        # OTEL_RESOURCE_ATTRIBUTES adds to it, as the specification wants.
        self._resource = Resource.create(
            {"service.name": settings.service_name, "service.version": version}
        )
        self._scope = InstrumentationScope("callgate", version)
        self._export = Export(settings.otlp_endpoint, self._resource)
        self._served, self._forwarded = (
            self._export.histogram(name, says) for name, says in METRICS.items()
        )

    def begin(self, call: Call) -> OtelSpan:
        """Continues the trace that the agent's `traceparent` names, else begins one."""
        parent = read_traceparent(call.meta.get("traceparent"))
        return OtelSpan(self, new_ids(parent, self._bound), parent)

    async def close(self) -> None:
        """Exports what is left, for a few seconds at most."""
        await self._export.close()

    def end(self, outcome: Outcome, ids: Ids, parent: Parent | None) -> None:
        """Measures both operations; exports their spans where the call is sampled."""
        whole, part = served(outcome), forwarded(outcome)
        if outcome.timings:  # else refused before the first stage: it took no time
            self._served.record(whole.seconds, whole.attributes)
        if part is not None:
            self._forwarded.record(part.seconds, part.attributes)
        if not ids.is_sampled:
            return
        above = None if parent is None else _context(ids, parent.span_id, is_remote=True)
        server = _context(ids, ids.server_span_id)
        attributes: Attributes = {**whole.attributes, **details(outcome.call)}
        self._put(SpanKind.SERVER, server, above, whole, attributes)
        if part is not None:
            client = _context(ids, ids.client_span_id)
            self._put(SpanKind.CLIENT, client, server, part, {**part.attributes})

    def _put(
        self,
        kind: SpanKind,
        context: SpanContext,
        parent: SpanContext | None,
        operation: Operation,
        attributes: Attributes,
    ) -> None:
        # Made directly: a tracer's own spans want their ids and times while they run, and cost ten
        # times as much. The test decodes what arrives at a collector.
        span = ReadableSpan(
            operation.name,
            context=context,
            parent=parent,
            resource=self._resource,
            attributes=attributes,
            kind=kind,
            status=_ERROR if operation.is_error else _UNSET,
            start_time=int(operation.began_at * 1e9),
            end_time=int((operation.began_at + operation.seconds) * 1e9),
            instrumentation_scope=self._scope,
        )
        self._export.put(span)


class OtelSpan:
    """Implements Span."""

    __slots__ = ("_ids", "_parent", "_telemetry")

    def __init__(self, telemetry: OtelTelemetry, ids: Ids, parent: Parent | None) -> None:
        self._telemetry = telemetry
        self._ids = ids
        self._parent = parent

    @property
    def traceparent(self) -> str:
        """The client span, whether or not it is sampled: so targets stay in the agent's trace."""
        return self._ids.traceparent

    def end(self, outcome: Outcome) -> None:
        """Measures and exports."""
        self._telemetry.end(outcome, self._ids, self._parent)


def _context(ids: Ids, span_id: int, *, is_remote: bool = False) -> SpanContext:
    return SpanContext(ids.trace_id, span_id, is_remote, TraceFlags(ids.flags))
