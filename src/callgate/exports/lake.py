"""Exports as Parquet files by day: few and large, for what reads lakes."""

from __future__ import annotations

import asyncio
from pathlib import Path

from callgate.exports.export import Batch, DestinationError

MOST_ROWS = 50_000  # in one file
MOST_BYTES = 64 << 20  # about, of lines, before they become a file


class LakeDestination:
    """A directory with `date=2026-11-29/calls-….parquet`."""

    def __init__(self, directory: Path, most: int) -> None:
        """Raises DestinationError where pyarrow is missing."""
        try:
            from callgate.exports.parquet import write  # noqa: PLC0415 - an extra; takes 0.2 s
        except ImportError:
            raise DestinationError("needs `pip install 'callgate[parquet]'`") from None
        self.most = most
        self._directory = directory
        self._write = write

    async def send(self, batch: Batch) -> None:
        """Writes files that are whole."""
        try:
            await asyncio.to_thread(self._write, batch.records, self._directory)
        except OSError as error:
            reason = error.strerror or str(error)
            raise DestinationError(f"{self._directory}: {reason}") from None

    async def close(self) -> None:
        """Nothing is open."""
