"""The tables of the part `policies`, and its targets."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from policy_sheet import CACHED, DECIDED
from policy_world import AGENTS, GROUPS, TARGETS, TOOLS_PER_TARGET, USERS

from policy import DECIDERS, LIMIT, OURS, SIZES, SWAPPED, Found, Policies

TOOLS = TARGETS * TOOLS_PER_TARGET
LISTED = 1000  # policies, for the targets of lists
LISTS = (
    ("first", "of an engine that has been asked for nothing yet"),
    ("next", "of another principal then"),
    ("again", "the same once more"),
)


def section(policies: Policies) -> str:
    parts = [introduction(policies), decisions(policies), firsts(policies), lists(policies)]
    parts += [swap(policies), check(policies)]
    parts += [f"Not measured: {failure}" for failure in policies.failures]
    return "\n\n".join(part for part in parts if part) + "\n"


def introduction(policies: Policies) -> str:
    lines = [
        "## Policy",
        "",
        f"A made-up company (`bench/policy_world.py`): {TOOLS:,} tools of {TARGETS} targets, "
        f"{AGENTS} agents and {USERS} users in",
        f"{GROUPS} groups; 68 % of the policies permit, scopes and conditions of all kinds. CPU "
        "time of the deciding thread;",
        f"every decision has arguments of its own. Each takes turns of {LIMIT} decisions (or one "
        "second) on the same calls; the",
        "median of the turns, in brackets the lowest and the highest.",
        "",
        "| who decides | versions | how |",
        "|---|---|---|",
    ]
    for decider in DECIDERS:
        if decider.name in policies.versions:
            lines.append(
                f"| {decider.name} | {policies.versions[decider.name]} | {decider.about} |"
            )
    return "\n".join(lines)


def decisions(policies: Policies) -> str:
    lines = [
        "### One decision",
        "",
        f"{DECIDED} calls that a policy decides by what it reads in the context, for principals "
        "and tools seen before.",
        "In scope: how many policies are about such a call, the mean. Different: answers that are "
        "not Callgate's. MB: of the",
        "process before its first turn; Callgate has decided 1,000 calls by then.",
        "",
        "| policies | in scope | who decides | CPU µs | 95th percentile | x Callgate | different "
        "| MB |",
        "|--:|--:|---|--:|--:|--:|--:|--:|",
    ]
    for size in SIZES:
        lines += [decision(found, policies) for found in policies.found if is_of(found, size)]
    return "\n".join(lines)


def is_of(found: Found, size: int) -> bool:
    return found.sheet.policies == size and bool(found.medians("decided"))


def decision(found: Found, policies: Policies) -> str:
    medians = found.medians("decided")
    ours = policies.of(OURS, found.sheet.policies)
    own = statistics.median(ours.medians("decided")) if ours and ours.turns else None
    ratio = f"{statistics.median(medians) / own:.1f}" if own and found is not ours else ""
    cells = [
        f"{found.sheet.policies:,}",
        f"{found.sheet.mean_slice:.1f}",
        found.decider,
        spread(medians),
        f"{found.late('decided'):,.0f}",
        ratio,
        "" if found.different is None else str(found.different),
        f"{found.memory_bytes / 1e6:.0f}",
    ]
    return f"| {' | '.join(cells)} |"


def firsts(policies: Policies) -> str:
    lines = [
        "### Other decisions of Callgate",
        "",
        f"Cached: {CACHED} calls that policies decide without reading the context. Anybody: "
        "principals and tools drawn from all,",
        "most of which no policy permits. First: a principal and a tool that the engine has not "
        "seen; the policies are",
        "checked against the tool, and Cedar's own forms of everything made.",
        "",
        "| policies | cached, CPU µs | anybody, CPU µs | first, CPU µs |",
        "|--:|--:|--:|--:|",
    ]
    for size in SIZES:
        found = policies.of(OURS, size)
        if found is not None and found.turns:
            cells = [spread(found.medians(kind)) for kind in ("cached", "anybody", "first")]
            lines.append(f"| {size:,} | {' | '.join(cells)} |")
    return "\n".join(lines)


def lists(policies: Policies) -> str:
    lines = [
        f"### A list of {TOOLS:,} tools",
        "",
        *(f"{kind.capitalize()}: {what}." for kind, what in LISTS),
        "Shown: `tools/list` of the aggregated route without HTTP.",
        "",
        "| policies | list | `Engine.is_listed`, CPU ms | shown, CPU ms |",
        "|--:|---|--:|--:|",
    ]
    for size in SIZES:
        found = policies.of(OURS, size)
        for kind, _ in LISTS if found is not None and found.turns else ():
            assert found is not None
            cells = [in_ms(found.medians(f"{way} {kind}")) for way in ("list", "shown")]
            lines.append(f"| {size:,} | {kind} | {' | '.join(cells)} |")
    return "\n".join(lines)


def swap(policies: Policies) -> str:
    found = policies.swap
    if found is None:
        return ""
    quiet, busy = found["undisturbed"], found["swapping"]
    seconds = found["swap_seconds"]
    return "\n".join(
        [
            f"### Another set of {found['policies']:,} policies while calls run",
            "",
            "One policy of the set is changed; four callers call all the time (`bench/swap.py`). A "
            "pause: how late the event",
            "loop was at most, while nothing was swapped and around each swap.",
            "",
            "| | seconds | calls | p50 ms | p99 ms | slowest call ms | longest pause ms |",
            "|---|--:|--:|--:|--:|--:|--:|",
            f"| the start, all read | {found['start_seconds']:.2f} | | | | | |",
            f"| undisturbed | | {waits(quiet)} |",
            f"| swapping | {spread(seconds, 2)} | {waits(busy)} |",
        ]
    )


def waits(figures: dict[str, float | list[float]]) -> str:
    pause = figures["longest_stall_ms"]
    assert isinstance(pause, list)
    cells = [str(figures[name]) for name in ("calls", "p50_ms", "p99_ms", "slowest_ms")]
    return " | ".join([*cells, f"{max(pause):.1f}"])


def check(policies: Policies) -> str:
    found = policies.check
    if found is None:
        return ""
    return "\n".join(
        [
            f"### `policy check` of {found['policies']} policies over {found['tools']} tools",
            "",
            f"{found['seconds']:.1f} s on two cores: reading {found['read_seconds']:.1f} s, types "
            f"{found['validate_seconds']:.1f} s, meaning {found['analyse_seconds']:.1f} s with "
            f"{found['queries']:,} questions",
            f"to the solver; {found['findings']} findings, {found['undecided']} undecided.",
        ]
    )


def target_lines(policies: Policies | None) -> list[tuple[str, str, bool]]:
    """(target, what was measured, whether it is met)."""
    if policies is None:
        return []
    lines = [
        under(policies, 10, "decided", "a decision with 10 policies", 100.0),
        under(policies, 10_000, "decided", "a decision with 10,000 policies", 150.0),
        under(policies, LISTED, "cached", "a cached unconditional verdict", 10.0),
        under(policies, LISTED, "list first", f"a list of {TOOLS:,} tools, the first", 15_000.0),
        under(policies, LISTED, "list next", f"a list of {TOOLS:,} tools, the next", 15_000.0),
        under(policies, LISTED, "list again", f"a list of {TOOLS:,} tools, cached", 5_000.0),
    ]
    found = [line for line in lines if line is not None]
    if policies.swap is not None:
        seconds = statistics.median(policies.swap["swap_seconds"])
        text = f"a swap of {SWAPPED:,} policies under 1 s"
        found.append((text, f"{seconds:.2f} s", seconds < 1))
    if policies.check is not None:
        text = f"`policy check` of {policies.check['policies']} policies under 60 s"
        seconds = policies.check["seconds"]
        found.append((text, f"{seconds:.1f} s", seconds < 60))
    return found


def under(
    policies: Policies, size: int, kind: str, text: str, limit: float
) -> tuple[str, str, bool] | None:
    found = policies.of(OURS, size)
    medians = found.medians(kind) if found is not None else []
    if not medians:
        return None
    median = statistics.median(medians)
    return f"{text} under {in_unit(limit)}", in_unit(median), median < limit


def in_unit(us: float) -> str:
    return f"{us:.1f} µs" if us < 1000 else f"{us / 1e3:.1f} ms".replace(".0 ms", " ms")


def in_ms(values: Sequence[float]) -> str:
    return spread([value / 1e3 for value in values], 1)


def spread(values: Sequence[float], digits: int = 1) -> str:
    if not values:
        return "-"
    middle, low, high = statistics.median(values), min(values), max(values)
    return f"{middle:,.{digits}f} ({low:,.{digits}f}–{high:,.{digits}f})"
