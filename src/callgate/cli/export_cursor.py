"""How far `callgate export` has come, in a file, and in which record that was."""

from __future__ import annotations

import os
from pathlib import Path

import click
import msgspec

from callgate.audit.log_reader import Kept, LogReader
from callgate.audit.questions import ExportCursor
from callgate.storage.ledger_reading import open_log
from callgate.storage.settings import StoreSettings


class _Noted(ExportCursor):
    origin: str | None = None
    ends: dict[int, str] = {}  # log → the hash of the last entry that was read


class CursorFile:
    """INVARIANT: none goes on in a record that is not the one that was read, or was put back."""

    def __init__(self, file: Path, settings: StoreSettings) -> None:
        self._file = file
        self._settings = settings

    def read(self) -> ExportCursor:
        """The beginning where there is no file. ClickException; StoreError."""
        if not self._file.exists():
            return ExportCursor()
        try:
            noted = msgspec.json.decode(self._file.read_bytes(), type=_Noted)
        except msgspec.MsgspecError as error:
            raise click.ClickException(f"{self._file} is no cursor of an export: {error}") from None
        reader = open_log(self._settings)
        try:
            self._make_sure(noted, reader)
        finally:
            reader.close()
        return ExportCursor(positions=noted.positions, chain=noted.chain)

    def note(self, cursor: ExportCursor) -> None:
        """Returns when it is on the disk. StoreError; OSError."""
        reader = open_log(self._settings)
        try:
            ends = {log: _end(reader, log, seq) for log, seq in cursor.positions.items()}
            noted = _Noted(
                positions=cursor.positions,
                chain=cursor.chain,
                origin=reader.origin,
                ends={log: end for log, end in ends.items() if end is not None},
            )
        finally:
            reader.close()
        unfinished = self._file.with_name(f".{self._file.name}.{os.getpid()}")
        with unfinished.open("wb") as out:
            out.write(msgspec.json.encode(noted))
            out.flush()
            os.fsync(out.fileno())
        unfinished.replace(self._file)

    def _make_sure(self, noted: _Noted, reader: LogReader) -> None:
        if noted.origin not in (None, reader.origin):
            raise self._stands_elsewhere(f"it is of the record {noted.origin}")
        for log, seq in noted.positions.items():
            end = _end(reader, log, seq) if seq else ""
            if end is None or (seq and noted.ends.get(log, end) != end):
                raise self._stands_elsewhere(
                    f"the entry {log}/{seq - 1} that was exported is not in the record any more: it"
                    " was put back to an earlier state, or another one lies in its place"
                )

    def _stands_elsewhere(self, why: str) -> click.ClickException:
        return click.ClickException(
            f"{self._file} cannot be gone on from: {why}. Take another --cursor to export what is"
            " there now from its beginning: some comes twice, nothing is passed over"
        )


def _end(reader: LogReader, log: int, seq: int) -> str | None:
    """The hash of the last entry before the seq; None where there is none."""
    row = next(iter(reader.records(log, seq - 1, seq)), None)
    return None if row is None else bytes(Kept(*row).hash).hex()
