"""The way to an OpenTelemetry collector: bounded queues, and threads that calls never wait for."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Sequence

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.metrics import Histogram
from opentelemetry.sdk.metrics import AlwaysOffExemplarFilter, MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from callgate.telemetry.seldom import Seldom

QUEUED_SPANS = 2048
TIMEOUT_SECONDS = 10.0
CLOSE_SECONDS = 5.0
GIVE_UP_SECONDS = 0.5
BOUNDS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300)  # as MCP semconv says
LOGGERS = (
    "opentelemetry.exporter.otlp.proto.http.trace_exporter",
    "opentelemetry.exporter.otlp.proto.http.metric_exporter",
)


class Export:
    """Sends spans and metrics to one collector.

    The collector is down or slow: attempts are repeated in the background for a few seconds, then
    that batch is dropped; while the queue is full, the oldest spans are. That is logged, seldom.
    Nothing here is global: two gateways in one process do not mix.
    """

    def __init__(self, endpoint: str, resource: Resource) -> None:
        self._seldom = Seldom()
        for name in LOGGERS:
            logging.getLogger(name).addFilter(self._seldom)
        spans = OTLPSpanExporter(f"{endpoint}/v1/traces", timeout=TIMEOUT_SECONDS)
        metrics = OTLPMetricExporter(f"{endpoint}/v1/metrics", timeout=TIMEOUT_SECONDS)
        self._exporters = (spans, metrics)
        self._spans = BatchSpanProcessor(spans, max_queue_size=QUEUED_SPANS)
        self._meters = MeterProvider(
            [PeriodicExportingMetricReader(metrics)],
            resource,
            exemplar_filter=AlwaysOffExemplarFilter(),
            shutdown_on_exit=False,
        )

    def histogram(self, name: str, description: str) -> Histogram:
        """A histogram of seconds."""
        return self._meters.get_meter("callgate").create_histogram(
            name, unit="s", description=description, explicit_bucket_boundaries_advisory=BOUNDS
        )

    def put(self, span: ReadableSpan) -> None:
        """Queues a span that has ended."""
        self._spans.on_end(span)

    async def close(self) -> None:
        """Sends what is left, for CLOSE_SECONDS at most."""
        await asyncio.to_thread(self._close)
        for name in LOGGERS:
            logging.getLogger(name).removeFilter(self._seldom)

    def _close(self) -> None:
        # The SDK itself would wait half a minute for a collector that hangs.
        ends = (self._spans.shutdown, lambda: self._meters.shutdown(CLOSE_SECONDS * 1000))
        threads = [threading.Thread(target=end, name="otlp-close", daemon=True) for end in ends]
        for thread in threads:
            thread.start()
        if not _have_ended(threads, CLOSE_SECONDS):
            for exporter in self._exporters:
                exporter.shutdown()  # ends the pauses between attempts
            _have_ended(threads, GIVE_UP_SECONDS)


def _have_ended(threads: Sequence[threading.Thread], seconds: float) -> bool:
    """Whether all of them end in this time."""
    deadline = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return not any(thread.is_alive() for thread in threads)
