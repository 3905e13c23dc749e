"""Whether the process behind a writer still lives: it holds a lock file for as long as it does."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

# Not a process id and its start time: two containers that share a volume do not see each other's
# processes, but they do see each other's locks; and ids come back, locks do not.


class FileLife:
    """A lock that ends with the process, however that ends. Implements Life."""

    def __init__(self, descriptor: int, path: Path) -> None:
        self._descriptor = descriptor
        self._path = path

    @classmethod
    def claim(cls, store: Path, token: str) -> FileLife | None:
        """The lock of this name; None where a living process holds it. Raises OSError."""
        path = lock_path(store, token)
        while True:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                _lock(descriptor)
            except OSError:
                os.close(descriptor)
                return None
            if os.fstat(descriptor).st_nlink:
                return cls(descriptor, path)
            os.close(descriptor)  # its holder removed it as we opened it: the next is another file

    def end(self) -> None:
        """Gives up the lock and removes its file."""
        if sys.platform != "win32":
            self._path.unlink(missing_ok=True)  # while it is held: nobody else removes a new one
        os.close(self._descriptor)
        if sys.platform == "win32":
            with suppress(OSError):  # somebody has opened it meanwhile, and will remove it
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
