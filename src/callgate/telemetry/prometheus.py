"""Prometheus metrics: counted on the call path, put together when they are scraped."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from prometheus_client import CollectorRegistry, exposition
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from callgate.model import Call, Outcome, Value
from callgate.ports import TargetStatus
from callgate.telemetry.codes import code_of
from callgate.telemetry.durations import Durations

OPENMETRICS = "application/openmetrics-text"
OPENMETRICS_TYPE = f"{OPENMETRICS}; version=1.0.0; charset=utf-8"
TEXT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

MOST_SERIES = 10_000
MOST_TIMED = 256  # calls whose durations are taken in together
OTHERS = "(others)"

CALL_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
               60.0)  # fmt: skip
STAGE_BOUNDS = (0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01,
                0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0)  # fmt: skip


class Described(Value):
    """One metric: what it is called, what it says, and what it is split by."""

    name: str
    kind: Literal["counter", "gauge", "histogram", "info"]
    says: str
    labels: tuple[str, ...] = ()


CALLS = Described(
    name="callgate_calls_total",
    kind="counter",
    says="Calls that ended; code is ok, tool_error or the code of the refusal.",
    labels=("target", "tool", "code"),
)
CALL_SECONDS = Described(
    name="callgate_call_seconds",
    kind="histogram",
    says="How long calls took from the first stage to the last, the target included.",
    labels=("target",),
)
STAGE_SECONDS = Described(
    name="callgate_stage_seconds",
    kind="histogram",
    says="How long each stage of the call path took.",
    labels=("stage",),
)
IN_FLIGHT = Described(
    name="callgate_calls_in_flight", kind="gauge", says="Calls that are on their way now."
)
SESSIONS = Described(
    name="callgate_sessions_open", kind="gauge", says="MCP sessions (handshake era) that are open."
)
TARGET_READY = Described(
    name="callgate_target_ready",
    kind="gauge",
    says="Whether the target can be used now.",
    labels=("target",),
)
TARGET_TOOLS = Described(
    name="callgate_target_tools",
    kind="gauge",
    says="Tools that the catalogue knows of the target.",
    labels=("target",),
)
STORE_HEALTHY = Described(
    name="callgate_store_healthy",
    kind="gauge",
    says="Whether the last write to the record went through; where not, calls are refused.",
)
POLICIES = Described(
    name="callgate_policies", kind="gauge", says="Policies in the set that decides now."
)
POLICY_FINDINGS = Described(
    name="callgate_policy_findings",
    kind="gauge",
    says="What is wrong with policies in force, such as that they do not fit a tool as it is now.",
)
POLICY_SET = Described(
    name="callgate_policy_set_info",
    kind="info",
    says="The version of the policy set that decides now.",
    labels=("version",),
)

DAMAGED_LOGS = Described(
    name="callgate_record_damaged_logs",
    kind="gauge",
    says="Logs of the record that are not continued, because they are not what was signed.",
)
ERASURES_PASSED_OVER = Described(
    name="callgate_search_erasures_unreadable",
    kind="gauge",
    says="Events of deletions that cannot be read: the index for searches was made anew without.",
)
WITNESS_DISPUTED = Described(
    name="callgate_witness_disputed",
    kind="gauge",
    says="Whether the witness has seen what contradicts the record.",
    labels=("witness",),
)
WITNESS_BEHIND = Described(
    name="callgate_witness_behind",
    kind="gauge",
    says="Entries of the log of logs that the witness has not seen yet.",
    labels=("witness",),
)
EXPORTED = Described(
    name="callgate_exported_records_total",
    kind="counter",
    says="Records that the export's destination has taken from this process.",
    labels=("export",),
)
EXPORT_FAILING = Described(
    name="callgate_export_failing",
    kind="gauge",
    says="Whether the export's destination does not take what it is sent.",
    labels=("export",),
)
EVALUATIONS = Described(
    name="callgate_evaluations_total",
    kind="counter",
    says="Decisions made for others over AuthZEN; they are no calls. decision is permit or refuse.",
    labels=("api", "decision"),
)

METRICS = (CALLS, CALL_SECONDS, STAGE_SECONDS, IN_FLIGHT, SESSIONS, TARGET_READY, TARGET_TOOLS,
           STORE_HEALTHY, DAMAGED_LOGS, ERASURES_PASSED_OVER, POLICIES, POLICY_FINDINGS,
           POLICY_SET, WITNESS_BEHIND, WITNESS_DISPUTED, EXPORTED, EXPORT_FAILING,
           EVALUATIONS)  # fmt: skip
"""Every metric there is, besides the process's own."""


