"""The log of logs: each of its entries is a checkpoint of another log."""

from __future__ import annotations

from typing import Any

import msgspec

from callgate.audit.record import FORMAT, Entry, entry_of, rfc3339

JOINED = "checkpoint"  # the kind of these entries


class Joined(msgspec.Struct):
    """What such an entry says; nothing of it is verified."""

    log: int
    size: int
    note: str


_decode = msgspec.json.Decoder(Joined).decode


def joined(log: int, size: int, note: str, at: float) -> Entry:
    """The entry for log 0 that says how large another log is, as that log has signed it."""
    body: dict[str, Any] = {
        "format": FORMAT,
        "kind": JOINED,
        "call": joined_id(log, size),
        "at": rfc3339(at),
        "log": log,
        "size": size,
        "note": note,
    }
    return entry_of(body, at)


def joined_id(log: int, size: int) -> str:
    """Of its entry: those of one log sort by size."""
    return f"k{log}-{size:013d}"


def read_joined(body: bytes) -> Joined:
    """Raises ValueError where the body is of no such entry."""
    try:
        return _decode(body)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise ValueError(f"this is no entry of the log of logs: {error}") from error
