"""A collector that is down, slow, or says no: calls must not notice."""

from __future__ import annotations

import asyncio
import logging
import socket
import time

import pytest
from opentelemetry.sdk.resources import Resource

from callgate.model import Outcome
from callgate.telemetry import otlp
from callgate.telemetry.otel import OtelTelemetry
from callgate.telemetry.otlp import LOGGERS, QUEUED_SPANS, Export
from callgate.telemetry.settings import TelemetrySettings
from fakes.collector import a_collector
from fakes.outcomes import ended

CALLS = 3 * QUEUED_SPANS
OUTCOME = ended()


def end(telemetry: OtelTelemetry, outcome: Outcome, times: int) -> float:
    """Seconds that so many calls took."""
    started = time.perf_counter()
    for _ in range(times):
        telemetry.begin(outcome.call).end(outcome)
    return time.perf_counter() - started


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Closing gives up soon."""
    monkeypatch.setattr(otlp, "CLOSE_SECONDS", 0.2)


@pytest.mark.usefixtures("hurried")
def test_a_collector_that_is_down_costs_calls_nothing_and_closing_little(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(otlp, "GIVE_UP_SECONDS", 10.0)  # it does end, with all its complaints
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        telemetry = OtelTelemetry(TelemetrySettings(otlp_endpoint=url), "9.9")

        with caplog.at_level(logging.WARNING):
            spent = end(telemetry, OUTCOME, CALLS)
            started = time.perf_counter()
            asyncio.run(telemetry.close())

    assert spent < 0.01 * CALLS
    assert time.perf_counter() - started < 20  # the SDK itself waits for half a minute
    said = [record.msg for record in caplog.records if record.name in LOGGERS]
    assert len(said) == len(set(said))  # each complaint once a minute


@pytest.mark.usefixtures("hurried")
def test_a_collector_that_hangs_costs_calls_nothing_and_closing_little() -> None:
    with a_collector(hangs=True) as collector:
        telemetry = OtelTelemetry(TelemetrySettings(otlp_endpoint=collector.url), "9.9")

        spent = end(telemetry, OUTCOME, CALLS)
        started = time.perf_counter()
        asyncio.run(telemetry.close())

        assert time.perf_counter() - started < 20  # the SDK itself waits for half a minute
    assert spent < 0.01 * CALLS


def test_while_the_queue_is_full_the_oldest_spans_are_dropped() -> None:
    with a_collector(hangs=True) as collector:
        telemetry = OtelTelemetry(TelemetrySettings(otlp_endpoint=collector.url), "9.9")
        end(telemetry, OUTCOME, CALLS)
        last = ended(id="the-last")
        end(telemetry, last, 1)

        collector.release.set()
        asyncio.run(telemetry.close())

    ids = {span.attributes.get("callgate.call.id") for span in collector.spans}
    assert len(collector.spans) < CALLS
    assert "the-last" in ids


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("status", [400, 503])
def test_a_collector_that_says_no_costs_nothing_but_its_spans(
    status: int, caplog: pytest.LogCaptureFixture
) -> None:
    with a_collector(status=status) as collector, caplog.at_level(logging.WARNING):
        telemetry = OtelTelemetry(TelemetrySettings(otlp_endpoint=collector.url), "9.9")
        end(telemetry, OUTCOME, 1)
        asyncio.run(telemetry.close())

    assert collector.spans
    assert any(record.name in LOGGERS for record in caplog.records)


def test_closing_leaves_no_filter_behind() -> None:
    before = [list(logging.getLogger(name).filters) for name in LOGGERS]
    with a_collector() as collector:
        export = Export(collector.url, Resource.create({}))
        asyncio.run(export.close())

    assert [logging.getLogger(name).filters for name in LOGGERS] == before
