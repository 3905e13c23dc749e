"""Turns what was measured into RESULTS.md: tables, the machine, and which targets are met."""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import crossing_report
import lists
import policy_report
import record
import targets
from alone import Alone
from contestant import LOADS, PACED, Contestant
from crossing import Crossing
from load import Load, Measurement

import interceptors
import sessions
from interceptors import Interceptors
from policy import Policies

INTRODUCTION = """\
# Benchmark

Callgate beside its peers: the same target, the same load and the same machine, in one run. The
target is `bench/stub.py`, a Granian and msgspec program that speaks both eras of MCP and answers
a `tools/call` with about 1 KB of JSON. The load is `wrk` with `bench/call.lua`: every call has its
own id and its own argument, and every reply is checked. Each gateway is one worker on core 0; the
target and `wrk` share core 1. Peers take turns in every round and are stopped (SIGSTOP) between
turns.

CPU per call is the CPU time of the gateway's whole process tree divided by the calls that reached
the target; memory is the proportional set size of that tree. Tables show the median of the rounds,
and in brackets the lowest and the highest. What Callgate leaves for when it has time, the index by
which calls are found in the record, is waited for and counted; `later` says how much of it that is.
Calls per second of the fast rows are limited by core 1, which the target and `wrk` share, so CPU
per call is the figure to compare. A call costs less where a gateway is never idle, so those that do
more than 1,000 calls a second are measured at that rate too.
"""


@dataclass(frozen=True)
class Run:
    contestants: Sequence[Contestant]
    alone: Alone | None
    rounds: int
    seconds: int
    command: str
    parts: Sequence[str]
    crossings: Sequence[Crossing]
    idle: list[sessions.Idle]
    lists: lists.Lists | None
    policies: Policies | None
    interceptors: Interceptors | None
    record: record.Record | None


def render(run: Run) -> str:
    parts = [INTRODUCTION, facts(run)]
    if run.contestants:
        parts += [peers(run)]
        parts += [table(run.contestants, load) for load in (*LOADS, PACED)]
    parts += [by_itself(run.alone), crossing_report.section(run.crossings, run.parts)]
    parts += [sessions.section(run.idle), lists.section(run.lists) if run.lists else ""]
    parts += [policy_report.section(run.policies) if run.policies else ""]
    parts += [interceptors.section(run.interceptors) if run.interceptors else ""]
    parts += [record.section(run.record) if run.record else ""]
    further = [
        *policy_report.target_lines(run.policies),
        *interceptors.target_lines(run.interceptors),
        *record.target_lines(run.record),
    ]
    met = targets.section(run.contestants, run.alone, run.idle, further)
    parts += [met, failures(run)]
    return "\n".join(part for part in parts if part)


def in_a_line(found: Measurement) -> str:
    return (
        f"{found.load.title}: {found.cpu_us_per_call:,.0f} µs CPU per call, "
        f"{found.calls_per_second:,.0f} calls/s, p50 {found.p50_ms:.2f} ms, "
        f"p99 {found.p99_ms:.2f} ms, {found.memory_bytes / 1e6:.0f} MB, "
        f"{found.wrong + found.broken} errors"
    )


def facts(run: Run) -> str:
    return f"""\
## This run

- Command: `{run.command}` ({run.rounds} rounds, {run.seconds} s per measurement)
- Date: {time.strftime("%Y-%m-%d")}
- CPU: {cpu_model()}; kernel: {platform.release()}
- Python {platform.python_version()}, {wrk_version()}
"""


def cpu_model() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{len(models)} x {models[0]}" if models else platform.machine()


def wrk_version() -> str:
    status = Path("/var/lib/dpkg/status")
    text = status.read_text() if status.exists() else ""
    entry = text.partition("\nPackage: wrk\n")[2].partition("\n\n")[0]
    versions = [line for line in entry.splitlines() if line.startswith("Version: ")]
    return versions[0].replace("Version: ", "wrk ") if versions else "wrk"


def peers(run: Run) -> str:
    lines = ["| peer | versions | set-up |", "|---|---|---|"]
    for each in run.contestants:
        lines.append(f"| {each.peer.name} | {each.versions} | {each.peer.about} |")
    return "\n".join(lines) + "\n"


def table(contestants: Sequence[Contestant], load: Load) -> str:
    lines = [
        f"## {load.title}",
        "",
        "| peer | CPU µs per call | x Envoy | later | calls/s | p50 ms | p99 ms | MB | errors |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    envoy = targets.cpu_of(contestants, targets.ENVOY, load)
    for each in contestants:
        found = [one for one in each.measurements if one.load == load]
        if found:
            lines.append(row(each.peer.name, found, envoy))
    return "\n".join(lines) + "\n"


def row(name: str, found: Sequence[Measurement], envoy: float | None) -> str:
    cpu = [one.cpu_us_per_call for one in found]
    later = [one.later_us_per_call for one in found]
    ratio = f"{statistics.median(cpu) / envoy:.2f}" if envoy else "-"
    cells = [
        name,
        spread(cpu, 0 if min(cpu) > 999 else 1),
        "-" if name == "direct" else ratio,
        spread(later, 0) if any(later) else "",
        spread([one.calls_per_second for one in found], 0),
        spread([one.p50_ms for one in found], 2),
        spread([one.p99_ms for one in found], 2),
        f"{statistics.median(one.memory_bytes for one in found) / 1e6:.0f}",
        str(sum(one.wrong + one.broken for one in found)),
    ]
    return "| " + " | ".join(cells) + " |"


def spread(values: Sequence[float], digits: int) -> str:
    middle, low, high = statistics.median(values), min(values), max(values)
    return f"{middle:,.{digits}f} ({low:,.{digits}f}–{high:,.{digits}f})"


def by_itself(alone: Alone | None) -> str:
    if alone is None or alone.failure:
        return ""
    return f"""\
## Callgate by itself

- `tools/list` over {alone.tools:,} tools, warm, one connection: p50 {alone.list_p50_ms:.1f} ms,
  slowest {alone.list_max_ms:.1f} ms; the very first took {alone.list_first_ms:.0f} ms
- Memory with {alone.tools:,} tools and {alone.sessions} open legacy sessions:
  {alone.memory_bytes / 1e6:.0f} MB
"""


def failures(run: Run) -> str:
    lines = [f"- {each.peer.name}: {each.failure}" for each in run.contestants if each.failure]
    for each in run.contestants:
        samples = [one.sample for one in each.measurements if one.sample]
        lines += [f"- {each.peer.name} gave wrong replies, first: `{one}`" for one in samples[:1]]
    if run.alone is not None and run.alone.failure:
        lines.append(f"- Callgate by itself: {run.alone.failure}")
    text = "\n".join(["## What could not be measured", "", *lines, ""]) if lines else ""
    return text.replace(str(Path(__file__).parent), "bench")
