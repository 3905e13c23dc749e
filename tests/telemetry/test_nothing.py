"""Telemetry that watches nothing."""

from __future__ import annotations

from callgate.ports import Telemetry
from callgate.telemetry.nothing import NoTelemetry
from fakes.outcomes import ended


def test_it_leaves_a_call_as_it_is() -> None:
    telemetry: Telemetry = NoTelemetry()
    outcome = ended()

    span = telemetry.begin(outcome.call)

    assert span.traceparent is None
    span.end(outcome)
