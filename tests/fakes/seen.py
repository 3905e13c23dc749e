"""A tool with a place of every type, calls of it, and what is learnt from them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from callgate.model import Principal, Tool
from callgate.policy.cases import Ruling
from callgate.policy.decided import Decision, Place, digest_of
from callgate.policy.engine import Question
from callgate.policy.learning.observing import Ledger
from callgate.protocol.definitions import read_tool
from fakes.calls import a_principal

TEXT: dict[str, Any] = {"type": "string"}
EVERYTHING: dict[str, Any] = {
    "type": "object",
    "properties": {
        "order": TEXT,
        "amount": {"type": "integer"},
        "price": {"type": "number"},
        "dry": {"type": "boolean"},
        "note": {"type": ["string", "null"]},
        "a-b": TEXT,
        "tags": {"type": "array", "items": TEXT},
        "sizes": {"type": "array", "items": {"type": "number"}},
        "card": {
            "type": "object",
            "properties": {"n": TEXT, "k": {"type": "integer"}},
            "required": ["n"],
        },
        "either": {
            "anyOf": [TEXT, {"type": "integer"}, {"type": "object", "properties": {"z": TEXT}}]
        },
        "free": {"type": "object"},
        "rows": {
            "type": "array",
            "items": {"type": "object", "properties": {"kind": TEXT, "n": {"type": "number"}}},
        },
        "any": {},
    },
    "required": ["order"],
}


def a_defined_tool(name: str = "refund", schema: Any = None, target: str = "shop") -> Tool:
    """A tool with the digest of its definition."""
    return read_tool(
        target, {"name": name, "inputSchema": EVERYTHING if schema is None else schema}
    )


def a_seen_call(
    arguments: dict[str, Any],
    principal: Principal | None = None,
    tool: Tool | None = None,
    at: float = 1000.0,
    hidden: tuple[Place, ...] = (),
) -> Decision:
    """A call that was permitted and ran."""
    question = Question(
        principal=principal or a_principal(),
        tool=tool or a_defined_tool(),
        arguments=arguments,
        enriched={},
        now=at,
    )
    return Decision(
        call=f"c{at:.0f}",
        question=question,
        ruling=Ruling.PERMIT,
        digest=digest_of(arguments),
        hidden=hidden,
    )


def learnt(calls: Iterable[Decision]) -> Ledger:
    """What is learnt from calls, of principals that did nothing else."""
    ledger = Ledger()
    for call in calls:
        ledger.meet(call.question.principal)
        ledger.add(call)
    return ledger
