"""A witness that is a file elsewhere: checkpoints are added to its end, and it never goes back."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from callgate.audit.checkpoints import Checkpoint, read_checkpoint
from callgate.audit.notes import MAX_NOTE_BYTES, NoteError, Signature
from callgate.witnesses.apart import Apart, Hanging
from callgate.witnesses.witness import Disputed, Shown, WitnessError


class FileWitness:
    """Implements Witness. Several gateways may share the file: each reads its end anew."""

    key = None

    def __init__(self, name: str, path: Path, timeout_seconds: float) -> None:
        self.name = name
        self._path = path
        self._timeout_seconds = timeout_seconds
        self._apart = Apart(f"witness-{name}")

    async def show(self, shown: Shown) -> tuple[Signature, ...]:
        """Returns when the checkpoint is on the disk. Raises WitnessError."""
        try:
            # A disk that hangs, such as one over a network, holds up a thread and nothing else.
            await self._apart.run(lambda: self._append(shown), self._timeout_seconds)
        except Hanging:
            raise WitnessError(f"{self._path} did not answer in time") from None
        except OSError as error:
            raise WitnessError(f"{self._path}: {error.strerror or error}") from None
        return ()

    async def close(self) -> None:
        """Nothing is open."""

    def _append(self, shown: Shown) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        descriptor = os.open(self._path, flags, 0o600)
        with os.fdopen(descriptor, "rb+", buffering=0) as file:
            fcntl.flock(descriptor, fcntl.LOCK_EX)  # until it is closed
            tail = os.pread(descriptor, 2 * MAX_NOTE_BYTES, self._tail(descriptor))
            last = self._last(tail)
            if last is not None and self._has(last, shown.checkpoint):
                return
            gap = "" if not tail or tail.endswith(b"\n\n") else "\n\n"  # after a crash
            file.write(f"{gap}{shown.note}\n".encode())
            os.fsync(descriptor)

    def _tail(self, descriptor: int) -> int:
        return max(0, os.fstat(descriptor).st_size - 2 * MAX_NOTE_BYTES)

    def _last(self, tail: bytes) -> Checkpoint | None:
        """The last checkpoint that is there whole; behind it may be what a crash left."""
        parts = tail.decode("utf-8", "replace").split("\n\n")
        for text, lines in zip(reversed(parts[:-1]), reversed(parts[1:]), strict=True):
            try:
                found, _ = read_checkpoint(f"{text.lstrip()}\n\n{lines.rstrip()}\n")
            except NoteError:
                continue
            return found
        if tail.strip():
            raise WitnessError(f"{self._path} is no file of checkpoints")
        return None

    def _has(self, last: Checkpoint, new: Checkpoint) -> bool:
        """Whether it is the last one. Raises Disputed where it contradicts what is there."""
        if last.origin != new.origin:
            raise Disputed(f"{self._path} is of {last.origin}, not of {new.origin}")
        if last.size > new.size:
            raise Disputed(f"{self._path} has seen {last.size} entries, the record has {new.size}")
        if last.size == new.size and last.root != new.root:
            raise Disputed(f"{self._path} has seen another record of {last.size} entries")
        return last.size == new.size
