"""What the head of a request says, read once for all requests whose heads say the same."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

from callgate.asgi import ALIKE, Scope
from callgate.downstream.inbound import Answer
from callgate.model import Json, Proof
from callgate.protocol import headers as routing
from callgate.protocol.eras import is_legacy_version
from callgate.protocol.jsonrpc import INVALID_REQUEST, error_response
from callgate.protocol.origins import Guard, is_loopback

STREAM = "text/event-stream"
MOST_KEPT = 1024  # heads: few agents send many requests each
SESSION = "mcp-session-id"
MEANINGFUL = frozenset(
    name.encode()
    for name in (
        *routing.ROUTING,
        *(SESSION, "last-event-id", "host", "origin", "content-type", "accept"),
        *("authorization", "x-api-key", "forwarded", "x-forwarded-for"),
    )
)
_PARAM = routing.PARAM_PREFIX.encode()

Pairs = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True)
class Head:
    """The headers that mean something here, by lower-case name, and what follows from them."""

    headers: dict[str, list[str]]
    proof: Proof
    refusal: Answer | None  # where Host or Origin is not one that may come here
    version: str | None = field(init=False)
    is_legacy: bool = field(init=False)
    session_id: str | None = field(init=False)
    accept: str = field(init=False)
    unfit: Answer | None = field(init=False)  # why a message cannot be posted with these headers
    may_stream: bool = field(init=False)
    prefers_stream: bool = field(init=False)

    def __post_init__(self) -> None:
        keep = object.__setattr__  # a frozen dataclass fills itself
        version = self.first(routing.VERSION)
        accept = self.first("accept") or ""
        keep(self, "version", version)
        keep(self, "is_legacy", is_legacy_version(version))
        keep(self, "session_id", self.first(SESSION))
        keep(self, "accept", accept)
        keep(self, "unfit", _unfit(self.first("content-type") or "", accept or "*/*"))
        keep(self, "may_stream", STREAM in accept)
        # Equals go by their order: whether the agent names the stream before JSON.
        keep(self, "prefers_stream", -1 < accept.find(STREAM) < accept.find("application/json"))

    def first(self, name: str) -> str | None:
        """The header's value, the first where it was sent more than once."""
        values = self.headers.get(name)
        return values[0] if values else None


class Heads:
    """Reads heads for one endpoint."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._read = lru_cache(MOST_KEPT)(self._head)

    def of(self, scope: Scope) -> Head:
        """The head of a request."""
        alike = scope.get(ALIKE)
        if alike is None:
            return self._of(scope)
        known: tuple[str | None, Head] | None = alike.get(self)
        client = scope["client"]
        host = client[0] if client else None
        if known is None or known[0] != host:
            known = alike[self] = host, self._of(scope)
        return known[1]

    def _of(self, scope: Scope) -> Head:
        meant = [
            pair for pair in scope["headers"] if pair[0] in MEANINGFUL or pair[0].startswith(_PARAM)
        ]
        client = scope.get("client")
        return self._read(tuple(meant), client[0] if client else None)

    def _head(self, pairs: Pairs, client: str | None) -> Head:
        headers: dict[str, list[str]] = {}
        for name, value in pairs:
            headers.setdefault(name.decode("latin-1"), []).append(value.decode("latin-1"))
        return Head(headers, _proof(headers, client), self._refusal(headers))

    def _refusal(self, headers: dict[str, list[str]]) -> Answer | None:
        if not self._guard.may_reach(headers.get("host", ())):
            return refusal(421, "This Host is not served.")
        if not self._guard.may_originate(headers.get("origin", ())):
            return refusal(403, "This Origin is not allowed.")
        return None


def refusal(status: int, reason: str, message_id: Json = None) -> Answer:
    """The answer to a request that is not taken."""
    return Answer(status, error_response(message_id, INVALID_REQUEST, reason))


def _unfit(content_type: str, accept: str) -> Answer | None:
    if content_type.partition(";")[0].strip().lower() != "application/json":
        return refusal(415, "Content-Type must be application/json.")
    if "*/*" not in accept and "application/json" not in accept:
        return refusal(406, "Accept must list application/json and text/event-stream.")
    return None


def _proof(headers: dict[str, list[str]], client: str | None) -> Proof:
    authorization, api_key = headers.get("authorization"), headers.get("x-api-key")
    is_forwarded = "forwarded" in headers or "x-forwarded-for" in headers
    return Proof(
        authorization=authorization[0] if authorization else None,
        api_key=api_key[0] if api_key else None,
        is_loopback=client is not None and is_loopback(client) and not is_forwarded,
    )
