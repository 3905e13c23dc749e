"""The targets that Callgate has set itself, and whether a run met them."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from alone import Alone
from contestant import LOADS, Contestant
from load import Load

import sessions

CALLGATE = "Callgate"
CALLGATE_FEW = "Callgate, 10 policies"
ENVOY = "Envoy"
FASTMCP = "FastMCP proxy"
CONTEXTFORGE = "ContextForge"


@dataclass(frozen=True)
class Ratio:
    """CPU per call of one peer over another's, with the limit and on which side to stay."""

    text: str
    over: str
    under: str
    limit: float
    is_met: Callable[[float, float], bool]


def at_most(found: float, limit: float) -> bool:
    return found <= limit


def at_least(found: float, limit: float) -> bool:
    return found >= limit


RATIOS = (
    Ratio("CPU per call at most 3 times Envoy's", CALLGATE, ENVOY, 3.0, at_most),
    Ratio("the aim: at most 2 times Envoy's", CALLGATE, ENVOY, 2.0, at_most),
    Ratio("at least 200 times less than FastMCP's proxy", FASTMCP, CALLGATE, 200.0, at_least),
    Ratio("at least 50 times less than ContextForge", CONTEXTFORGE, CALLGATE, 50.0, at_least),
    Ratio("100 policies at most 1.2 times 10", CALLGATE, CALLGATE_FEW, 1.2, at_most),
)
LIST_MS = 20.0
MEMORY_MB = 150.0


def cpu_of(contestants: Sequence[Contestant], name: str, load: Load) -> float | None:
    """The median CPU per call in microseconds, if it was measured."""
    values = [
        found.cpu_us_per_call
        for each in contestants
        if each.peer.name == name
        for found in each.measurements
        if found.load == load
    ]
    return statistics.median(values) if values else None


def section(
    contestants: Sequence[Contestant],
    alone: Alone | None,
    idle: list[sessions.Idle],
    further: Sequence[tuple[str, str, bool]],
) -> str:
    """`further`: what else was aimed at, what was measured, and whether it is met."""
    lines = [line for ratio in RATIOS for line in ratio_lines(ratio, contestants)]
    if alone is not None and not alone.failure:
        memory_mb = alone.memory_bytes / 1e6
        lines += [
            line(
                "tools/list over 1,000 tools under 20 ms",
                "-",
                f"{alone.list_p50_ms:.1f} ms",
                alone.list_p50_ms < LIST_MS,
            ),
            line(
                "1,000 tools and 100 sessions under 150 MB",
                "-",
                f"{memory_mb:.0f} MB",
                memory_mb < MEMORY_MB,
            ),
        ]
    idle_kb = sessions.worst_kb(idle)
    if idle_kb is not None:
        text = (
            f"{sessions.SESSIONS:,} idle sessions (no stream) under {sessions.LIMIT_KB:.0f} KB each"
        )
        lines.append(line(text, "-", f"{idle_kb:.1f} KB", idle_kb < sessions.LIMIT_KB))
    for text, measured, is_met in further:
        lines.append(line(text, "-", measured, is_met))
    if not lines:
        return ""
    head = ["## Targets", "", "| target | connections | measured | met |", "|---|--:|--:|---|"]
    return "\n".join([*head, *lines, "", *tuned_lines(contestants)])


def ratio_lines(ratio: Ratio, contestants: Sequence[Contestant]) -> list[str]:
    lines = []
    for load in LOADS:
        over = cpu_of(contestants, ratio.over, load)
        under = cpu_of(contestants, ratio.under, load)
        if over is not None and under is not None:
            found = over / under
            is_met = ratio.is_met(found, ratio.limit)
            lines.append(line(ratio.text, str(load.connections), f"{found:.2f}", is_met))
    return lines


def tuned_lines(contestants: Sequence[Contestant]) -> list[str]:
    """The same ratio for the tuned variants of the peers, which the targets do not name."""
    lines = []
    for each in contestants:
        if not each.peer.name.startswith((f"{FASTMCP},", f"{CONTEXTFORGE},")):
            continue
        for load in LOADS:
            own = cpu_of(contestants, each.peer.name, load)
            callgate = cpu_of(contestants, CALLGATE, load)
            if own is not None and callgate is not None:
                lines.append(f"| {each.peer.name} | {load.connections} | {own / callgate:.1f} |")
    if not lines:
        return []
    head = ["| other ways to run the peers | connections | times Callgate's CPU |", "|---|--:|--:|"]
    before = "The targets name the peers as their guides set them up. Tuned, they need less:"
    return [before, "", *head, *lines, ""]


def line(text: str, connections: str, found: str, is_met: bool) -> str:
    return f"| {text} | {connections} | {found} | {'yes' if is_met else 'no'} |"
