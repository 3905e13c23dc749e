"""Everything the call path needs from outside, as Protocols; adapters implement them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from callgate.audit.questions import CallFilter as CallFilter
from callgate.audit.questions import CursorError as CursorError
from callgate.audit.questions import Page as Page
from callgate.audit.questions import Positions as Positions
from callgate.audit.record import Telling
from callgate.model import (
    NOTHING,
    Call,
    Era,
    Features,
    Json,
    Offer,
    Outcome,
    Principal,
    Proof,
    Ran,
    Reply,
    Tool,
    Value,
)

if TYPE_CHECKING:  # with them comes Cedar: processes that need it not start a third sooner
    from callgate.policy.versions import Version, VersionInfo


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
    """The agent's side of a call in progress, or of its session outside any call."""

    @property
    def is_gone(self) -> bool:
        """Whether the agent hung up: nothing more can be delivered."""

    async def notify(self, method: str, params: dict[str, Json]) -> None:
        """Passes a notification on to the agent, if it still listens. Waits for a slow reader."""

    async def ask(self, method: str, params: dict[str, Json]) -> Reply:
        """Asks the agent's client (elicitation, sampling, roots) and waits for its answer.

        The answer is a result or the client's own JSON-RPC error. Raises Refused where the target
        may not ask this, and Unanswerable where nobody can be asked or no answer came in time.
        """


@runtime_checkable
class Pausing(Protocol):
    """An agent whose connection may rest while its call goes on (2025-11-25, SSE polling)."""

    def pause(self, seconds: float) -> None:
        """Lets the agent go; it comes back for the rest after so long."""


class Unanswerable(Exception):  # noqa: N818 - says what is so
    """The client of a call cannot be asked, or did not answer; the message is for the target."""


class TargetRequest(Value):
    """One request of an agent to make at a target: era-neutral, in the target's own names."""

    call_id: str
    tool: Tool  # what is used; its `method` is the method to send
    params: bytes  # JSON object without `_meta`; sent as these bytes
    era: Era = Era.MODERN  # of the agent: a target that speaks both is spoken to in the same
    item: str | None = None  # what `Mcp-Name` repeats: the tool, URI, prompt or task
    arguments: bytes = b"{}"  # of tools/call, as they stand in `params`: for mirrored headers
    meta: dict[str, Json] = {}  # trace context and vendor keys, to forward
    headers: dict[
        str, str
    ] = {}  # that interceptors want sent; sent where the target's settings let
    wants_progress: bool = False
    progress_token: Json = None  # the caller's own: progress params go back under it
    session_key: str = ""  # what the target keeps (sessions, subscriptions) is kept under this
    principal_key: str = ""  # processes and connections are shared at most within this
    offer: Offer = NOTHING
    log_level: str | None = None
    beyond: Caller | None = None  # who hears what is said under `session_key` outside any call
    timeout_seconds: float = (
        60.0  # of the target's own time: waiting for the client's answers is free
    )


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

    async def features(self, offer: Offer = NOTHING) -> Features:
        """What it can do for a client with this offer. May connect. Raises TargetError."""

    async def list_tools(self, offer: Offer = NOTHING) -> Listing:
        """All pages, as a client with this offer sees them. Raises TargetError."""

    async def call(self, request: TargetRequest, caller: Caller) -> Reply:
        """Makes one request, once, never twice. Raises TargetError.

        What a legacy target asks meanwhile goes to `caller.ask`; a modern one answers with a reply
        of kind `input_required` instead, which is returned. On cancellation tells the target to
        stop. `resources/subscribe` has updates go to `request.beyond` until `release`.
        """

    async def release(self, session_key: str) -> None:
        """Ends what is kept under this key: sessions, subscriptions. Never raises."""

    async def roots_changed(self, session_key: str) -> None:
        """Tells a legacy target, where it keeps something under this key. Never raises."""

    def on_change(self, callback: Callable[[str], None]) -> Callable[[], None]:
        """Has `callback` called with `tools`, `resources` or `prompts` when that list changed.

        Returns what ends that.
        """

    async def close(self) -> None:
        """Ends sessions and processes with their whole tree."""


