"""`callgate audit checkpoint`: prints what to keep elsewhere, so that a cut or a swap shows."""

from __future__ import annotations

from pathlib import Path

import click

from callgate.audit.place import LOG_OF_LOGS, MAX_LOG
from callgate.cli.audit.opening import cannot, opened
from callgate.cli.store import store_options, store_settings


@click.command()
@store_options
@click.option(
    "--log",
    type=click.IntRange(0, MAX_LOG),
    default=LOG_OF_LOGS,
    help="Of which log.  [default: 0, the log of logs, which covers all others]",
)
@click.option("--all", "of_all", is_flag=True, help="Of every log.")
def checkpoint(config: Path | None, store: str | None, log: int, of_all: bool) -> None:
    """Print the newest checkpoint: how large the record is, and its root, signed.

    Kept where nobody who can write the record can write too, it shows with `verify --known` whether
    the end was cut off or all was replaced.
    """
    with opened(store_settings(config, store)) as reader:
        logs = reader.logs() if of_all else [log]
        notes = [kept.note for one in logs for kept in reader.checkpoints(one, 1)]
        if not notes:
            of = "" if of_all else f" of log {log}"
            cannot(f"{reader.place} has no checkpoint{of} yet")
        click.echo("\n".join(str(note) for note in notes), nl=False)