@dataclass(slots=True)
class Readings:
    """What is not counted but read when metrics are scraped. Called on the loop; must be quick.

    Set them once there is something to read: the gateway is made later than its telemetry.
    """

    sessions: Callable[[], int] = lambda: 0
    targets: Callable[[], Sequence[TargetStatus]] = lambda: ()
    is_store_healthy: Callable[[], bool] = lambda: False
    policies: Callable[[], tuple[int, str]] = lambda: (0, "")  # how many; the set's version
    policy_findings: Callable[[], int] = lambda: 0
    damaged_logs: Callable[[], int] = lambda: 0
    erasures_passed_over: Callable[[], int] = lambda: 0
    witnesses: Callable[[], Sequence[tuple[str, int, bool]]] = (
        lambda: ()
    )  # name; how far behind; whether it disputes
    exports: Callable[[], Sequence[tuple[str, int, bool]]] = lambda: ()  # name; sent; is failing


@dataclass(slots=True)
class _Series:
    """The calls of one target and tool that ended with one code."""

    seconds: Durations  # shared by all series of the target
    count: int = 0


@dataclass(slots=True)
class _Counts:
    """What has been counted since the process began. Changed on the loop only."""

    in_flight: int = 0
    series: dict[tuple[str, str, str], _Series] = field(default_factory=dict)
    calls: dict[str, Durations] = field(default_factory=dict)
    stages: dict[str, Durations] = field(default_factory=dict)
    timed: list[tuple[_Series, dict[str, float]]] = field(default_factory=list)  # not yet taken in
    evaluations: dict[tuple[str, str], int] = field(default_factory=dict)

    def begin(self, key: tuple[str, str, str]) -> _Series:
        """A new series. INVARIANT: their number is bounded, whatever tools targets make up."""
        if len(self.series) >= MOST_SERIES:
            key = (OTHERS, OTHERS, key[2])
            known = self.series.get(key)
            if known is not None:
                return known
        seconds = self.calls.get(key[0])
        if seconds is None:
            seconds = self.calls[key[0]] = Durations(CALL_BOUNDS)
        made = self.series[key] = _Series(seconds)
        return made

    def take_in(self) -> None:
        """Adds the durations of the calls that ended since the last time: together, as one after
        the other costs ten times as much.
        """
        timed, self.timed = self.timed, []
        calls: defaultdict[Durations, list[float]] = defaultdict(list)
        alike: defaultdict[tuple[str, ...], list[Iterable[float]]] = defaultdict(list)
        for series, timings in timed:
            calls[series.seconds].append(sum(timings.values()))
            alike[tuple(timings)].append(timings.values())
        for durations, sums in calls.items():
            durations.add(sums)
        stages: defaultdict[str, list[float]] = defaultdict(list)
        for names, rows in alike.items():  # most calls go through the same stages
            for stage, column in zip(names, zip(*rows, strict=True), strict=True):
                stages[stage] += column
        for stage, values in stages.items():
            known = self.stages.get(stage)
            if known is None:
                known = self.stages[stage] = Durations(STAGE_BOUNDS)
            known.add(values)


class PrometheusTelemetry:
    """Implements Telemetry. One registry each: two gateways in a process do not mix."""

    def __init__(self, readings: Readings) -> None:
        self._counts = _Counts()
        self._span = _CountingSpan(self._counts)
        self.registry = CollectorRegistry()
        self.registry.register(_Scrape(self._counts, readings))
        ProcessCollector(registry=self.registry)

    def begin(self, call: Call) -> _CountingSpan:
        """All calls share one span: what it must know is in the outcome."""
        self._counts.in_flight += 1
        return self._span

    def count_evaluations(self, api: str, is_permitted: bool, number: int) -> None:
        """Counts decisions that were made for others. `api` is one of a few fixed words."""
        key = (api, "permit" if is_permitted else "refuse")
        self._counts.evaluations[key] = self._counts.evaluations.get(key, 0) + number

    async def exposition(self, accept: str | None) -> tuple[bytes, str]:
        """All metrics and their media type: OpenMetrics where accepted, else Prometheus text."""
        # Not the library's own negotiation: it fails on versions that are not numbers.
        encode: Callable[[Collector], bytes] = exposition.generate_latest
        media_type = TEXT_TYPE
        if OPENMETRICS in (accept or ""):
            encode, media_type = openmetrics.generate_latest, OPENMETRICS_TYPE
        collected = _Collected(self.registry.collect())
        # About 5 µs a line: with thousands of series, calls would stand still for too long.
        return await asyncio.to_thread(encode, collected), media_type


