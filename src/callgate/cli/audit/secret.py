"""Files that only their owner may read, from the moment at which they are there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO


def secret_file(path: Path) -> BinaryIO:
    """A new file to write. Raises OSError, also where it is there already."""
    return open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def replace_file(path: Path, content: bytes) -> None:
    """Puts the content in place of what is there, whole or not at all. Raises OSError."""
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)
    with secret_file(draft) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
