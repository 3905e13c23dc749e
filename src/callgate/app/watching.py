"""Notices that files changed, by looking at them once a second."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

LOOK_EVERY_SECONDS = 1.0

# Why not inotify: the record lies beside the configuration by default, so a watch on that directory
# wakes for every call; and a watch on single files is lost when an editor replaces them.
Snapshot = dict[Path, tuple[int, int, int] | None]


def look(paths: Iterable[Path]) -> Snapshot:
    """What identifies the content of each path: equal snapshots mean nothing changed.

    A directory changes when names in it do; None stands for what is not there.
    """
    return {path: _identity(path) for path in paths}


def _identity(path: Path) -> tuple[int, int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    if os.path.isdir(path):
        names = sorted(name for name in os.listdir(path) if name.endswith(".cedar"))
        return (found.st_ino, len(names), hash(tuple(names)))
    return (found.st_ino, found.st_mtime_ns, found.st_size)
