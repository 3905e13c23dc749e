"""`callgate export`: recorded calls in the formats of others, once and resumably."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import click

from callgate.audit.questions import ExportCursor
from callgate.cli.calls import filter_options
from callgate.cli.export_cursor import CursorFile
from callgate.cli.progress import progress
from callgate.cli.store import open_records, store_options, store_settings
from callgate.exports import lake
from callgate.exports.batches import MAX_BATCH, MAX_BATCH_BYTES, Wanted, batches
from callgate.exports.export import Batch
from callgate.exports.lines import LINE_FORMATS, LineFormat
from callgate.ports import CallFilter, StoreError
from callgate.storage.ledger_reading import open_log

PARQUET = "parquet"
FORMATS = (*LINE_FORMATS, PARQUET)


@click.command()
@store_options
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    default="calls",
    show_default=True,
    help="calls: each whole, one a line; records: every entry, events too; ocsf: OCSF 1.8.0 API "
    "Activity; cloudevents: CloudEvents 1.0; sep-3004: MCP's draft of an audit record; parquet.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="The file to add lines to; for parquet the directory.  [default: print them]",
)
@click.option(
    "--cursor",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A file that says how far it came: begins there, and notes where it ended.",
)
@filter_options
def export(
    config: Path | None,
    store: str | None,
    form: str,
    out: Path | None,
    cursor: Path | None,
    **chosen: Any,
) -> None:
    """Write recorded calls in a format that others read.

    With --cursor each run goes on where the last one ended; ended in the middle, some come twice,
    and none is missing.
    """
    if form == PARQUET and out is None:
        raise click.UsageError("parquet needs --out DIRECTORY")
    records = open_records(config, store)
    chosen.pop("limit", None)
    filter_ = CallFilter(**chosen)
    if LINE_FORMATS.get(form, LINE_FORMATS["calls"]).of == "records" and filter_ != CallFilter():  # type: ignore[call-overload]
        raise click.UsageError(f"{form} is of every entry: leave the filters out")
    file = None if cursor is None else CursorFile(cursor, store_settings(config, store))
    count = 0
    try:
        wanted = Wanted(
            form=_line_format(form),
            origin=_origin(config, store),
            chosen=None if filter_ == CallFilter() else filter_,
            most=lake.MOST_ROWS if form == PARQUET else MAX_BATCH,
            most_bytes=lake.MOST_BYTES if form == PARQUET else MAX_BATCH_BYTES,
        )
        begin_at = ExportCursor() if file is None else file.read()
        with progress("exporting") as (begin, tell), _writer(form, out) as write:
            begin(sum(records.heads().values()))
            for batch in batches(records, wanted, begin_at):
                write(batch)
                if file is not None:
                    file.note(batch.upto)
                count += len(batch.records)
                tell(len(batch.records))
    except (StoreError, OSError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{count} {LINE_FORMATS[wanted.form].of} written", err=True)


def _line_format(form: str) -> LineFormat:
    return next((name for name in LINE_FORMATS if name == form), "calls")


def _origin(config: Path | None, store: str | None) -> str:
    reader = open_log(store_settings(config, store))
    try:
        return reader.origin
    finally:
        reader.close()


@contextmanager
def _writer(form: str, out: Path | None) -> Iterator[Any]:
    if form == PARQUET:
        try:
            from callgate.exports.parquet import write  # noqa: PLC0415 - an extra
        except ImportError:
            raise click.ClickException("needs `pip install 'callgate[parquet]'`") from None
        yield lambda batch: write(batch.records, out or Path())
    elif out is None:
        yield lambda batch: click.echo(b"".join(batch.lines), nl=False)
    else:
        with out.open("ab") as file:
            yield lambda batch: _synced(file, batch)


def _lines(file: BinaryIO, batch: Batch) -> None:
    file.write(b"".join(batch.lines))
    file.flush()


def _synced(file: BinaryIO, batch: Batch) -> None:
    _lines(file, batch)
    os.fsync(file.fileno())
