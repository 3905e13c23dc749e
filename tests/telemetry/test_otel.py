"""Traces and metrics, as they arrive at a collector."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest
from pytest import approx

from callgate.model import Call, Era, Outcome, Reply
from callgate.pipeline.pipeline import govern
from callgate.telemetry.operations import METRIC_ATTRIBUTES, SPAN_ATTRIBUTES
from callgate.telemetry.otel import METRICS, OtelTelemetry
from callgate.telemetry.settings import TelemetrySettings
from fakes.calls import a_call, a_principal
from fakes.collector import Collector, a_collector, points
from fakes.gateway import a_gateway
from fakes.outcomes import SECONDS, ended, refused_before_the_stages
from fakes.target import FakeCaller, FakeConnector

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED, UNSAMPLED = f"00-{TRACE}-{SPAN}-01", f"00-{TRACE}-{SPAN}-00"
SERVER, CLIENT = METRICS


def exported(outcomes: Iterable[Outcome], **settings: Any) -> Collector:
    """What arrives of these calls, once the telemetry is closed."""
    with a_collector() as collector:
        telemetry = OtelTelemetry(TelemetrySettings(otlp_endpoint=collector.url, **settings), "9.9")
        for outcome in outcomes:
            telemetry.begin(outcome.call).end(outcome)
        asyncio.run(telemetry.close())
    return collector


def nanoseconds(seconds: float) -> int:
    return round(seconds * 1e9)


def test_a_call_is_a_server_span_with_a_client_span_below() -> None:
    outcome = ended()

    client, server = sorted(exported([outcome]).spans, key=lambda span: span.kind)

    assert (server.kind, client.kind) == ("server", "client")
    assert server.name == client.name == "tools/call refund"
    assert (server.parent_id, client.parent_id) == ("", server.span_id)
    assert server.trace_id == client.trace_id
    began_at = nanoseconds(outcome.call.received_at)
    assert server.starts_at == approx(began_at, abs=1000)
    assert server.ends_at - server.starts_at == approx(nanoseconds(sum(SECONDS.values())), abs=1000)
    assert client.ends_at - client.starts_at == approx(nanoseconds(SECONDS["forward"]), abs=1000)
    assert server.starts_at < client.starts_at < client.ends_at < server.ends_at
    assert server.attributes["callgate.call.id"] == "c000"
    assert server.attributes["callgate.policy.determining"] == ["p1", "p2"]
    assert not server.has_failed


def test_the_trace_of_the_agent_is_continued() -> None:
    spans = exported([ended(meta={"traceparent": SAMPLED})]).spans

    assert {span.trace_id for span in spans} == {TRACE}
    assert [span.parent_id for span in spans if span.kind == "server"] == [SPAN]


def test_what_goes_upstream_names_the_client_span() -> None:
    target = FakeConnector()
    with a_collector() as collector:
        telemetry = OtelTelemetry(TelemetrySettings(otlp_endpoint=collector.url), "9.9")
        gateway = a_gateway(connector=target, telemetry=telemetry)
        call = a_call(
            arguments={"customer": "c1", "amount": 5},
            meta={"traceparent": SAMPLED, "tracestate": "vendor=1"},
        )

        async def scenario() -> None:
            await govern(call, gateway, FakeCaller())
            await telemetry.close()

        asyncio.run(scenario())

    (client,) = [span for span in collector.spans if span.kind == "client"]
    (request,) = target.asked
    assert request.meta["traceparent"] == f"00-{TRACE}-{client.span_id}-01"
    assert request.meta["tracestate"] == "vendor=1"


@pytest.mark.parametrize("ratio", [0.0, 1.0])
def test_an_agent_that_traces_not_is_not_traced_here(ratio: float) -> None:
    collector = exported([ended(meta={"traceparent": UNSAMPLED})], sample_ratio=ratio)

    assert collector.spans == []
    assert points(collector, SERVER)[0][1] == 1


def test_an_agent_that_traces_is_traced_here_whatever_the_ratio() -> None:
    assert len(exported([ended(meta={"traceparent": SAMPLED})], sample_ratio=0.0).spans) == 2


def test_of_other_calls_the_ratio_is_traced() -> None:
    spans = exported([ended() for _ in range(400)], sample_ratio=0.25).spans

    assert 50 < len(spans) / 2 < 150


def test_targets_stay_in_the_trace_of_a_call_that_is_not_sampled() -> None:
    with a_collector() as collector:
        telemetry = OtelTelemetry(TelemetrySettings(otlp_endpoint=collector.url), "9.9")
        traceparent = telemetry.begin(a_call(meta={"traceparent": UNSAMPLED})).traceparent
        asyncio.run(telemetry.close())

    assert traceparent.startswith(f"00-{TRACE}-")
    assert traceparent.endswith("-00")
    assert SPAN not in traceparent


def test_a_refused_call_has_failed_and_no_client_span() -> None:
    (span,) = exported([ended("not_permitted", last="authorize")]).spans

    assert (span.kind, span.has_failed) == ("server", True)
    assert span.attributes["error.type"] == "not_permitted"


def test_a_refusal_before_the_stages_is_traced_but_took_no_time() -> None:
    outcomes = [refused_before_the_stages("shutting_down", requested_name="made_up"), ended()]

    collector = exported(outcomes)

    assert sorted(span.name for span in collector.spans) == [
        "tools/call",
        "tools/call refund",
        "tools/call refund",
    ]
    assert [count for _, count, _ in points(collector, SERVER)] == [1]


def test_durations_are_measured_on_both_sides_of_every_call() -> None:
    failed = ended(reply=Reply(body=b'{"isError":true}'))

    collector = exported([ended(), ended(), failed, ended("policy_error", last="authorize")])

    by_code = {at.get("error.type"): [n, s] for at, n, s in points(collector, SERVER)}
    assert by_code.keys() == {None, "tool_error", "policy_error"}
    assert by_code[None] == approx([2, 2 * sum(SECONDS.values())])
    by_code = {at.get("error.type"): [n, s] for at, n, s in points(collector, CLIENT)}
    assert by_code.keys() == {None, "tool_error"}
    assert by_code[None] == approx([2, 2 * SECONDS["forward"]])
    assert {metric.unit for metric in collector.metrics} == {"s"}


def test_neither_arguments_nor_results_nor_reasons_nor_proofs_are_exported() -> None:
    canary = "c4n4ry"
    more = {
        "arguments": {canary: canary},
        "sealed": canary.encode(),
        "meta": {"traceparent": SAMPLED, "vendor": canary},
        "principal": a_principal(canary, canary, claims={"x": canary}, tenant=canary),
        "client": {"name": canary},
        "enriched": {"x": {"y": canary}},
        "era": Era.LEGACY,
        "protocol_version": canary,
        "requested_name": canary,
    }
    leaky = [
        Outcome(call=call(code, more), timings=ended().timings, refusal_code=code,
                reason=canary, detail=canary, data={"x": canary})
        for code in (None, "invalid_arguments")
    ]  # fmt: skip

    collector = exported(leaky)

    assert len(collector.spans) == 4
    assert not any(canary.encode() in body for body in collector.bodies)


def call(code: str | None, more: dict[str, Any]) -> Call:
    return ended(code, **more, reply=Reply(body=b'{"content":"c4n4ry"}')).call


def test_only_described_attributes_and_metrics_are_exported() -> None:
    collector = exported([ended("target_lost", last="forward", era=Era.LEGACY, session_id="s")])

    said = {key for span in collector.spans for key in span.attributes}
    assert said == METRIC_ATTRIBUTES.keys() | SPAN_ATTRIBUTES.keys()
    assert {metric.name for metric in collector.metrics} == set(METRICS)


def test_the_resource_is_the_service_by_its_name_and_version() -> None:
    (resource, *_) = exported([ended()], service_name="gate-1").resources

    assert resource["service.name"] == "gate-1"
    assert resource["service.version"] == "9.9"


def test_headers_for_the_collector_come_from_the_standard_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-ingest=k1")

    assert {headers["x-ingest"] for headers in exported([ended()]).headers} == {"k1"}


def test_without_an_endpoint_there_is_nothing_to_make() -> None:
    with pytest.raises(ValueError, match="otlp_endpoint"):
        OtelTelemetry(TelemetrySettings(), "9.9")
