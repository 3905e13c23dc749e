"""Prometheus metrics, as they are scraped, and as docs/metrics.md describes them."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text
from pytest import approx

from callgate.model import Call, Outcome, Refused, Reply
from callgate.pipeline.pipeline import STAGES, govern, record_refusal
from callgate.protocol.refusals import REFUSALS
from callgate.telemetry import otel, prometheus
from callgate.telemetry.operations import METRIC_ATTRIBUTES, SPAN_ATTRIBUTES
from callgate.telemetry.prometheus import METRICS, PrometheusTelemetry, Readings
from fakes.calls import a_call, a_tool
from fakes.gateway import a_gateway
from fakes.operators import a_status
from fakes.outcomes import SECONDS, ended, refused_before_the_stages
from fakes.target import FakeCaller, FakeConnector

DOCS = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text("utf-8")
ROW = re.compile(r"^\| `(?P<name>[\w.]+)` \| (?P<cells>.*) \|$", re.MULTILINE)
PROCESS = {"process_resident_memory_bytes", "process_cpu_seconds_total", "process_open_fds"}


def told(*outcomes: Outcome) -> PrometheusTelemetry:
    """Metrics that have seen these calls."""
    telemetry = PrometheusTelemetry(Readings())
    for outcome in outcomes:
        telemetry.begin(outcome.call).end(outcome)
    return telemetry


def value(telemetry: PrometheusTelemetry, name: str, **labels: str) -> float | None:
    return telemetry.registry.get_sample_value(name, labels)


def calls(telemetry: PrometheusTelemetry) -> dict[tuple[str, str, str], float]:
    """(target, tool, code) → how many."""
    (family,) = [f for f in telemetry.registry.collect() if f.name == "callgate_calls"]
    return {
        (s.labels["target"], s.labels["tool"], s.labels["code"]): s.value for s in family.samples
    }


def scraped(telemetry: PrometheusTelemetry, accept: str | None = None) -> str:
    return asyncio.run(telemetry.exposition(accept))[0].decode()


def test_calls_are_counted_by_how_they_ended() -> None:
    telemetry = told(
        ended(),
        ended(),
        ended(reply=Reply(body=b'{"isError":true}')),
        ended("not_permitted", last="authorize"),
        ended(tool=a_tool("crm", "find")),
    )

    assert calls(telemetry) == {
        ("shop", "refund", "ok"): 2,
        ("shop", "refund", "tool_error"): 1,
        ("shop", "refund", "not_permitted"): 1,
        ("crm", "find", "ok"): 1,
    }


def test_what_an_agent_made_up_is_no_label() -> None:
    telemetry = told(
        ended("unknown_tool", last="resolve", tool=None, requested_name="made_up"),
        ended("unknown_tool", last="resolve", tool=None, route="shop", requested_name="made_up"),
    )

    assert calls(telemetry) == {("", "", "unknown_tool"): 1, ("shop", "", "unknown_tool"): 1}
    assert "made_up" not in scraped(telemetry)


def test_a_target_that_makes_up_tools_cannot_fill_the_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(prometheus, "MOST_SERIES", 10)

    telemetry = told(*(ended(tool=a_tool("shop", f"t{number}")) for number in range(100)))

    assert len(calls(telemetry)) == 11
    assert calls(telemetry)["(others)", "(others)", "ok"] == 90
    assert sum(calls(telemetry).values()) == 100


def test_durations_are_those_of_the_stages_and_their_sum() -> None:
    telemetry = told(ended(), ended("not_permitted", last="authorize"))

    total = 2 * sum(SECONDS.values()) - sum(list(SECONDS.values())[5:])
    assert value(telemetry, "callgate_call_seconds_sum", target="shop") == approx(total)
    assert value(telemetry, "callgate_call_seconds_count", target="shop") == 2
    assert value(telemetry, "callgate_stage_seconds_count", stage="authorize") == 2
    assert value(telemetry, "callgate_stage_seconds_sum", stage="forward") == approx(0.25)
    assert value(telemetry, "callgate_stage_seconds_bucket", stage="forward", le="0.1") == 0
    assert value(telemetry, "callgate_stage_seconds_bucket", stage="forward", le="0.5") == 1


def test_a_refusal_before_the_stages_is_counted_but_took_no_time() -> None:
    telemetry = told(refused_before_the_stages("shutting_down"))

    assert calls(telemetry) == {("", "", "shutting_down"): 1}
    assert not value(telemetry, "callgate_call_seconds_count", target="")


def test_calls_in_flight_are_those_that_began_and_did_not_end() -> None:
    telemetry = PrometheusTelemetry(Readings())
    spans = [telemetry.begin(a_call()) for _ in range(3)]

    spans[0].end(ended())
    assert value(telemetry, "callgate_calls_in_flight") == 2

    for span in spans[1:]:
        span.end(ended("internal_error", last="identify"))
    assert value(telemetry, "callgate_calls_in_flight") == 0


def test_the_trace_of_a_call_is_left_alone() -> None:
    assert PrometheusTelemetry(Readings()).begin(a_call()).traceparent is None


def test_every_call_through_the_real_stages_is_counted_once() -> None:
    telemetry, target = PrometheusTelemetry(Readings()), FakeConnector()
    gateway = a_gateway(connector=target, telemetry=telemetry)

    def call(amount: Any) -> Call:
        return a_call(arguments={"customer": "c1", "amount": amount})

    async def scenario() -> None:
        await govern(call(5), gateway, FakeCaller())
        await govern(call("many"), gateway, FakeCaller())
        record_refusal(call(5), Refused("shutting_down", "Later."), gateway)

    asyncio.run(scenario())

    assert calls(telemetry) == {
        ("shop", "refund", "ok"): 1,
        ("shop", "refund", "invalid_arguments"): 1,
        ("", "", "shutting_down"): 1,
    }
    assert value(telemetry, "callgate_calls_in_flight") == 0
    for stage in STAGES:
        assert value(telemetry, "callgate_stage_seconds_count", stage=stage.__name__)


def test_decisions_for_others_are_counted_apart_from_calls() -> None:
    telemetry = PrometheusTelemetry(Readings())
    for number, is_permitted in ((1, True), (2, True), (0, False)):
        telemetry.count_evaluations("search", is_permitted=is_permitted, number=number)

    name = "callgate_evaluations_total"
    assert value(telemetry, name, api="search", decision="permit") == 3
    assert value(telemetry, name, api="search", decision="refuse") == 0
    assert calls(telemetry) == {}


def test_what_is_read_is_read_when_it_is_scraped() -> None:
    readings = Readings()
    telemetry = PrometheusTelemetry(readings)
    assert value(telemetry, "callgate_store_healthy") == 0

    readings.sessions = lambda: 7
    readings.targets = lambda: (a_status(tools=3), a_status("crm", is_ready=False, tools=0))
    readings.is_store_healthy = lambda: True
    readings.policies = lambda: (5, "v1")

    assert value(telemetry, "callgate_sessions_open") == 7
    assert value(telemetry, "callgate_target_ready", target="shop") == 1
    assert value(telemetry, "callgate_target_ready", target="crm") == 0
    assert value(telemetry, "callgate_target_tools", target="shop") == 3
    assert value(telemetry, "callgate_store_healthy") == 1
    assert value(telemetry, "callgate_policies") == 5
    assert value(telemetry, "callgate_policy_set_info", version="v1") == 1


def test_two_gateways_in_one_process_do_not_mix() -> None:
    one, other = told(ended()), told()

    assert calls(one)
    assert not calls(other)


def test_prometheus_reads_both_formats_alike() -> None:
    telemetry = told(ended(tool=a_tool("shop", 'a"b\\c\nd')), ended("policy_error"))

    def of_calls(families: Any) -> dict[str, float]:
        return {
            str((s.name, s.labels)): s.value
            for family in families
            for s in family.samples
            if s.name.startswith("callgate")
        }

    text = of_calls(read_text(scraped(telemetry)))
    accept = "application/openmetrics-text; version=1.0.0"
    openmetrics = of_calls(
        read_openmetrics(scraped(telemetry, accept))  # type: ignore[no-untyped-call] # the library
    )
    assert text == openmetrics
    assert len(text) > 50


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        (None, "text/plain; version=0.0.4; charset=utf-8"),
        ("*/*", "text/plain; version=0.0.4; charset=utf-8"),
        ("text/plain;version=junk", "text/plain; version=0.0.4; charset=utf-8"),
        (
            "application/openmetrics-text;version=junk,text/plain",
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
        ),
    ],
)
def test_the_format_is_the_one_that_is_accepted(accept: str | None, media_type: str) -> None:
    assert asyncio.run(told().exposition(accept))[1] == media_type


def test_the_process_is_measured_too() -> None:
    names = {sample.name for family in told().registry.collect() for sample in family.samples}

    assert names >= PROCESS


def documented(heading: str, columns: str) -> dict[str, list[str]]:
    """The rows of the table under a heading: name → the other cells."""
    table = DOCS.split(f"## {heading}\n")[1].split(columns)[1].split("\n\n")[0]
    return {row["name"]: row["cells"].split(" | ") for row in ROW.finditer(table)}


def test_every_prometheus_metric_is_documented_and_nothing_else() -> None:
    assert documented("Prometheus", "| labels | says |") == {
        metric.name: [metric.kind, ", ".join(f"`{label}`" for label in metric.labels), metric.says]
        for metric in METRICS
    }


def test_every_prometheus_metric_is_there_with_its_labels_and_nothing_else() -> None:
    readings = Readings(
        targets=lambda: (a_status(),),
        witnesses=lambda: [("vault", 3, False)],
        exports=lambda: [("siem", 7, True)],
    )
    telemetry = PrometheusTelemetry(readings)
    telemetry.begin(a_call()).end(ended())
    telemetry.count_evaluations("search", is_permitted=True, number=2)

    found = {
        re.sub(r"_(bucket|sum|count)$", "", sample.name): set(sample.labels) - {"le"}
        for family in telemetry.registry.collect()
        for sample in family.samples
        if not sample.name.startswith("process_")
    }

    assert found == {metric.name: set(metric.labels) for metric in METRICS}


def test_every_opentelemetry_metric_and_attribute_is_documented_and_nothing_else() -> None:
    assert documented("OpenTelemetry", "| unit | says |") == {
        name: ["histogram", "s", says] for name, says in otel.METRICS.items()
    }
    assert {
        name: cells[-1] for name, cells in documented("OpenTelemetry", "| client span |").items()
    } == {**METRIC_ATTRIBUTES, **SPAN_ATTRIBUTES}


def test_the_attributes_are_documented_where_they_are() -> None:
    cells = documented("OpenTelemetry", "| client span |")

    for name, (on_metrics, on_server, on_client, _) in cells.items():
        assert (on_metrics == "yes") == (name in METRIC_ATTRIBUTES)
        assert on_server == "yes"
        is_shared = name in METRIC_ATTRIBUTES and name != "mcp.protocol.version"
        assert (on_client == "yes") == is_shared


def test_every_process_metric_that_is_documented_is_there() -> None:
    names = {sample.name for family in told().registry.collect() for sample in family.samples}

    assert set(re.findall(r"`(process_\w+)`", DOCS)) <= names


def test_no_refusal_code_can_be_taken_for_one_of_ours() -> None:
    assert not {"ok", "tool_error"} & REFUSALS.keys()
