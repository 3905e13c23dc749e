"""Exports into a file of lines that is continued, and put aside when it is full."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import BinaryIO

from callgate.exports.export import Batch, DestinationError

BLOCK = 64 << 10


class FileDestination:
    """`<name>.jsonl` in a directory; full ones are `<name>-1.jsonl`, `-2`, … in order.

    Lines are on the disk before the cursor moves. A line that a crash cut short is taken off: it
    was not counted as sent, and comes again.
    """

    def __init__(self, directory: Path, name: str, max_bytes: int, most: int = 500) -> None:
        self.most = most
        self._file = directory / f"{name}.jsonl"
        self._max_bytes = max_bytes
        self._out: BinaryIO | None = None

    async def send(self, batch: Batch) -> None:
        """Appends and syncs."""
        await asyncio.to_thread(self._append, batch)

    async def close(self) -> None:
        """Closes the file."""
        out, self._out = self._out, None
        if out is not None:
            out.close()

    def _append(self, batch: Batch) -> None:
        try:
            out = self._opened()
            begin = out.tell()
            try:
                out.write(b"".join(batch.lines))
                out.flush()
                os.fsync(out.fileno())
            except OSError:
                self._out = None
                out.close()
                os.truncate(self._file, begin)  # half a batch must not stay: it comes again
                raise
        except OSError as error:
            raise DestinationError(f"{self._file}: {error.strerror or error}") from None

    def _opened(self) -> BinaryIO:
        out = self._out
        if out is not None and not _is_same(out, self._file):  # taken away by who collects them
            out.close()
            out = self._out = None
        if out is not None and out.tell() >= self._max_bytes:
            out.close()
            out = self._out = None
            self._file.rename(_aside(self._file))
        if out is None:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            _drop_half_line(self._file)
            handle = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            out = self._out = os.fdopen(handle, "ab")
        return out


def _is_same(out: BinaryIO, file: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(out.fileno()), os.stat(file))
    except FileNotFoundError:
        return False


def _aside(file: Path) -> Path:
    taken = [one.stem.rpartition("-")[2] for one in file.parent.glob(f"{file.stem}-*.jsonl")]
    number = max((int(one) for one in taken if one.isdecimal()), default=0) + 1
    return file.with_name(f"{file.stem}-{number}.jsonl")


def _drop_half_line(file: Path) -> None:
    """Cuts the file behind its last whole line."""
    try:
        with file.open("r+b") as found:
            end = found.seek(0, os.SEEK_END)
            at = end
            while at > 0:
                begin = max(0, at - BLOCK)
                found.seek(begin)
                last = found.read(at - begin).rfind(b"\n")
                if last >= 0:
                    at = begin + last + 1
                    break
                at = begin
            if at != end:
                found.truncate(at)
    except FileNotFoundError:
        return
