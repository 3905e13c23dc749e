"""Files that only their owner may read, from the moment at which they are there."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO


def secret_file(path: Path) -> BinaryIO:
    """A new file to write. Raises OSError, also where it is there already."""
    return open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def kept_secret(path: Path, make: Callable[[], bytes]) -> bytes:
    """What is there; where nothing is, what `make` makes is kept first. Raises OSError.

    Of several processes that come at once each returns the same, and whoever is killed leaves
    nothing that would be taken for the secret.
    """
    if not path.exists():
        draft = path.with_name(f"{path.name}.new-{secrets.token_hex(4)}")
        try:
            _write(draft, make())
            os.link(draft, path)  # whole or not at all, and never over another one
        except FileExistsError:
            pass  # another process was first
        finally:
            draft.unlink(missing_ok=True)
    return path.read_bytes()


def replace_file(path: Path, content: bytes) -> None:
    """Puts the content in place of what is there, whole or not at all. Raises OSError."""
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)
    _write(draft, content)
    draft.replace(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _write(path: Path, content: bytes) -> None:
    with secret_file(path) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
