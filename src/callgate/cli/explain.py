"""`callgate explain`: why one call ended as it did, and what would have to differ."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click
from rich.console import Console
from rich.text import Text

from callgate.audit.explain import Explanation
from callgate.cli.store import open_records, store_options
from callgate.pipeline.explaining import Explainer
from callgate.ports import StoreError


@click.command()
@click.argument("call")
@store_options
@click.option("--json", "as_json", is_flag=True, help="The words, and what they rest on.")
def explain(call: str, config: Path | None, store: str | None, as_json: bool) -> None:
    """Say in words why CALL ended as it did. CALL is an id, or an id's beginning.

    The decision is made again with the policies and facts of that moment, as the record has them,
    to find the nearest change that turns it, for what was permitted as for what was refused.
    """
    try:
        records = open_records(config, store)
        found = Explainer(records).explain(only(records.find(call), call))
    except StoreError as error:
        raise click.ClickException(str(error)) from error
    if found is None:
        raise click.ClickException(f"no call begins with {call!r}; `callgate calls` lists them")
    if as_json:
        click.echo(json.dumps(found.as_json()))
    elif sys.stdout.isatty():
        Console(highlight=False).print(_styled(found.explanation), soft_wrap=True)
    else:
        click.echo(str(found.explanation))


def only(found: list[str], start: str) -> str:
    """The one id that begins so. Raises click.ClickException."""
    if start in found:
        return start
    if not found:
        raise click.ClickException(f"no call begins with {start!r}; `callgate calls` lists them")
    if len(found) > 1:
        some = "\n  ".join(found)
        raise click.ClickException(f"more than one call begins with {start!r}:\n  {some}")
    return found[0]


def _styled(explanation: Explanation) -> Text:
    text = Text(f"Call {explanation.call_id}\n")
    text.append(explanation.headline, style="bold")
    for section in explanation.sections:
        text.append(f"\n\n{section.title}", style="bold")
        for line in section.lines:
            text.append(f"\n  {line}")
    return text
