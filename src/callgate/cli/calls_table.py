"""Calls as lines for people: in columns, on a terminal in colour, whatever callers wrote."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from rich.table import Table
from rich.text import Text

from callgate.audit.explain import printable, total_seconds
from callgate.model import Json, qualify

HEADINGS = ("time", "call", "who", "tool", "outcome", "ran", "delivered", "ms", "policies")
FOLDED = ("who", "tool", "policies")  # where there is too little room
WIDE = 120  # columns of a terminal: below, what `callgate explain` also tells is left out
LEFT_OUT = ("ms", "policies")
COLOURS = {"ok": "green", "in flight": "yellow"}


def cells_of(call: dict[str, Json]) -> tuple[str, ...]:
    """One cell for each of the HEADINGS, safe to print."""
    principal = call.get("principal") or {}
    who = principal.get("id") or ("erased" if call.get("erased") else "nobody")
    if principal.get("agent"):
        who += f" ({principal['agent']})"
    target, tool = call.get("target"), call.get("tool")
    total = total_seconds(call)
    cells = (
        (call.get("received_at") or call["at"])[:23].replace("T", " ") + "Z",
        call.get("short") or call["call"],
        who,
        qualify(target, tool) if target and tool else call.get("name") or "-",
        call["code"] or "in flight",
        call["ran"] or "-",
        {True: "yes", False: "no", None: "-"}[call["delivered"]],
        "-" if total is None else f"{total * 1000:.1f}",
        ", ".join((call.get("decision") or {}).get("policies") or ()) or "-",
    )
    return tuple(map(printable, cells))


def table(calls: Iterable[dict[str, Json]], *, is_wide: bool) -> Table:
    """For a terminal."""
    made = Table(box=None, pad_edge=False)
    shown = [i for i, heading in enumerate(HEADINGS) if is_wide or heading not in LEFT_OUT]
    for heading in (HEADINGS[i] for i in shown):
        is_whole = heading not in FOLDED
        justify: Literal["left", "right"] = "right" if heading == "ms" else "left"
        made.add_column(heading, justify=justify, no_wrap=is_whole, overflow="fold")
    for row in map(cells_of, calls):
        cells = [Text(cell) for cell in row]  # Text: what callers wrote is no markup
        cells[4].stylize(COLOURS.get(row[4], "red"))
        if not is_wide:
            cells[0] = cells[0][5:19]
        made.add_row(*(cells[i] for i in shown))
    return made


def plain(calls: Iterable[dict[str, Json]]) -> str:
    """For everything else."""
    lines = [HEADINGS, *map(cells_of, calls)]
    widths = widths_of(lines)
    return "\n".join(aligned(line, widths) for line in lines)


def widths_of(lines: Sequence[tuple[str, ...]]) -> list[int]:
    """How wide each column must be."""
    return [max(map(len, column)) for column in zip(HEADINGS, *lines, strict=True)]


def aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    """One line."""
    columns = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
    return "  ".join(columns).rstrip()
