"""A small OpenTelemetry collector: a real HTTP server that decodes what arrives."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

KINDS = {Span.SPAN_KIND_SERVER: "server", Span.SPAN_KIND_CLIENT: "client"}


@dataclass(frozen=True)
class ArrivedSpan:
    """One span. Ids are in hex; an absent parent is the empty text."""

    name: str
    kind: str
    trace_id: str
    span_id: str
    parent_id: str
    starts_at: int  # nanoseconds since the epoch
    ends_at: int
    attributes: dict[str, Any]
    has_failed: bool
    said: str


@dataclass
class Collector:
    """What has arrived. `release` lets requests go on where it hangs."""

    url: str
    spans: list[ArrivedSpan] = field(default_factory=list)
    metrics: list[Any] = field(default_factory=list)  # protobuf Metric messages, newest last
    resources: list[dict[str, Any]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    release: threading.Event = field(default_factory=threading.Event)

    def take(self, path: str, body: bytes) -> None:
        self.bodies.append(body)
        if path == "/v1/traces":
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                self.resources.append(_attributes(resource.resource.attributes))
                for scope in resource.scope_spans:
                    self.spans += map(_span, scope.spans)
        elif path == "/v1/metrics":
            for group in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                for scope in group.scope_metrics:
                    self.metrics += scope.metrics
        else:
            raise AssertionError(path)


@contextmanager
def a_collector(*, status: int = 200, hangs: bool = False) -> Iterator[Collector]:
    """One that answers with this status, or not before it is released."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            collector.headers.append({k.lower(): v for k, v in self.headers.items()})
            if hangs:
                collector.release.wait(60)
            collector.take(self.path, body)
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    collector = Collector(f"http://127.0.0.1:{server.server_port}")
    serving = threading.Thread(target=server.serve_forever, args=(0.01,))
    serving.start()
    try:
        yield collector
    finally:
        collector.release.set()
        server.shutdown()
        server.server_close()
        serving.join()


def points(collector: Collector, name: str) -> list[tuple[dict[str, Any], int, float]]:
    """Of the newest metric of this name: attributes, count and sum of each series."""
    metric = next(m for m in reversed(collector.metrics) if m.name == name)
    return [(_attributes(p.attributes), p.count, p.sum) for p in metric.histogram.data_points]


def _span(span: Any) -> ArrivedSpan:
    return ArrivedSpan(
        name=span.name,
        kind=KINDS[span.kind],
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        starts_at=span.start_time_unix_nano,
        ends_at=span.end_time_unix_nano,
        attributes=_attributes(span.attributes),
        has_failed=span.status.code == Status.STATUS_CODE_ERROR,
        said=span.status.message,
    )


def _attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: Any) -> Any:
    if value.HasField("array_value"):
        return [_value(item) for item in value.array_value.values]
    return getattr(value, value.WhichOneof("value"))
