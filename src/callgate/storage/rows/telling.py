"""Rows of the record as entries are told: body and payload in one, each held against its digest."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from callgate.audit.merkle import leaf_hash
from callgate.audit.place import place
from callgate.audit.record import rfc3339
from callgate.model import Json
from callgate.ports import StoreError

if TYPE_CHECKING:  # not needed where the index of a SQLite file is kept
    from sqlalchemy import Row

Blobs = Callable[[str], bytes | None]
"""The payload with this SHA-256 (hex), where it does not lie in the record; None: it is gone."""

_decode = msgspec.json.Decoder().decode
_sha256 = hashlib.sha256


class Kept(NamedTuple):
    """What `told` needs of a record."""

    position: int
    kind: str
    call_id: str
    at: float
    run: str | None
    target: str | None
    tool: str | None
    code: str | None
    hash: bytes
    body: str | None
    payload: str | None


def told(row: Row[Any] | Kept, blobs: Blobs | None) -> dict[str, Json]:
    """One entry: its body with its payload, and its place under `record`.

    Payloads that lie elsewhere are fetched where `blobs` is given; else `payload_omitted` says how
    many bytes they have. Raises StoreError, which names the place, where anything is not what was
    written.
    """
    log, seq = place(row.position)
    if row.body is None:
        return _erased(row, log, seq)
    try:
        body = _bytes(row.body)
        if leaf_hash(body) != row.hash:
            raise _tampered(log, seq, "its body is not the one that was hashed")
        entry: dict[str, Json] = _decode(body)
        entry["record"] = {"log": log, "seq": seq, "hash": row.hash.hex()}
    except (AttributeError, TypeError, ValueError):
        raise _tampered(log, seq, "it cannot be read") from None
    announced = entry.pop("payload", None)
    if announced is not None:
        try:
            _add_payload(entry, announced, row.payload, blobs)
        except (AttributeError, KeyError, TypeError, ValueError):
            raise _tampered(log, seq, "its payload cannot be read") from None
    return entry


def _add_payload(
    entry: dict[str, Json], announced: dict[str, Json], kept: str | None, blobs: Blobs | None
) -> None:
    log, seq = entry["record"]["log"], entry["record"]["seq"]
    if kept is not None:
        content: bytes | None = _bytes(kept)
    elif blobs is None:
        entry["payload_omitted"] = announced["bytes"]
        return
    else:
        content = blobs(announced["sha256"])
    if content is None:
        entry["erased"] = True
        return
    if _sha256(content).hexdigest() != announced["sha256"]:
        raise _tampered(log, seq, "its payload is not the one that was hashed")
    # The body wins: a payload can add to what the body says, never change it.
    for name, value in _decode(content).items():
        entry.setdefault(name, value)


def _bytes(kept: str | bytes) -> bytes:
    """Somebody may have put bytes into SQLite where there was text: `audit verify` takes either."""
    return kept if isinstance(kept, bytes) else kept.encode("utf-8", "surrogateescape")


def _erased(row: Row[Any] | Kept, log: int, seq: int) -> dict[str, Json]:
    """What is left of an entry whose body was deleted under retention."""
    left = {
        "kind": row.kind,
        "call": row.call_id,
        "at": rfc3339(row.at),
        "erased": True,
        "record": {"log": log, "seq": seq, "hash": row.hash.hex()},
    }
    columns = {"run": row.run, "target": row.target, "tool": row.tool, "code": row.code}
    return left | {name: value for name, value in columns.items() if value is not None}


def _tampered(log: int, seq: int, what: str) -> StoreError:
    return StoreError(f"record {log}/{seq} was tampered with: {what}; see `callgate audit verify`")
