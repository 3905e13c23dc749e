"""`callgate stages`: the call path as it runs, and where its time goes."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from pathlib import Path
from statistics import median, quantiles

import click
import msgspec
from rich.console import Console
from rich.table import Table
from sqlalchemy import select

from callgate.cli.calls import store_path
from callgate.pipeline.pipeline import STAGES
from callgate.storage.reading import open_for_reading
from callgate.storage.schema import records


@click.command()
@click.option("--profile", is_flag=True, help="Add the time each stage took in recorded calls.")
@click.option("--last", default=10_000, show_default=True, help="How many calls to look at.")
@click.option(
    "--config", type=click.Path(path_type=Path), help="The callgate.yaml to find the store."
)
@click.option("--store", type=click.Path(path_type=Path), help="The store itself.")
def stages(profile: bool, last: int, config: Path | None, store: Path | None) -> None:
    """Print the stages of a call, in running order."""
    times = _times(store_path(config, store), last) if profile else {}
    table = Table(box=None, pad_edge=False)
    for heading in ("stage", "what it does"):
        table.add_column(heading)
    if profile:
        for heading in ("calls", "median µs", "p99 µs"):
            table.add_column(heading, justify="right")
    for stage in STAGES:
        row = [stage.__name__, (inspect.getdoc(stage) or "").splitlines()[0]]
        table.add_row(*row, *(_figures(times.get(stage.__name__, [])) if profile else ()))
    Console().print(table)


def _times(path: Path, last: int) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {}
    for body in _bodies(path, last):
        for stage, seconds in msgspec.json.decode(body).get("seconds", {}).items():
            times.setdefault(stage, []).append(seconds * 1e6)
    return times


def _bodies(path: Path, last: int) -> Iterable[bytes]:
    query = (
        select(records.c.body)
        .where(records.c.kind == "outcome")
        .order_by(records.c.seq.desc())
        .limit(last)
    )
    with open_for_reading(path) as connection:
        yield from connection.execute(query).scalars()


def _figures(values: list[float]) -> tuple[str, str, str]:
    if not values:
        return "0", "-", "-"
    p99 = quantiles(values, n=100)[98] if len(values) > 1 else values[0]
    return str(len(values)), f"{median(values):.0f}", f"{p99:.0f}"
