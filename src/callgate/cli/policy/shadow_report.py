"""`callgate policy shadow-report`: what shadow policies would have done to recorded calls."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from callgate.audit.explain import printable
from callgate.audit.shadows import Report, Shadowed
from callgate.cli.instants import Instant
from callgate.cli.store import open_records, store_options
from callgate.ports import CallFilter, StoreError

PAGE = 1000


@click.command("shadow-report")
@store_options
@click.option("--since", type=Instant(), help="From when on: `2h`, `7d`, `2026-10-01T12:00Z`.")
@click.option("--until", type=Instant(), help="Up to when.")
@click.option("--policy", "only", help="Only this shadow policy.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def shadow_report(
    config: Path | None,
    store: str | None,
    only: str | None,
    as_json: bool,
    **when: Any,
) -> None:
    """Say which recorded calls each shadow policy would have refused or let through.

    A shadow policy carries `@mode("shadow")`. It was tried beside all active policies, by itself.
    `callgate policy promote` makes it active.
    """
    records = open_records(config, store)
    report = Report()
    try:
        report.add(records.all_calls(CallFilter(**when, limit=PAGE)))
    except StoreError as error:
        raise click.ClickException(str(error)) from error
    shown = [of for name, of in sorted(report.policies.items()) if only in (None, name)]
    if as_json:
        policies = [asdict(of) for of in shown]
        click.echo(json.dumps({"decided": report.decided, "policies": policies}))
        return
    for line in _lines(report.decided, shown):
        click.echo(printable(line))


def _lines(decided: int, shown: Iterable[Shadowed]) -> Iterator[str]:
    yield f"{decided} decisions looked at"
    empty = True
    for of in shown:
        empty = False
        yield ""
        yield f"{of.policy}: would refuse {of.refuses}, would let through {of.permits}"
        yield f"  tools: {_most(of.tools)}"
        yield f"  principals: {_most(of.principals)}"
        yield f"  for example: {', '.join(of.examples)}; see `callgate explain`"
    if empty:
        yield "no shadow policy would have turned any of them"


def _most(counted: Counter[str]) -> str:
    shown = ", ".join(f"{name} {count}" for name, count in counted.most_common(5))
    return shown if len(counted) <= 5 else f"{shown} and {len(counted) - 5} more"
