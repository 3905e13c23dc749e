"""Builders of the vocabulary, with everything a test does not care about filled in."""

from __future__ import annotations

from typing import Any

from callgate.model import Call, Era, Principal, Proof, Tool
from callgate.protocol.headers import mirrored

SCHEMA = {
    "type": "object",
    "properties": {
        "customer": {"type": "string"},
        "amount": {"type": "integer", "minimum": 0},
        "note": {"type": "string"},
    },
    "required": ["customer", "amount"],
}


def a_tool(target: str = "shop", name: str = "refund", schema: Any = None, **more: Any) -> Tool:
    schema = SCHEMA if schema is None else schema
    definition = {"name": name, "inputSchema": schema, **more}
    digest = f"{name}-{hash(str(definition)):x}"
    return Tool(
        target=target, name=name, definition=definition, digest=digest, mirrored=mirrored(schema)
    )


def a_principal(identifier: str = "ada", *groups: str, **more: Any) -> Principal:
    settings: dict[str, Any] = {"issuer": "https://idp", "kind": "jwt", **more}
    return Principal(id=identifier, groups=groups, **settings)


def a_call(**more: Any) -> Call:
    settings: dict[str, Any] = {
        "id": "c000",
        "received_at": 1_790_000_000.0,
        "era": Era.MODERN,
        "protocol_version": "2026-07-28",
        "proof": Proof(),
        "requested_name": "shop___refund",
        **more,
    }
    return Call(**settings)
