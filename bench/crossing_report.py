"""The tables of streamed calls and of calls between the eras, as text."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path

from agent_load import Found
from agents import REPORTS
from crossing import BRIDGED, MOST_ROUNDS, MOST_ROUNDS_OF_OTHERS, STREAMS, Cell, Crossing, in_words

HEAD = (
    "| {first} | connections | peer | CPU µs per call | calls/s | p50 ms | p99 ms "
    "| load's CPU µs | errors |",
    "|---|--:|---|--:|--:|--:|--:|--:|--:|",
)
ABOUT = f"""\
These calls are made by `bench/agents.py`, which reads streams and answers questions; its own CPU
time per call is in the tables, and it shares core 1 with the target. The set-up is the one above,
but that Callgate has a policy more, which lets targets ask the user, and that the target speaks one
era only. At most {MOST_ROUNDS} rounds of Callgate and of nothing between, \
{MOST_ROUNDS_OF_OTHERS} of the others.
"""
STREAMS_ABOUT = f"""\
## A streamed call of {REPORTS} progress events

The target sends each event by itself and as fast as it can, then the result. Every event is
checked for the token of its call. Direct: the CPU time is that of the target.
"""
BRIDGED_ABOUT = """\
## Calls between the eras

Plain: one `tools/call` and its result. Question: during the call the target asks the user with
`elicitation/create`. A modern client gets `input_required` and sends the call again with the
answer; a legacy client gets a request on the stream of the call and posts the answer. The target
asks in the way of its own era. All of that is one call here.
"""
SHAPES = {"plain": "plain", "confirm": "question", "report": "progress"}


def section(crossings: Sequence[Crossing], parts: Sequence[str]) -> str:
    if not crossings:
        return ""
    texts = [ABOUT, set_ups(crossings)]
    if "streams" in parts:
        texts += [STREAMS_ABOUT, table(crossings, STREAMS, "client and target")]
    if "bridged" in parts:
        texts += [BRIDGED_ABOUT, table(crossings, BRIDGED, "call, client → target")]
    return "\n".join(text for text in [*texts, what_cannot(crossings)] if text)


def set_ups(crossings: Sequence[Crossing]) -> str:
    """What is not in the table of the peers already: how these are set up for such calls."""
    abouts = {
        each.peer.name: each.peer.about
        for each in crossings
        if each.peer.name.startswith("FastMCP")
    }
    return "".join(f"- {name}: {about}\n" for name, about in abouts.items())


def table(crossings: Sequence[Crossing], cells: Sequence[Cell], first: str) -> str:
    lines = ["\n".join(HEAD).format(first=first)]
    for cell in cells:
        for each in crossings:
            if cell in each.cells:
                lines.append(row(each, cell))
    return "\n".join([*lines, ""])


def row(crossing: Crossing, cell: Cell) -> str:
    same = cell.client == cell.target
    eras = cell.client if same else f"{cell.client} → {cell.target}"
    label = eras if cell.shape == "report" else f"{SHAPES[cell.shape]}, {eras}"
    cells = [label, str(cell.connections), crossing.peer.name]
    found = crossing.found.get(cell)
    cells += figures(found) if found else ["cannot" if cell in crossing.cannot else "-"] + [""] * 5
    return "| " + " | ".join(cells) + " |"


def figures(found: Sequence[Found]) -> list[str]:
    cpu = [one.cpu_us_per_call for one in found]
    return [
        spread(cpu, 0 if min(cpu) > 999 else 1),
        spread([one.calls_per_second for one in found], 0),
        spread([one.p50_ms for one in found], 2),
        spread([one.p99_ms for one in found], 2),
        f"{statistics.median(one.own_us_per_call for one in found):.0f}",
        str(sum(one.errors for one in found)),
    ]


def spread(values: Sequence[float], digits: int) -> str:
    """The median, and the lowest and highest where there is more than one."""
    middle, low, high = statistics.median(values), min(values), max(values)
    if len(values) == 1:
        return f"{middle:,.{digits}f}"
    return f"{middle:,.{digits}f} ({low:,.{digits}f}–{high:,.{digits}f})"


def what_cannot(crossings: Sequence[Crossing]) -> str:
    """The first reason of each peer and kind of call; connections make no difference to it."""
    lines: dict[str, str] = {}
    for each in crossings:
        if each.failure:
            lines[f"{each.peer.name} before a {each.target_era} target"] = each.failure
        for cell, reason in each.cannot.items():
            kind = f"{SHAPES[cell.shape]}, {cell.client} → {cell.target}"
            lines.setdefault(f"{each.peer.name} cannot: {kind}", reason)
        for cell, found in each.found.items():
            samples = [one.sample for one in found if one.sample]
            if samples:
                lines[f"{each.peer.name}, errors in {in_words(cell)}"] = samples[0]
    if not lines:
        return ""
    texts = [f"- {name}: `{printable(reason)}`" for name, reason in lines.items()]
    text = "\n".join(["What did not work, and what came instead:", "", *texts, ""])
    return text.replace(str(Path(__file__).parent), "bench")


def printable(reason: str) -> str:
    return " ".join(reason.replace("`", "'").split())[:300]