class _CountingSpan:
    """Implements Span."""

    __slots__ = ("_counts",)

    traceparent: str | None = None

    def __init__(self, counts: _Counts) -> None:
        self._counts = counts

    def end(self, outcome: Outcome) -> None:
        counts = self._counts
        counts.in_flight -= 1
        tool, code = outcome.call.tool, code_of(outcome)
        # Where no tool was found, its name is whatever the agent wrote: never a label. The route
        # is the name of a target, or it would not have been served.
        if tool is None:
            key = (outcome.call.route or "", "", code)
        else:
            key = (tool.target, tool.name, code)
        series = counts.series.get(key) or counts.begin(key)
        series.count += 1
        if outcome.timings:  # else refused before the first stage: it took no time
            counts.timed.append((series, outcome.timings))
            if len(counts.timed) >= MOST_TIMED:
                counts.take_in()


class _Scrape(Collector):
    """Puts the metrics together."""

    def __init__(self, counts: _Counts, readings: Readings) -> None:
        self._counts = counts
        self._readings = readings

    def collect(self) -> Iterator[Metric]:
        self._counts.take_in()
        yield self._calls()
        yield _histogram(CALL_SECONDS, self._counts.calls)
        yield _histogram(STAGE_SECONDS, self._counts.stages)
        yield _gauge(IN_FLIGHT, {(): self._counts.in_flight})
        readings = self._readings
        yield _gauge(SESSIONS, {(): readings.sessions()})
        targets = readings.targets()
        yield _gauge(TARGET_READY, {(target.name,): target.is_ready for target in targets})
        yield _gauge(TARGET_TOOLS, {(target.name,): target.tools for target in targets})
        yield _gauge(STORE_HEALTHY, {(): readings.is_store_healthy()})
        yield _gauge(DAMAGED_LOGS, {(): readings.damaged_logs()})
        yield _gauge(ERASURES_PASSED_OVER, {(): readings.erasures_passed_over()})
        count, version = readings.policies()
        yield _gauge(POLICIES, {(): count})
        yield _gauge(POLICY_FINDINGS, {(): readings.policy_findings()})
        name = POLICY_SET.name.removesuffix("_info")
        yield InfoMetricFamily(name, POLICY_SET.says, value={"version": version})
        witnesses = readings.witnesses()
        yield _gauge(WITNESS_BEHIND, {(name,): behind for name, behind, _ in witnesses})
        yield _gauge(WITNESS_DISPUTED, {(name,): disputes for name, _, disputes in witnesses})
        exports = readings.exports()
        yield _counter(EXPORTED, [((name,), sent) for name, sent, _ in exports])
        yield _gauge(EXPORT_FAILING, {(name,): is_failing for name, _, is_failing in exports})
        yield self._evaluations()

    def _evaluations(self) -> Metric:
        return _counter(EVALUATIONS, self._counts.evaluations.items())

    def _calls(self) -> Metric:
        return _counter(CALLS, ((key, one.count) for key, one in self._counts.series.items()))


class _Collected(Collector):
    """What was collected, to be written elsewhere than on the loop."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = tuple(families)

    def collect(self) -> Iterable[Metric]:
        return self._families


def _counter(metric: Described, values: Iterable[tuple[tuple[str, ...], int]]) -> Metric:
    family = CounterMetricFamily(metric.name, metric.says, labels=metric.labels)
    for labels, value in values:
        family.add_metric(labels, value)
    return family


def _gauge(metric: Described, values: Mapping[tuple[str, ...], float]) -> Metric:
    family = GaugeMetricFamily(metric.name, metric.says, labels=metric.labels)
    for labels, value in values.items():
        family.add_metric(labels, float(value))
    return family


def _histogram(metric: Described, durations: Mapping[str, Durations]) -> Metric:
    family = HistogramMetricFamily(metric.name, metric.says, labels=metric.labels)
    for label, found in durations.items():
        family.add_metric((label,), found.buckets(), found.seconds)
    return family
