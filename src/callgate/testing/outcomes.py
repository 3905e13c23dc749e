"""How a call in a test ended, and what the record has of it; a record that is kept in memory."""

from __future__ import annotations

import msgspec

from callgate.audit.explain import explain, whole
from callgate.audit.record import Entry, Telling, content_of
from callgate.model import Json, Outcome, Reply, Value
from callgate.ports import Unanswerable

_decode = msgspec.json.Decoder().decode


class Ended(Value):
    """One call that went through the whole call path."""

    outcome: Outcome  # the call path's own
    code: str  # `ok`, or a refusal code: docs/refusals.md
    reason: str = ""  # what the agent is told of a refusal
    detail: str = ""  # what operators are told of it
    result: dict[str, Json] | None = None  # delivered; {"error": {...}} for a JSON-RPC error
    sent: dict[str, Json] | None = None  # the arguments that reached the target, if any did
    ran: str = "no"  # whether the tool ran: no | yes | unknown
    labels: tuple[str, ...] = ()
    facts: dict[str, dict[str, Json]] = {}  # interceptor → fact → value, as policy saw them
    changes: list[dict[str, Json]] = []  # what interceptors did, as the record has it
    told: list[tuple[str, dict[str, Json]]] = []  # notifications that reached the agent meanwhile
    record: dict[str, Json] = {}  # everything that is recorded of it

    @property
    def is_refused(self) -> bool:
        """Whether it was refused, or its result withheld."""
        return self.code != "ok"

    @property
    def text(self) -> str:
        """The texts of the result, one a line; the reason where it was refused."""
        content = (self.result or {}).get("content") or ()
        texts = [item["text"] for item in content if item.get("type") == "text"]
        return "\n".join(texts) if self.result is not None else self.reason

    @property
    def explained(self) -> str:
        """What `callgate explain` says of it."""
        place = {"seq": 0, "hash": "", "previous_hash": ""}
        return str(explain([{**entry, "record": place} for entry in self.record["entries"]]))


class MemoryStore:
    """Implements CallStore."""

    is_healthy = True

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    async def append(self, entry: Telling) -> None:
        """Keeps it."""
        self.entries.append(entry.told())

    def append_soon(self, entry: Telling) -> None:
        """Keeps it."""
        self.entries.append(entry.told())

    def of(self, call_id: str) -> list[dict[str, Json]]:
        """What is recorded of a call, in order."""
        return [content_of(entry) for entry in self.entries if entry.call_id == call_id]


class Agent:
    """Implements Caller: remembers what it is told, and can be asked nothing."""

    is_gone = False

    def __init__(self) -> None:
        self.told: list[tuple[str, dict[str, Json]]] = []

    async def notify(self, method: str, params: dict[str, Json]) -> None:
        """Remembers it."""
        self.told.append((method, params))

    async def ask(self, method: str, params: dict[str, Json]) -> Reply:
        """Nobody is there."""
        raise Unanswerable("No one can be asked in a test.")


def ended(outcome: Outcome, store: MemoryStore, agent: Agent, sent: Json) -> Ended:
    """How a call ended, put together."""
    call = outcome.call
    entries = store.of(call.id)
    told = whole([{**entry, "record": {}} for entry in entries])
    told.pop("records")
    result: dict[str, Json] | None = None
    if outcome.is_delivered and call.reply is not None:
        body = _decode(call.reply.body)
        result = {"error": body} if call.reply.is_error else body
    return Ended(
        outcome=outcome,
        code=outcome.refusal_code or "ok",
        reason=outcome.reason,
        detail=outcome.detail,
        result=result,
        sent=sent,
        ran=call.ran.value,
        labels=call.labels,
        facts=call.enriched,
        changes=told.get("changes", []),
        told=agent.told,
        record={**told, "entries": entries},
    )
