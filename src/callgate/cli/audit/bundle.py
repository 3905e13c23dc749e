"""`callgate audit bundle`: the record as one file that proves itself, for people without it."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import click

from callgate.app.clock import SystemClock
from callgate.audit.bundle import BundleError, write_bundle
from callgate.cli.audit.opening import cannot, opened
from callgate.cli.store import store_options, store_settings
from callgate.secret_files import secret_file

DRAFT = ".part"


@click.command()
@store_options
@click.option(
    "--out",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file to write; it must not be there yet.",
)
@click.option(
    "--without-payloads",
    is_flag=True,
    help="Leave out arguments and results: what happened can be proved, and they are not shown.",
)
def bundle(config: Path | None, store: str | None, out: Path, without_payloads: bool) -> None:
    """Write every record that is under a checkpoint, with all that proves it, into one file.

    `callgate audit verify --bundle FILE --key KEY` needs nothing else. The file is as secret as
    the record.
    """
    if out.exists():
        raise click.UsageError(f"{out} is there already")
    draft = out.with_name(out.name + DRAFT)
    made_at = datetime.fromtimestamp(SystemClock().now(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    try:
        draft.unlink(missing_ok=True)  # of one that was killed
        with opened(store_settings(config, store)) as reader, secret_file(draft) as file:
            written = write_bundle(
                reader, file.write, made_at=made_at, has_payloads=not without_payloads
            )
            file.flush()
            os.fsync(file.fileno())
        draft.rename(out)
    except (OSError, BundleError) as error:
        draft.unlink(missing_ok=True)
        cannot(error)
    click.echo(f"{out}: {written.records} records.")
    if written.left_out:
        click.echo(f"{written.left_out} are under no checkpoint yet, and not in it.")
