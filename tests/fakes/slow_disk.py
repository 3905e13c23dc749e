"""A disk that syncs as slowly as a file says, for processes that are started meanwhile."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_name("slow_sync.c")


class SlowDisk:
    """`takes` says how long each sync waits from now on."""

    def __init__(self, directory: Path) -> None:
        self._file = directory / "sync-seconds"
        self.takes(0.0)

    def takes(self, seconds: float) -> None:
        """Counts for syncs that begin from now on."""
        draft = self._file.with_suffix(".new")
        draft.write_text(str(seconds))
        os.replace(draft, self._file)


@contextmanager
def a_slow_disk(directory: Path) -> Iterator[SlowDisk]:
    """Skips where there is no compiler: only a library between can make a sync wait."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler (cc) to make a slow fsync with")
    library = directory / "slow_sync.so"
    words = [compiler, "-shared", "-fPIC", "-o", str(library), str(SOURCE), "-ldl"]
    subprocess.run(words, check=True, capture_output=True)
    disk = SlowDisk(directory)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LD_PRELOAD", str(library))
        patch.setenv("SLOW_SYNC", str(directory / "sync-seconds"))
        yield disk
