"""Records as batches that a destination takes at once."""

from __future__ import annotations

from collections.abc import Iterator

from callgate.audit.questions import ExportCursor
from callgate.exports.export import Batch
from callgate.exports.lines import LINE_FORMATS, LineFormat, line, speaker
from callgate.exports.sep3004 import FIRST
from callgate.model import Json, Value
from callgate.ports import CallFilter, RecordScanner

MAX_BATCH = 500  # records
MAX_BATCH_BYTES = 1 << 20  # about: one record more may be in it


class Wanted(Value):
    """What of the record, and how it is said."""

    form: LineFormat
    origin: str
    chosen: CallFilter | None = None
    most: int = MAX_BATCH
    most_bytes: int = MAX_BATCH_BYTES


def batches(source: RecordScanner, wanted: Wanted, after: ExportCursor) -> Iterator[Batch]:
    """What is in the record now, behind the cursor. Bounded memory. Raises StoreError."""
    say = speaker(wanted.form, wanted.origin, after.chain or FIRST)
    of_calls = LINE_FORMATS[wanted.form].of == "calls"
    scan = source.scan_calls if of_calls else source.scan
    found: list[tuple[dict[str, Json], Json, bytes]] = []
    size = 0
    for reached, record in scan(after.positions, wanted.chosen):
        said = say(record)
        text = line(said)
        found.append((record, said, text))
        size += len(text)
        if len(found) >= wanted.most or size >= wanted.most_bytes:
            yield _batch(found, dict(reached), wanted.form)
            found, size = [], 0
    if found:
        yield _batch(found, dict(reached), wanted.form)


def _batch(
    found: list[tuple[dict[str, Json], Json, bytes]], positions: dict[int, int], form: LineFormat
) -> Batch:
    records, said, lines = zip(*found, strict=True)
    chain = said[-1]["event_hash"] if form == "sep-3004" else None
    upto = ExportCursor(positions=positions, chain=chain)
    return Batch(records=records, said=said, lines=lines, upto=upto)
