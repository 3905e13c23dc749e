"""The hash chain that the record was until 0002, as far as an upgrade must know it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from callgate.model import Value

GENESIS = "0" * 64  # what the first record was linked to
DOMAIN = "callgate.record.1"
_decode = msgspec.json.Decoder().decode


class Linked(Value):
    """One record of the chain, as stored; after tampering, of any type."""

    seq: int
    writer: int
    body: bytes
    previous_hash: str
    hash: str
    columns: dict[str, Any]

    @classmethod
    def read(cls, row: Mapping[Any, Any]) -> Linked:
        """Of a row with all columns."""
        body = row["body"]
        return cls(
            seq=row["seq"],
            writer=row["writer"],
            body=body.encode("utf-8", "surrogateescape") if isinstance(body, str) else b"",
            previous_hash=row["previous_hash"],
            hash=row["hash"],
            columns=dict(row),
        )


def link(previous_hash: str, seq: int, writer: int, body: bytes) -> str:
    """The hash of a record in the chain."""
    head = f"{DOMAIN}\n{previous_hash}\n{seq}\n{writer}\n"
    return hashlib.sha256(head.encode("utf-8", "surrogateescape") + body).hexdigest()


def fault(record: Linked, expected: int, head: str) -> str | None:
    """Why a record does not continue the chain whose head is given; None where it does."""
    if record.seq != expected:
        return f"record {expected} is missing"
    if record.previous_hash != head:
        return "its previous_hash is not the hash of the record before it"
    if link(head, record.seq, record.writer, record.body) != record.hash:
        return "its hash does not fit its content"
    try:
        said = _indexed(_decode(record.body))
        record.body.decode()
    except (AttributeError, KeyError, TypeError, ValueError):
        return "its body cannot be read"
    for column, meant in said.items():
        kept = record.columns[column]
        if column == "is_delivered" and kept in (0, 1) and type(kept) is int:
            kept = bool(kept)
        if kept != meant or type(kept) is not type(meant):
            return f"its column {column} does not say what its body says"
    return None


def _indexed(said: dict[str, Any]) -> dict[str, Any]:
    principal = said.get("principal") or {}
    return {
        "kind": said["kind"],
        "call_id": said["call"],
        "at": datetime.fromisoformat(said["at"]).timestamp(),
        "principal": principal.get("id"),
        "agent": principal.get("agent"),
        "target": said.get("target"),
        "tool": said.get("tool"),
        "code": said.get("code"),
        "ran": said.get("ran"),
        "is_delivered": said.get("delivered"),
    }
