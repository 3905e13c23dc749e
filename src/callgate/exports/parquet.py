"""Calls as Parquet files, one row each, by day: for DuckDB, Spark and other lakes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from callgate.audit.explain import began
from callgate.audit.record import instant
from callgate.exports.calls import ending
from callgate.model import Json
from callgate.protocol.jsonrpc import encode

_TEXTS = pa.list_(pa.string())
_INSTANT = pa.timestamp("us", tz="UTC")

Call = dict[str, Json]


def _of(*path: str) -> Callable[[Call], Json]:
    def read(call: Call) -> Json:
        found: Json = call
        for step in path:
            found = found.get(step) if isinstance(found, dict) else None
        return found

    return read


def _at(read: Callable[[Call], str]) -> Callable[[Call], Json]:
    return lambda call: datetime.fromtimestamp(instant(read(call)), UTC)


def _json(name: str) -> Callable[[Call], Json]:
    return lambda call: encode(call[name]).decode() if name in call else None


def _interceptors(call: Call) -> list[str]:
    return [str(change["interceptor"]) for change in call.get("changes") or ()]


def _last(name: str) -> Callable[[Call], Json]:
    return lambda call: call["records"][-1][name]


COLUMNS: tuple[tuple[str, Any, Callable[[Call], Json]], ...] = (
    ("call", pa.string(), _of("call")),
    ("run", pa.string(), _of("run")),
    ("received_at", _INSTANT, _at(began)),
    ("ended_at", _INSTANT, _at(lambda call: str(call["at"]))),
    ("principal", pa.string(), _of("principal", "id")),
    ("issuer", pa.string(), _of("principal", "issuer")),
    ("kind", pa.string(), _of("principal", "kind")),
    ("groups", _TEXTS, _of("principal", "groups")),
    ("tenant", pa.string(), _of("principal", "tenant")),
    ("agent", pa.string(), _of("principal", "agent")),
    ("client", pa.string(), _of("client", "name")),
    ("session", pa.string(), _of("session")),
    ("traceparent", pa.string(), _of("traceparent")),
    ("name", pa.string(), _of("name")),
    ("target", pa.string(), _of("target")),
    ("tool", pa.string(), _of("tool")),
    ("tool_sha256", pa.string(), _of("tool_sha256")),
    ("method", pa.string(), _of("method")),
    ("ending", pa.string(), ending),
    ("code", pa.string(), _of("code")),
    ("reason", pa.string(), _of("reason")),
    ("ran", pa.string(), _of("ran")),
    ("delivered", pa.bool_(), _of("delivered")),
    ("permitted", pa.bool_(), _of("decision", "permitted")),
    ("policies", _TEXTS, _of("decision", "policies")),
    ("policy_version", pa.string(), _of("decision", "version")),
    ("labels", _TEXTS, _of("labels")),
    ("interceptors", _TEXTS, _interceptors),
    ("arguments", pa.string(), _json("arguments")),
    ("arguments_sha256", pa.string(), _of("arguments_sha256")),
    ("content", pa.string(), _json("content")),
    ("result_bytes", pa.int64(), _of("result", "bytes")),
    ("result_sha256", pa.string(), _of("result", "sha256")),
    ("seconds", pa.float64(), lambda call: sum((call.get("seconds") or {}).values())),
    ("erased", pa.bool_(), lambda call: bool(call.get("erased"))),
    ("log", pa.int32(), _last("log")),
    ("seq", pa.int64(), _last("seq")),
)
SCHEMA = pa.schema([(name, kind) for name, kind, _ in COLUMNS])


def write(calls: Sequence[Call], directory: Path) -> list[Path]:
    """One file for each day in `directory/date=2026-11-29/`; each is whole, or is not there.

    Named after the first call in it: the same calls written again replace their files, those of
    another record, or of one that was put back, do not. OSError.
    """
    days: dict[str, list[Call]] = {}
    for call in calls:
        days.setdefault(began(call)[:10], []).append(call)
    return [_file(day, found, directory) for day, found in days.items()]


def _file(day: str, calls: Sequence[Call], directory: Path) -> Path:
    folder = directory / f"date={day}"
    folder.mkdir(parents=True, exist_ok=True)
    file = _free(folder, calls)
    unfinished = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with unfinished.open("wb") as out:
            pq.write_table(table(calls), out, compression="zstd")
            out.flush()
            os.fsync(out.fileno())
        unfinished.replace(file)
    finally:
        unfinished.unlink(missing_ok=True)
    return file


def _free(folder: Path, calls: Sequence[Call]) -> Path:
    """The name of the file: where nothing would be lost that is there."""
    place, ids = calls[0]["records"][-1], [str(call["call"]) for call in calls]
    name = f"calls-{place['log']}-{place['seq']:013}"
    file = folder / f"{name}.parquet"
    if not file.exists() or _is_among(file, ids):
        return file
    digest = hashlib.sha256("\n".join(ids).encode(errors="replace")).hexdigest()[:16]
    return folder / f"{name}-{digest}.parquet"


def _is_among(file: Path, ids: Sequence[str]) -> bool:
    try:
        there = pq.read_table(file, columns=["call"], partitioning=None)["call"].to_pylist()
    except pa.ArrowException:  # none of ours
        return False
    return set(ids).issuperset(there)


def table(calls: Sequence[Call]) -> pa.Table:
    """The calls as rows."""
    return pa.table({name: column for name, column in _columns(calls)}, schema=SCHEMA)


def _columns(calls: Sequence[Call]) -> Iterator[tuple[str, Any]]:
    for name, kind, read in COLUMNS:
        yield name, pa.array([_fitting(read(call)) for call in calls], type=kind)


def _fitting(value: Json) -> Json:
    """Arrow's texts are UTF-8; after tampering, or from a foreign record, one may be no text."""
    return value.encode(errors="replace").decode() if isinstance(value, str) else value
