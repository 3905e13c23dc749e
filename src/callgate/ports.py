"""Everything the call path needs from outside, as Protocols; adapters implement them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from callgate.audit.record import Entry
from callgate.model import Call, Json, Outcome, Principal, Proof, Ran, Reply, Tool, Value


class Clock(Protocol):
    """Time, so that tests own it."""

    def now(self) -> float:
        """Seconds since the epoch."""

    def ticks(self) -> float:
        """Seconds on a clock that never goes back, for durations."""


class Authenticator(Protocol):
    """Turns a proof into a principal."""

    async def authenticate(self, proof: Proof) -> Principal | None:
        """The principal, or None where this proof is not of this authenticator's kind.

        Raises Refused(`unauthenticated`) where it is of its kind and does not hold, and
        Refused(`identity_unavailable`) where it cannot be checked now (issuer down: refuse).
        """


class Caller(Protocol):
    """The agent's side of a call in progress."""

    @property
    def is_gone(self) -> bool:
        """Whether the agent hung up: nothing more can be delivered."""

    async def notify(self, method: str, params: dict[str, Json]) -> None:
        """Passes a notification of this call (progress) on to the agent, if it still listens."""


class ToolRequest(Value):
    """One tools/call to make: era-neutral, in the target's own names."""

    call_id: str
    tool: str
    arguments: bytes  # JSON object; sent as these bytes
    meta: dict[str, Json] = {}  # trace context and vendor keys, to forward
    wants_progress: bool = False
    progress_token: Json = None  # the caller's own: progress params go back under it
    share_key: str = ""  # upstream sessions are never shared between different keys
    timeout_seconds: float = 60.0


class Listing(Value):
    """The tools of a target, as it defined them, in its own order."""

    tools: tuple[dict[str, Json], ...]
    ttl_seconds: float | None = None  # None: the target did not say


class TargetStatus(Value):
    """Whether a target can be used now."""

    name: str
    kind: str  # mcp_http | mcp_stdio | python
    is_ready: bool
    era: str | None = None
    tools: int = 0
    detail: str = ""  # the last fault, in words; never a secret


class TargetError(Exception):
    """A fault of the target, not ours. `ran` says whether the tool may have executed.

    `code` is a refusal code: target_unavailable (could not be reached), target_timeout,
    target_protocol_error (answered garbage), target_lost (died in the middle).
    """

    def __init__(self, code: str, reason: str, *, ran: Ran, detail: str = "") -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code
        self.reason = reason
        self.ran = ran
        self.detail = detail


class Connector(Protocol):
    """One target. Safe for concurrent use; a fault of one call leaves the others alone."""

    @property
    def name(self) -> str:
        """The target's name in the configuration."""

    @property
    def status(self) -> TargetStatus:
        """How it stands, without touching it."""

    async def start(self) -> None:
        """Begins what runs in the background. Neither waits for the target nor raises."""

    async def list_tools(self) -> Listing:
        """All pages. Connects where needed. Raises TargetError."""

    async def call_tool(self, request: ToolRequest, caller: Caller) -> Reply:
        """Calls once, never twice. Raises TargetError. On cancellation tells the target to stop."""

    async def close(self) -> None:
        """Ends sessions and processes with their whole tree."""


class Catalog(Protocol):
    """The tools of all targets, as known now."""

    @property
    def version(self) -> str:
        """Changes whenever any tool does."""

    def find(self, target: str, name: str) -> Tool | None:
        """The tool by the target's own name."""

    def tools(self, target: str | None = None) -> Sequence[Tool]:
        """All, or one target's, in a stable order."""

    def has_target(self, target: str) -> bool:
        """Whether the configuration names it."""

    async def ensure(self, target: str | None = None) -> None:
        """Waits, within a bound, until the target (or every target) has been listed once."""

    def validate(self, tool: Tool, arguments: dict[str, Json]) -> str | None:
        """None where the arguments fit the input schema, else a sentence that names the field."""

    def connector(self, target: str) -> Connector:
        """The connector of a target. Raises KeyError."""


class CallStore(Protocol):
    """Where the record is kept. Append-only."""

    async def append(self, entry: Entry) -> None:
        """Returns when the entry is durable. Raises StoreError if it may not have been stored."""

    def append_soon(self, entry: Entry) -> None:
        """Queues the entry; durable with the next group commit. Raises StoreError where it cannot.

        A failure later is not lost: it turns `is_healthy` false and every `append` raises.
        """

    @property
    def is_healthy(self) -> bool:
        """Whether the last write went through."""


class StoreError(Exception):
    """The store could not promise to keep the record."""


class CallFilter(Value):
    """Which calls. What is None does not matter."""

    principal: str | None = None
    agent: str | None = None
    target: str | None = None
    tool: str | None = None  # as its target names it, or qualified: `git___log`
    code: str | None = None  # `ok`, or a refusal code
    is_refused: bool = False  # only calls that were refused, whatever the code
    since: float | None = None  # seconds since the epoch: ended (or else begun) then or later
    until: float | None = None  # … and before then
    limit: int = 50


class Decision(Value):
    """What an interceptor wants done. The default is: nothing, go on.

    On a request: `arguments` replaces them all, `refuse` ends the call with that sentence,
    `answer` is a tool result ({"content": [...]}) given instead of calling the target, `enrich`
    adds facts that policy reads as `context.enriched.<interceptor>.<fact>`.
    On a result: `result` replaces it, `withhold` keeps it back with that sentence.
    """

    arguments: dict[str, Json] | None = None
    refuse: str | None = None
    answer: dict[str, Json] | None = None
    enrich: dict[str, Json] | None = None
    result: dict[str, Json] | None = None
    withhold: str | None = None
    note: str = ""  # goes into the record


class Request(Value):
    """What an interceptor sees before the call. `arguments` is its own copy: change it freely."""

    call_id: str
    principal: Principal
    tool: Tool
    arguments: dict[str, Json]
    enriched: Mapping[str, Mapping[str, Json]]
    meta: Mapping[str, Json]


class Result(Value):
    """What an interceptor sees after the call. `result` is its own copy: change it freely."""

    call_id: str
    principal: Principal
    tool: Tool
    arguments: dict[str, Json]
    result: dict[str, Json]  # the tools/call result, or {"error": {...}} for a JSON-RPC error
    is_error: bool


class Interceptor(Protocol):
    """Scrutiny before and after a call. Any exception counts as a failure of the interceptor."""

    async def on_request(self, request: Request) -> Decision | None:
        """Before the target is called; None means go on unchanged."""

    async def on_result(self, result: Result) -> Decision | None:
        """After the target answered, also with an error; None means deliver unchanged."""

    def may_skip(self, body: bytes) -> bool:
        """Whether this JSON text, of arguments or of a result, certainly needs no look.

        False where in doubt. Spares what is common: parsing and copying a text that is clean.
        """


class Span(Protocol):
    """One call being watched: a trace span where tracing is on, nothing where not."""

    @property
    def traceparent(self) -> str | None:
        """What goes upstream as `_meta.traceparent`; None leaves the caller's own."""

    def end(self, outcome: Outcome) -> None:
        """Closes it: counts the call, its stages, its refusal."""


class Telemetry(Protocol):
    """Where the call path reports what it did."""

    def begin(self, call: Call) -> Span:
        """Called once as a call enters; the span's `end` is called exactly once."""
