"""`callgate audit`: proves that the record was not changed."""

from __future__ import annotations

from pathlib import Path

import click

from callgate.audit.chain import verify as walk
from callgate.audit.explain import printable
from callgate.cli.calls import store_options, store_path
from callgate.ports import StoreError
from callgate.storage.reading import SqliteRecords


@click.group()
def audit() -> None:
    """Prove that the record was not changed."""


@audit.command()
@store_options
def verify(config: Path | None, store: Path | None) -> None:
    """Walk the hash chain over all records; exit with 1 at the first one that does not hold.

    The chain proves that no record up to its head was edited, removed or inserted. Keep the head
    that is printed elsewhere, from time to time: only that shows if the end was cut off.
    """
    path = store_path(config, store)
    try:
        found = walk(SqliteRecords(path).records())
    except StoreError as error:
        raise click.ClickException(str(error)) from error
    if found.failure is not None:
        seq, reason = found.failure.seq, printable(found.failure.reason)
        click.echo(f"{path}: record {seq} does not hold: {reason}.", err=True)
        click.echo(f"The {found.records} records before it hold.", err=True)
        raise click.exceptions.Exit(1)
    click.echo(f"{path}: all {found.records} records hold.")
    if found.records:
        click.echo(f"The head is record {found.records}, hash {found.head}.")
