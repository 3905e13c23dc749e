"""A witness that is a file elsewhere: checkpoints are added to its end, and it never goes back."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from callgate.audit.checkpoints import Checkpoint, whole_checkpoints
from callgate.audit.notes import MAX_NOTE_BYTES, Signature, split_notes
from callgate.witnesses.apart import Apart, Hanging
from callgate.witnesses.witness import Disputed, Shown, WitnessError

if sys.platform != "win32":
    import fcntl

TAIL_BYTES = 2 * MAX_NOTE_BYTES  # the last checkpoint is in it, whatever a crash has left behind it


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
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "rb+", buffering=0) as file:
            if sys.platform != "win32":
                fcntl.flock(descriptor, fcntl.LOCK_EX)  # until it is closed
            file.seek(max(0, os.fstat(descriptor).st_size - TAIL_BYTES))
            tail = file.read()
            last = self._last(tail, shown.checkpoint.origin)
            if last is not None and self._has(last, shown.checkpoint):
                return
            gap = "" if not tail or tail.endswith(b"\n\n") else "\n\n"  # after a crash
            said = f"{gap}{shown.note}\n".encode()
            if file.write(said) != len(said):  # at the end, whatever was read
                raise WitnessError(f"{self._path} took a part of the checkpoint only")
            os.fsync(descriptor)

    def _last(self, tail: bytes, origin: str) -> Checkpoint | None:
        """The last checkpoint that is there whole; behind it may be what a crash left."""
        text = tail.decode("utf-8", "replace")
        for _, checkpoint in whole_checkpoints(reversed(split_notes(text))):
            return checkpoint
        if not (text.startswith(origin) or origin.startswith(text)):
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