class Catalog(Protocol):
    """The tools of all targets, as known now."""

    @property
    def version(self) -> str:
        """Changes whenever any tool does."""

    def find(self, target: str, name: str, offer: Offer = NOTHING) -> Tool | None:
        """The tool by the target's own name, as a client with this offer sees it."""

    def tools(self, target: str | None = None, offer: Offer = NOTHING) -> Sequence[Tool]:
        """All, or one target's, in a stable order."""

    def targets(self) -> Sequence[str]:
        """The names of all targets, in the order of the configuration."""

    def has_target(self, target: str) -> bool:
        """Whether the configuration names it."""

    async def ensure(self, target: str | None = None, offer: Offer = NOTHING) -> None:
        """Waits, within a bound, until the target (or every target) has been listed once."""

    def subscribe(self, callback: Callable[[str, str], None]) -> Callable[[], None]:
        """Has `callback(target, what)` called when a target's tools, resources or prompts changed.

        Returns what ends that.
        """

    def validate(self, tool: Tool, arguments: dict[str, Json]) -> str | None:
        """None where the arguments fit the input schema, else a sentence that names the field."""

    def connector(self, target: str) -> Connector:
        """The connector of a target. Raises KeyError."""


class CallStore(Protocol):
    """Where the record is kept. Append-only."""

    async def append(self, entry: Telling) -> None:
        """Returns when the entry is durable. Raises StoreError if it may not have been stored.

        What `told` raises, this raises.
        """

    def append_soon(self, entry: Telling) -> None:
        """Queues the entry; durable with the next group commit. Raises StoreError where it cannot.

        A failure later is not lost: it turns `is_healthy` false and every `append` raises.
        """

    @property
    def is_healthy(self) -> bool:
        """Whether the last write went through."""


class StoreError(Exception):
    """The store could not promise to keep the record."""


class ConflictError(Exception):
    """Somebody else has changed the policies in the store meanwhile; `newest` is their version."""

    def __init__(self, newest: int) -> None:
        super().__init__(f"the newest version is {newest}")
        self.newest = newest


class PolicyVersions(Protocol):
    """Where policies are kept that operators change while the gateway runs, and every version.

    Blocking: called from threads. Everything raises StoreError where the store cannot be used.
    """

    def has_begun(self) -> bool:
        """Whether the store is there; before its gateway ran for the first time it is not."""

    def newest(self) -> Version:
        """The newest version; EMPTY where there is none."""

    def newest_number(self) -> int:
        """Its number, which costs little; 0 where there is none."""

    def get(self, number: int) -> Version | None:
        """One version, EMPTY for 0; None where there is none."""

    def infos(self, limit: int) -> Sequence[VersionInfo]:
        """The newest first."""

    def add(self, made: Version) -> None:
        """Adds the version after its parent, durably. Raises ConflictError where it is not next."""


class RecordScanner(Protocol):
    """The record from one end to the other, resumably. Blocking. Everything raises StoreError."""

    def scan(
        self, after: Positions, chosen: CallFilter | None = None
    ) -> Iterator[tuple[Positions, dict[str, Json]]]:
        """Every entry that is there now, each log in its order, and where to go on after it."""

    def scan_calls(
        self, after: Positions, chosen: CallFilter | None = None
    ) -> Iterator[tuple[Positions, dict[str, Json]]]:
        """Every call that has ended, whole, in the order of the outcomes; positions as `scan`."""

    def heads(self) -> dict[int, int]:
        """Where each log ends now: log → the seq that comes next."""


class RecordReader(RecordScanner, Protocol):
    """Questions about the record. Blocking: called from threads. Everything raises StoreError."""

    def calls(self, chosen: CallFilter) -> Page:
        """Calls, newest first: each once, however many come meanwhile. CursorError."""

    def ended(self, chosen: CallFilter) -> Page:
        """The calls that ended after an earlier page of this, oldest first; `next` is never None.

        Without `after` none: from now on. CursorError.
        """

    def entries(self, call_id: str) -> list[dict[str, Json]]:
        """Everything recorded of one call, oldest first, as `audit.explain` takes it; or nothing.

        Each is its body with its payload, with its place under `record`: {log, seq, hash}.
        """

    def find(self, start: str, limit: int = 10) -> list[str]:
        """The ids of calls that begin so, in order."""

    def events(
        self, names: Collection[str], since: float | None = None, until: float | None = None
    ) -> Iterator[dict[str, Json]]:
        """The events of these names, each log in its order, the logs by time."""

    def defined(self, identifier: str) -> dict[str, Json] | None:
        """What the event with this id defined: `tool:…`, `policies:…`, `principal:…`."""


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
