"""Policies in files: which files there are, where another would count, and what they say."""

from __future__ import annotations

import glob
import itertools
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from callgate.sources.sourced import FILE, Sourced, SourceError

MAX_FILE_BYTES = 64 << 20


def find(patterns: Iterable[str], directory: Path) -> tuple[Path, ...]:
    """The files that fit, absolute and in order. Relative patterns start at the directory."""
    found = set()
    for pattern in patterns:
        for name in glob.iglob(pattern, root_dir=directory, recursive=True):
            file = Path(os.path.normpath(directory / name))
            if file.is_file():
                found.add(file)
    return tuple(sorted(found))


def places(patterns: Iterable[str], directory: Path) -> frozenset[Path]:
    """Directories to watch: a file that comes or goes there may change what `find` finds."""
    return frozenset(_place(pattern, directory) for pattern in patterns)


def _place(pattern: str, directory: Path) -> Path:
    """The directory below which every file that fits the pattern would be."""
    parts = Path(pattern).parts
    fixed = itertools.takewhile(lambda part: not glob.has_magic(part), parts[:-1])
    place = Path(os.path.normpath(directory.joinpath(*fixed)))
    while not place.is_dir():
        place = place.parent
    return place


def read(files: Sequence[Path]) -> tuple[Sourced, ...]:
    """The texts of the files. Raises SourceError, which names the file."""
    return tuple(_read(file) for file in files)


def _read(file: Path) -> Sourced:
    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_FILE_BYTES + 1)
        if len(content) > MAX_FILE_BYTES:
            raise SourceError(file.name, f"is larger than {MAX_FILE_BYTES} bytes; split it")
        text = content.decode("utf-8-sig")
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise SourceError(file.name, f"cannot be read: {reason}") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise SourceError(file.name, f"line {line} is not UTF-8 text") from None
    return Sourced(name=file.name, text=text, kind=FILE, place=str(file))
