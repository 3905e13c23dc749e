"""Whether the process behind a writer still lives: it holds a lock file for as long as it does."""

from __future__ import annotations

import os
import sys
from pathlib import Path

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

# Not a process id and its start time: two containers that share a volume do not see each other's
# processes, but they do see each other's locks; and ids come back, locks do not.


class Life:
    """A lock that ends with the process, however that ends."""

    def __init__(self, descriptor: int, path: Path) -> None:
        self._descriptor = descriptor
        self._path = path

    @classmethod
    def claim(cls, store: Path, token: str) -> Life | None:
        """The lock of this writer; None where a living process holds it. Raises OSError."""
        path = lock_path(store, token)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _lock(descriptor)
        except OSError:
            os.close(descriptor)
            return None
        return cls(descriptor, path)

    def end(self) -> None:
        """Gives up the lock and removes its file."""
        # Nobody else opens this file: tokens are never used twice.
        os.close(self._descriptor)
        self._path.unlink(missing_ok=True)


def lock_path(store: Path, token: str) -> Path:
    """Beside the store, like SQLite's own -wal and -shm."""
    return store.with_name(f"{store.name}-writer-{token}")


if sys.platform == "win32":

    def _lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
else:

    def _lock(descriptor: int) -> None:
        # flock belongs to the open file, not to the process: it also holds between two stores
        # of one process, and is not inherited by the targets we start.
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
