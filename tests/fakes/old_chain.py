"""A record as Callgate 0.1 kept it: one hash chain, schema 0002."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
from alembic import command
from alembic.config import Config
from sqlalchemy import NullPool, create_engine

from callgate.audit.record import instant, rfc3339
from callgate.storage.migrations.chain import GENESIS, link
from callgate.storage.migrations.upgrade import LOCATION

AT = 1_780_000_000.25


def an_old_body(kind: str, call_id: str, at: float = AT, **more: Any) -> dict[str, Any]:
    """Of an intent or an outcome in format 1: the arguments stand inside."""
    body = {
        "format": 1,
        "kind": kind,
        "call": call_id,
        "at": rfc3339(at),
        "principal": {"id": "ada", "issuer": "https://idp", "kind": "jwt", "agent": "helper"},
        "name": "shop___refund",
        "target": "shop",
        "tool": "refund",
        "arguments": {"customer": "c1", "amount": 5},
    }
    if kind == "outcome":
        body |= {"code": "ok", "ran": "yes", "delivered": True}
    return body | more


def an_old_event(call_id: str, at: float = AT) -> dict[str, Any]:
    """That policies came into force."""
    return {
        "format": 1,
        "kind": "event",
        "call": call_id,
        "at": rfc3339(at),
        "event": "policies_in_force",
        "version": "6" * 64,
    }


def write_old(path: Path, *bodies: dict[str, Any]) -> None:
    """The file of a gateway that ended in order after writing these."""
    _create(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        previous = GENESIS
        for seq, body in enumerate(bodies, 1):
            content = msgspec.json.encode(body)
            own = link(previous, seq, 1, content)
            connection.execute(
                "INSERT INTO records VALUES (?, 1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (seq, *_index(body), previous, own, content.decode()),
            )
            previous = own
        connection.execute(
            "INSERT INTO writers VALUES (1, ?, 4711, ?, ?, ?)", ("a" * 32, AT, len(bodies), AT)
        )


def _index(body: dict[str, Any]) -> tuple[Any, ...]:
    who = body.get("principal") or {}
    texts = (who.get("id"), who.get("agent"), *map(body.get, ("target", "tool", "code", "ran")))
    return (body["kind"], body["call"], instant(body["at"]), *texts, body.get("delivered"))


def _create(path: Path) -> None:
    config = Config()
    config.set_main_option("script_location", LOCATION)
    config.set_main_option("path_separator", "os")
    engine = create_engine(f"sqlite:///{path}", poolclass=NullPool)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0002")
