"""Puts files in place whole: a reader sees the old text or the new one, never half of it."""

from __future__ import annotations

import os
import secrets
import shutil
from pathlib import Path

PRIVATE = 0o600
PUBLIC = 0o644


def place(path: Path, text: str, mode: int = PUBLIC) -> None:
    """Writes a file with the mode, before any text is in it. A link is followed, not replaced."""
    path = Path(os.path.realpath(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with open(descriptor, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        os.replace(draft, path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def mode_of(path: Path) -> int:
    """The permission bits of a file."""
    return path.stat().st_mode & 0o777


def keep_copy(path: Path) -> Path:
    """Copies a file, with its mode, to the first free `<name>.before-callgate[.N]` beside it."""
    number, copy = 1, path.with_name(f"{path.name}.before-callgate")
    while copy.exists():
        number += 1
        copy = path.with_name(f"{path.name}.before-callgate.{number}")
    shutil.copy2(path, copy)
    return copy
