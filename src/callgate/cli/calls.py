"""`callgate calls`: what was called lately, by whom, and how it ended."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import click
import yaml
from rich.console import Console
from rich.table import Table
from rich.text import Text

from callgate.audit.explain import printable, total_seconds
from callgate.config.loading import load_config
from callgate.config.problems import ConfigError
from callgate.model import Json, qualify
from callgate.ports import CallFilter, StoreError
from callgate.storage.reading import SqliteRecords
from callgate.storage.settings import StoreSettings

DEFAULT_CONFIG = Path("callgate.yaml")
HEADINGS = ("time", "call", "who", "tool", "outcome", "ran", "delivered", "ms", "policies")
FOLDED = ("who", "tool", "policies")  # where there is too little room
WIDE = 120  # columns of a terminal: below, what `callgate explain` also tells is left out
LEFT_OUT = ("ms", "policies")
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
COLOURS = {"ok": "green", "in flight": "yellow"}

_EXISTING = click.Path(exists=True, dir_okay=False, path_type=Path)


def store_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds --config and --store, which say where the record is."""
    command = click.option(
        "--store",
        type=_EXISTING,
        help="The record itself, instead of the one in the configuration.",
    )(command)
    return click.option(
        "--config",
        type=_EXISTING,
        help="The configuration that names it.  [default: callgate.yaml]",
    )(command)


def store_path(config: Path | None, store: Path | None) -> Path:
    """Where the record is. Asks no more of the configuration than that: the rest may be broken.

    Raises click.ClickException.
    """
    if store is not None:
        return store
    file = config or DEFAULT_CONFIG
    default = StoreSettings().path
    if config is None and not file.exists():
        return default
    try:
        written = yaml.safe_load(file.read_bytes())
        block = written.get("store") or {} if isinstance(written, dict) else {}
        path = str(block.get("path") or default) if isinstance(block, dict) else str(default)
        if "${" in path:
            return load_config(file).store.path
    except (OSError, yaml.YAMLError, ConfigError) as error:
        raise click.ClickException(f"{file} does not say where the record is: {error}") from error
    return file.parent / Path(path).expanduser()


class Instant(click.ParamType[float]):
    """A point in time: `2h` ago, or `2026-10-01`, or `2026-10-01T12:00:00+02:00`; else in UTC."""

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Seconds since the epoch."""
        if isinstance(value, float):
            return value
        ago = re.fullmatch(r"(\d+(?:\.\d+)?)([smhdw])", value)
        if ago is not None:
            seconds = timedelta(seconds=float(ago[1]) * UNITS[ago[2]]).total_seconds()
            return time.time() - seconds  # noqa: TID251 - the command line is where time comes in
        try:
            at = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is neither like 90s, 15m, 2h, 7d nor like 2026-10-01T12:00Z")
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


@click.command()
@store_options
@click.option("--principal", help="Only calls of this principal.")
@click.option("--agent", help="Only calls of this agent.")
@click.option("--target", help="Only calls to this target.")
@click.option("--tool", help="Only calls of this tool: `log`, or `git___log`.")
@click.option("--code", help="Only calls that ended so: `ok`, or a refusal code.")
@click.option("--refused", "is_refused", is_flag=True, help="Only calls that were refused.")
@click.option(
    "--lists", "with_lists", is_flag=True, help="Also lists of tools, resources, prompts."
)
@click.option("--since", type=Instant(), help="From when on: `2h`, `7d`, `2026-10-01T12:00Z`.")
@click.option("--until", type=Instant(), help="Up to when.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="All that is recorded, one call a line.")
def calls(config: Path | None, store: Path | None, as_json: bool, **chosen: Any) -> None:
    """List recorded calls, newest first."""
    try:
        found = SqliteRecords(store_path(config, store)).calls(CallFilter(**chosen))
    except StoreError as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        for call in found:
            click.echo(json.dumps(call))
        return
    rows = [_row(call) for call in found]
    if sys.stdout.isatty():
        console = Console()
        console.print(_table(rows, is_wide=console.width >= WIDE))
    else:
        click.echo(_plain(rows))


def _row(call: dict[str, Json]) -> tuple[str, ...]:
    principal = call.get("principal") or {}
    who = principal.get("id") or "nobody"
    if principal.get("agent"):
        who += f" ({principal['agent']})"
    target, tool = call.get("target"), call.get("tool")
    total = total_seconds(call)
    cells = (
        call["received_at"][:23].replace("T", " ") + "Z",
        call["short"],
        who,
        qualify(target, tool) if target and tool else call.get("name") or "-",
        call["code"] or "in flight",
        call["ran"] or "-",
        {True: "yes", False: "no", None: "-"}[call["delivered"]],
        "-" if total is None else f"{total * 1000:.1f}",
        ", ".join((call.get("decision") or {}).get("policies") or ()) or "-",
    )
    return tuple(map(printable, cells))


def _table(rows: Sequence[tuple[str, ...]], *, is_wide: bool) -> Table:
    table = Table(box=None, pad_edge=False)
    shown = [i for i, heading in enumerate(HEADINGS) if is_wide or heading not in LEFT_OUT]
    for heading in (HEADINGS[i] for i in shown):
        is_whole = heading not in FOLDED
        justify: Literal["left", "right"] = "right" if heading == "ms" else "left"
        table.add_column(heading, justify=justify, no_wrap=is_whole, overflow="fold")
    for row in rows:
        cells = [Text(cell) for cell in row]  # Text: what callers wrote is no markup
        cells[4].stylize(COLOURS.get(row[4], "red"))
        if not is_wide:
            cells[0] = cells[0][5:19]
        table.add_row(*(cells[i] for i in shown))
    return table


def _plain(rows: Sequence[tuple[str, ...]]) -> str:
    lines = [HEADINGS, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )
