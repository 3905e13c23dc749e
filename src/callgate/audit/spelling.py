"""How texts of logs and witnesses (C2SP) spell numbers, bytes and proofs: each in one way only."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Sequence

from callgate.audit.merkle import MAX_SIZE

MAX_STEPS = 63  # of a proof: in a tree of MAX_SIZE there is no longer one
_NUMBER = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)


def read_number(text: str) -> int | None:
    """A size or an index; None where it is none, or of no log that anybody believes in."""
    found = int(text) if _NUMBER.fullmatch(text) else None
    return None if found is None or found > MAX_SIZE else found


def read_named(line: str, name: str) -> int | None:
    """The number in a line `name number`; None where it is no such line."""
    said, _, number = line.partition(" ")
    return read_number(number) if said == name else None


def strict_base64(text: str) -> bytes:
    """The bytes of standard base64 that could not have been written in another way. ValueError."""
    try:
        decoded = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("this is no base64") from None
    if base64.b64encode(decoded).decode() != text:
        raise ValueError("this base64 is not written as it should be")
    return decoded


def read_path(lines: Sequence[str]) -> tuple[bytes, ...]:
    """The hashes of a proof, one a line. Raises ValueError."""
    if len(lines) > MAX_STEPS:
        raise ValueError(f"a proof has at most {MAX_STEPS} hashes")
    try:
        return tuple(strict_base64(line) for line in lines)
    except ValueError as error:
        raise ValueError(f"a hash of the proof: {error}") from None


def written_path(path: Iterable[bytes]) -> str:
    """The same as text, each line ended by a line break."""
    return "".join(f"{base64.b64encode(step).decode()}\n" for step in path)
