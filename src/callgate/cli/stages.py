"""`callgate stages`: the call path as it runs, who is asked there, and where its time goes."""

from __future__ import annotations

import inspect
import json
import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from statistics import median, quantiles

import click
from rich.console import Console
from rich.table import Table

from callgate.cli.interceptor.order import LISTS, as_json, at, lines
from callgate.cli.policy.grounds import CannotSay, Forgiving
from callgate.cli.store import DEFAULT_CONFIG, StorePlace, open_records
from callgate.config import ConfigError, load_config
from callgate.interceptors.settings import InterceptorSettings
from callgate.model import Json
from callgate.pipeline.pipeline import STAGES
from callgate.ports import CallFilter, StoreError

PAGE = 1000
WHAT = {
    **{stage.__name__: (inspect.getdoc(stage) or "").splitlines()[0] for stage in STAGES},
    LISTS: "Beside the stages: what tools/list and other lists show.",
}


@click.command()
@click.option("--interceptors", is_flag=True, help="Show who is asked where, in running order.")
@click.option("--profile", is_flag=True, help="Add the time each stage took in recorded calls.")
@click.option(
    "--last",
    type=click.IntRange(1),
    default=10_000,
    show_default=True,
    help="How many calls to look at.",
)
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="The callgate.yaml with the interceptors, and to find the store.",
)
@click.option("--store", type=StorePlace(), help="The store itself.")
@click.option("--json", "is_json", is_flag=True, help="As JSON.")
def stages(
    interceptors: bool,
    profile: bool,
    last: int,
    config: Path | None,
    store: str | None,
    is_json: bool,
) -> None:
    """Print the stages of a call, in running order. No gateway needs to run."""
    times = _times(config, store, last) if profile else {}
    declared = _interceptors(config) if interceptors else None
    if is_json:
        click.echo(json.dumps([*_as_json(times if profile else None, declared)], indent=2))
    elif declared is None:
        Console().print(_table(times if profile else None))
    else:
        for line in _with_interceptors(declared, times if profile else None):
            click.echo(line)


def _interceptors(config: Path | None) -> tuple[InterceptorSettings, ...]:
    """Those of the configuration; secrets are not needed to see their order. Raises CannotSay."""
    try:
        return load_config(config or DEFAULT_CONFIG, Forgiving(os.environ)).interceptors
    except ConfigError as error:
        raise CannotSay(str(error)) from None


def _table(times: dict[str, list[float]] | None) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("stage", "what it does"):
        table.add_column(heading)
    if times is not None:
        for heading in ("calls", "median µs", "p99 µs"):
            table.add_column(heading, justify="right")
    for stage in STAGES:
        name = stage.__name__
        figures = _shown(_figures(times.get(name, []))) if times is not None else ()
        table.add_row(name, WHAT[name], *figures)
    return table


def _with_interceptors(
    declared: tuple[InterceptorSettings, ...], times: dict[str, list[float]] | None
) -> Iterator[str]:
    """Each stage, and under it who is asked there."""
    width = max(map(len, WHAT))
    for name, what in WHAT.items():
        asked = [*at(name, declared)]
        if name == LISTS and not asked:
            continue
        figures = ""
        if times is not None and name != LISTS:
            calls, middle, late = _shown(_figures(times.get(name, [])))
            figures = f"  [{calls} calls, median {middle} µs, p99 {late} µs]"
        yield f"{name:{width}}  {what}{figures}"
        yield from (f"{'':{width}}    {line}" for line in lines(asked) if asked)
    if not declared:
        yield "The configuration has no interceptors."


def _as_json(
    times: dict[str, list[float]] | None, declared: tuple[InterceptorSettings, ...] | None
) -> Iterator[dict[str, Json]]:
    for name, what in WHAT.items():
        told: dict[str, Json] = {"stage": name, "what": what}
        if declared is not None:
            told["interceptors"] = [as_json(one) for one in at(name, declared)]
        elif name == LISTS:
            continue
        if times is not None and name != LISTS:
            calls, middle, late = _figures(times.get(name, []))
            told |= {"calls": calls, "median_us": middle, "p99_us": late}
        yield told


def _times(config: Path | None, store: str | None, last: int) -> dict[str, list[float]]:
    """Stage → seconds, in µs, of the latest calls."""
    times: dict[str, list[float]] = {}
    latest = open_records(config, store).all_calls(CallFilter(with_lists=True, limit=PAGE))
    try:
        for call in islice(latest, last):
            for stage, seconds in (call.get("seconds") or {}).items():
                times.setdefault(stage, []).append(seconds * 1e6)
    except StoreError as error:
        raise click.ClickException(str(error)) from error
    return times


def _figures(values: list[float]) -> tuple[int, float | None, float | None]:
    """How many, the median, and what one in a hundred exceeds, in µs."""
    if not values:
        return 0, None, None
    p99 = quantiles(values, n=100)[98] if len(values) > 1 else values[0]
    return len(values), median(values), p99


def _shown(figures: tuple[int, float | None, float | None]) -> tuple[str, str, str]:
    calls, middle, late = (
        "-" if value is None else f"{value:.0f}" if isinstance(value, float) else str(value)
        for value in figures
    )
    return calls, middle, late
