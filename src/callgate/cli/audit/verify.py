"""`callgate audit verify`: walks along every log, and names the first record that does not hold."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from callgate.audit.bundle import BundleError
from callgate.audit.checkpoints import whole_checkpoints
from callgate.audit.explain import printable
from callgate.audit.findings import Verification
from callgate.audit.keys import VerifierKey
from callgate.audit.log_reader import LogReader
from callgate.audit.notes import split_notes
from callgate.audit.verifying import UNCOVERED_SECONDS, Known, Trust
from callgate.audit.verifying import verify as walk
from callgate.cli.audit.opening import (
    LOG_KEY,
    WITNESS_KEY,
    cannot,
    configured_witnesses,
    flat,
    opened_either,
    trusted,
)
from callgate.cli.store import store_options
from callgate.ports import StoreError

FAILED = 1
MAX_KNOWN_BYTES = 64 << 20
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@store_options
@click.option("--bundle", type=_FILE, help="A file of `callgate audit bundle`, instead of a store.")
@click.option(
    "--key",
    "keys",
    type=LOG_KEY,
    multiple=True,
    help="A public key of the record, or a file of such. The first that ever signed will do: the "
    "record says which followed.  [default: the key beside the record]",
)
@click.option(
    "--known",
    "known",
    type=_FILE,
    multiple=True,
    help="Checkpoints that were kept elsewhere. Only they, or witnesses, show that the end was cut "
    "off or everything was replaced.",
)
@click.option(
    "--witness",
    "witnesses",
    type=WITNESS_KEY,
    multiple=True,
    help="The public key of a witness, or a file of such.  [default: those in the configuration]",
)
@click.option(
    "--quorum",
    type=click.IntRange(min=1),
    help="How many of the witnesses must have seen the record.  [default: all]",
)
@click.option("--strict", is_flag=True, help="Every record must be under a checkpoint.")
@click.option("--json", "as_json", is_flag=True, help="What was found, as JSON.")
def verify(  # noqa: PLR0913, PLR0917 - one parameter for each option
    config: Path | None,
    store: str | None,
    bundle: Path | None,
    keys: tuple[tuple[VerifierKey, ...], ...],
    known: tuple[Path, ...],
    witnesses: tuple[tuple[VerifierKey, ...], ...],
    quorum: int | None,
    strict: bool,
    as_json: bool,
) -> None:
    """Prove that no record was changed, removed, inserted, moved or cut off.

    Exit code 0: all holds. 1: something does not, and the first record that fails is named.
    2: there is no answer, because something could not be read.
    """
    seen = flat(witnesses)
    if not seen and store is None and bundle is None:
        seen, wanted = configured_witnesses(config)
        quorum = wanted if quorum is None else quorum
    if quorum is not None and quorum > len(seen):
        raise click.UsageError(f"--quorum {quorum} needs as many --witness; there are {len(seen)}")
    try:
        with opened_either(config, store, bundle) as (reader, settings):
            trust = Trust(
                keys=trusted(keys, settings, reader.origin),
                known=tuple(one for path in known for one in _known(path)),
                witnesses=seen,
                quorum=len(seen) if quorum is None else quorum,
                uncovered_seconds=0.0 if strict else UNCOVERED_SECONDS,
            )
            with _progress(reader) as advance:
                found = walk(reader, trust, advance)
    except (StoreError, BundleError) as error:
        cannot(error)
    click.echo(json.dumps(found.told())) if as_json else _tell(found, reader.place)
    if not found.holds:
        raise click.exceptions.Exit(FAILED)


def _known(path: Path) -> Iterator[Known]:
    try:
        with path.open("rb") as file:
            text = file.read(MAX_KNOWN_BYTES).decode()
    except (OSError, UnicodeError) as error:
        cannot(f"{path}: {error}")
    notes = [note for note, _ in whole_checkpoints(split_notes(text))]
    if not notes:
        cannot(f"{path} has no checkpoint in it")
    for note in notes:
        yield Known(name=path.name, note=note)


@contextmanager
def _progress(reader: LogReader) -> Iterator[Callable[[int], None]]:
    console = Console(stderr=True)
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    columns = (TextColumn("Verifying"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=sum(map(reader.size, reader.logs())))
        yield lambda count: progress.advance(task, count)


def _tell(found: Verification, place: str) -> None:
    for remark in found.remarks:
        click.echo(f"Note: {printable(remark)}.", err=True)
    if not found.holds:
        for failure in found.failures:
            click.echo(f"{place}: {printable(failure)}.", err=True)
        return
    click.echo(f"{place}: all {found.records} records hold.")
    for one in found.logs:
        click.echo(f"  log {one.log}: {one.size} records, {one.covered} under a signed checkpoint")
    if found.uncovered:
        click.echo(
            f"Of {found.uncovered} records nothing is proved yet: they came after the last "
            "checkpoint."
        )
    if found.unseen_payloads:
        click.echo(f"{found.unseen_payloads} payloads are not in it, only their digests.")
    if found.witnessed_at is not None:
        at = datetime.fromtimestamp(found.witnessed_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        seen = ", ".join(f"log {one.log} up to {one.witnessed}" for one in found.logs)
        click.echo(f"Seen by the witnesses at {at}: {seen}.")
