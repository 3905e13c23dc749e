"""`callgate review runs`: which runs there are, and how their calls came out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import msgspec

from callgate.audit.explain import printable
from callgate.cli.calls import filter_options
from callgate.cli.calls_table import aligned
from callgate.cli.store import open_records, store_options
from callgate.pipeline.reviewing import MOST_LOOKED_AT, Reviewer, RunInfo
from callgate.ports import CallFilter, StoreError

HEADINGS = ("began", "run", "who", "calls", "came out", "tools")
SHORT = 14  # letters of an id: `callgate review` takes the beginning of one
MOST_TOOLS = 4


@click.command()
@filter_options
@click.option(
    "--most",
    type=click.IntRange(1, 1_000_000),
    default=MOST_LOOKED_AT,
    show_default=True,
    help="How many of the latest chosen calls to look at.",
)
@click.option("--json", "as_json", is_flag=True, help="One run a line.")
@store_options
def runs(config: Path | None, store: str | None, most: int, as_json: bool, **chosen: Any) -> None:
    """List runs, the latest first: those of the latest calls that are chosen."""
    try:
        found = Reviewer(open_records(config, store)).runs(CallFilter(**chosen, limit=500), most)
    except StoreError as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        for one in found:
            click.echo(json.dumps(msgspec.to_builtins(one)))
        return
    lines = [HEADINGS, *map(_cells, found)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        click.echo(aligned(line, widths))


def _cells(one: RunInfo) -> tuple[str, ...]:
    who = f"{one.principal} ({one.agent})" if one.agent else one.principal
    came = ", ".join(f"{count} {outcome}" for outcome, count in one.outcomes.items())
    more = f" and {len(one.tools) - MOST_TOOLS} more" if len(one.tools) > MOST_TOOLS else ""
    tools = ", ".join(one.tools[:MOST_TOOLS]) + more
    began = one.first_at[:19].replace("T", " ") + "Z"
    return tuple(map(printable, (began, one.run[:SHORT], who, str(one.calls), came, tools)))
