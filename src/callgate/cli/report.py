"""`callgate report`: how a period went, as one HTML file for people who do not log in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from callgate.audit.record import rfc3339
from callgate.cli.instants import Instant
from callgate.cli.review.run import write_report
from callgate.cli.store import open_records, store_options
from callgate.pipeline.reviewing import Limits, Reviewer
from callgate.ports import CallFilter, StoreError
from callgate.review.report.period import period_report


@click.command()
@click.option(
    "--since", type=Instant(), default="7d", show_default=True, help="From when on: `7d`."
)
@click.option("--until", type=Instant(), help="Up to when; until now, where left out.")
@click.option("--principal", help="Only calls of this principal.")
@click.option("--target", help="Only calls to this target.")
@click.option(
    "--most",
    type=click.IntRange(1, 1_000_000),
    default=50_000,
    show_default=True,
    help="How many calls, the latest first; the report says where there are more.",
)
@click.option(
    "--runs",
    "most_runs",
    type=click.IntRange(0, 100_000),
    default=200,
    show_default=True,
    help="How many of the latest runs to look into for findings, which takes its time; 0: none.",
)
@click.option(
    "--html", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The file."
)
@store_options
def report(html: Path, config: Path | None, store: str | None, **chosen: Any) -> None:
    """Write a report of all calls in a time: one HTML file that loads nothing and runs nothing.

    `callgate review RUN --html FILE` writes that of a single run, with data flow and contents.
    """
    most, most_runs = chosen.pop("most"), chosen.pop("most_runs")
    wanted = CallFilter(**chosen)
    end = wanted.until or Instant().convert("0s", None, None)
    since = wanted.since or end
    name = f"Calls from {rfc3339(since)[:16]}Z to {rfc3339(end)[:16]}Z"
    try:
        reviewer = Reviewer(open_records(config, store), Limits(calls=most))
        found = reviewer.period(name, wanted, most_runs)
    except StoreError as error:
        raise click.ClickException(str(error)) from error
    write_report(html, period_report(found))
