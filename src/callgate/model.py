"""The vocabulary all modules speak: calls, principals, tools, verdicts, refusals, outcomes."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, dataclass_transform

import msgspec

Json = Any
"""A parsed JSON value: dict with str keys, list, str, int, float, bool or None."""


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(msgspec.field,))
class _ValueType(msgspec.StructMeta):
    """Makes every Value frozen and keyword-only without saying so each time."""

    def __new__(
        cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **options: Any
    ) -> _ValueType:
        settings = {"frozen": True, "kw_only": True, **options}
        return super().__new__(cls, name, bases, namespace, **settings)


class Value(msgspec.Struct, metaclass=_ValueType):
    """An immutable value; a changed copy is made with `msgspec.structs.replace`."""


class Era(StrEnum):
    """Which of MCP's two wire eras a peer speaks."""

    LEGACY = "legacy"  # up to 2025-11-25: initialize handshake, sessions
    MODERN = "modern"  # 2026-07-28: stateless, self-describing requests


class Ran(StrEnum):
    """Whether the target executed the tool, as far as the gateway can know."""

    NO = "no"
    YES = "yes"
    UNKNOWN = "unknown"  # sent, but the answer never came


class Proof(Value):
    """What a caller presented to prove who it is. Never recorded, never forwarded."""

    authorization: str | None = None
    api_key: str | None = None
    is_loopback: bool = False


class Principal(Value):
    """Who calls: a verified user, and the agent that acts for it.

    `claims` are the verified facts as JSON values; `groups` and `tenant` were read out of them.
    """

    id: str
    issuer: str
    kind: str  # jwt | api_key | anonymous
    claims: dict[str, Json] = {}
    groups: tuple[str, ...] = ()
    tenant: str | None = None
    agent: str | None = None
    key: str = ""  # one string per principal and agent: what state may be shared under

    def __post_init__(self) -> None:
        """The key is always made here, of the rest."""
        parts = (self.kind, self.issuer, self.tenant or "", self.id, self.agent or "")
        msgspec.structs.force_setattr(self, "key", "\x1f".join(parts))


def read_claim(claims: dict[str, Json], name: str) -> Json:
    """The claim of exactly this name; else the one that its dots lead to (`realm_access.roles`)."""
    if name in claims:
        return claims[name]
    value: Json = claims
    for step in name.split("."):
        if not isinstance(value, dict) or step not in value:
            return None
        value = value[step]
    return value


CALL_TOOL = "tools/call"


class Tool(Value):
    """What can be used at a target: a tool exactly as it defined it, or a method of MCP.

    A method other than tools/call stands here under its own name (`resources/read`), with the
    schema of its params, so that everything that holds for tools holds for it.
    """

    target: str
    name: str
    definition: dict[str, Json]
    digest: str  # hex sha256 of the definition in canonical JSON (RFC 8785)
    mirrored: dict[tuple[str, ...], str] = {}  # argument path → `x-mcp-header` token
    method: str = CALL_TOOL

    @property
    def qualified_name(self) -> str:
        """`<target>___<tool>`: the name on the aggregated route, and the Cedar action id."""
        return qualify(self.target, self.name)

    @property
    def input_schema(self) -> dict[str, Json]:
        """The JSON Schema of the arguments; the empty object schema where the target sent none."""
        schema = self.definition.get("inputSchema")
        return schema if isinstance(schema, dict) else {"type": "object"}


SEPARATOR = "___"


def qualify(target: str, name: str) -> str:
    """`<target>___<tool>`. Reads in one way only: the configuration refuses target names that
    contain the separator or end with `_`.
    """
    return f"{target}{SEPARATOR}{name}"


def split_name(route: str | None, requested: str) -> tuple[str, str] | None:
    """(target, tool) of the name that a caller used on a route; None where it names no target."""
    if route is not None:
        return route, requested
    target, separator, name = requested.partition(SEPARATOR)
    return (target, name) if separator else None


class Client(Value):
    """The software that speaks for the agent, and what it lets targets ask of it."""

    key: str = ""  # what targets keep for it is never shared with another key
    info: dict[str, Json] = {}  # clientInfo: for display only
    capabilities: dict[str, Json] = {}  # ClientCapabilities, as it declared them
    log_level: str | None = None  # the least severe messages it wants; None: none (modern)


class Offer(Value):
    """What one target may ask of one client: never more than the client declared.

    Equal offers are one object per process; `digest` tells them apart, `""` where nothing is
    offered.
    """

    capabilities: dict[str, Json] = {}
    digest: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether the target may ask for nothing."""
        return not self.digest


NOTHING = Offer()


class Features(Value):
    """What a target said that it is and can do."""

    era: Era | None = None  # None: no MCP behind it
    version: str = ""
    capabilities: dict[str, Json] = {}  # ServerCapabilities
    instructions: str | None = None

    def has(self, capability: str, option: str | None = None) -> bool:
        """Whether it declared a capability (`resources`), and an option of it (`subscribe`)."""
        found = self.capabilities.get(capability)
        if option is None or not isinstance(found, dict):
            return found is not None and option is None
        return bool(found.get(option))


class FollowUp(Value):
    """What a modern client sends along when it repeats a call that needed input (SEP-2322)."""

    responses: dict[str, Json] | None = None  # inputResponses: key → result
    state: str | None = None  # requestState


class Flip(Value):
    """A shadow policy that would have turned a verdict round, beside all active policies."""

    policy: str
    would: str  # permit | refuse
    reason: str = ""  # for operators


class Verdict(Value):
    """What policy said, and which policies said it."""

    is_permitted: bool
    policies: tuple[str, ...] = ()  # ids of the determining policies
    places: tuple[str, ...] = ()  # `file:line` of each of them
    errors: tuple[str, ...] = ()  # evaluation errors: any of them refuses
    reason: str = ""  # for operators
    advice: str | None = None  # @reason and @advice of the determining forbids, if they have any
    version: str = ""  # version of the policy set
    flips: tuple[Flip, ...] = ()
    is_enforced: bool = True  # False: the gateway only observes, and refuses nothing

    @property
    def lets_through(self) -> bool:
        """Whether the call goes on."""
        return self.is_permitted or not self.is_enforced


class Change(Value):
    """What one interceptor did to a call or its result."""

    interceptor: str
    phase: str  # request | result | message | list
    action: str  # changed refused answered enriched labelled held withheld noted failed
    paths: tuple[str, ...] = ()  # JSON pointers of what it touched
    patch: tuple[dict[str, Json], ...] = ()  # what it changed there: `audit/patch.py`
    labels: tuple[str, ...] = ()
    mode: str = "enforce"  # observe: this is what it would have done
    note: str = ""
    duration_seconds: float = 0.0


class Reply(Value):
    """What a target answered: the raw JSON of the result, or of the JSON-RPC error object.

    Kept as the target's own bytes, so that nothing is lost; parsed only when somebody must look.
    """

    body: bytes
    is_error: bool = False  # a JSON-RPC error object rather than a result
    kind: str | None = (
        None  # `resultType` where the target said one: complete, input_required, task
    )


class Call(Value):
    """One use of a target on its way through the stages. Each stage returns a changed copy.

    Mostly a tool call; also every other request of an agent that reaches a target, and every
    request of a target that reaches the agent's client (`asked_in` says during which call).
    """

    id: str
    received_at: float  # seconds since the epoch
    era: Era
    protocol_version: str
    proof: Proof
    requested_name: str  # as the caller wrote it: a tool, a URI, a prompt; else the method
    method: str = CALL_TOOL
    route: str | None = None  # None: the aggregated endpoint; else the one target
    session_id: str | None = None
    arguments: dict[str, Json] = {}  # of tools/call; of another method its params, without _meta
    given: dict[str, Json] | None = None  # the arguments before interceptors changed them
    follow_up: FollowUp | None = None
    asked_in: str | None = None  # the id of the call during which the target asks for this
    meta: dict[str, Json] = {}  # the caller's _meta, era's own keys removed
    sent_traceparent: str | None = None  # the caller's own, where `meta` has one of ours instead
    progress_token: Json = None
    client: Client = Client()

    principal: Principal | None = None
    run: str | None = None  # what joins it with other calls: `sessions/runs.py`
    tool: Tool | None = None
    headers: dict[str, str] = {}  # of the request: those that interceptors may see
    onward: dict[str, str] = {}  # headers that interceptors want sent to the target
    labels: tuple[str, ...] = ()  # given by interceptors, in the order of their giving
    enriched: dict[str, dict[str, Json]] = {}  # interceptor name → facts for policy
    changes: tuple[Change, ...] = ()
    sealed: bytes | None = None  # the arguments as authorized: exactly the bytes to forward
    sealed_digest: str | None = None  # sha256 of `sealed`, hex
    verdict: Verdict | None = None
    decided_at: float | None = None  # the time as policy saw it, in the full decision
    account: dict[str, Json] | None = None  # why it was refused, as `policy/account.py` tells it
    is_answered: bool = False  # an interceptor answered instead of the target
    reply: Reply | None = None
    ran: Ran = Ran.NO


class Refused(Exception):  # noqa: N818 - a decision, not an error (house rule)
    """A decision: this call does not go on, or its result does not go back.

    `code` is stable snake_case and documented in docs/refusals.md; `reason` is one plain sentence
    that the agent may read; `detail` is for operators and goes into the record only. `call` is the
    call as far as the refusing stage got with it.
    """

    def __init__(
        self,
        code: str,
        reason: str,
        *,
        detail: str = "",
        call: Call | None = None,
        data: dict[str, Json] | None = None,
    ) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code
        self.reason = reason
        self.detail = detail
        self.call = call
        self.data = data or {}


class Outcome(Value):
    """How a call ended: what goes back to the caller, and what the record will say."""

    call: Call
    timings: dict[str, float] = {}  # stage → seconds, in running order
    refusal_code: str | None = None
    reason: str = ""
    detail: str = ""
    data: dict[str, Json] = {}
    is_delivered: bool = False

    @property
    def is_refused(self) -> bool:
        """Whether the call was refused, before or after the tool ran."""
        return self.refusal_code is not None
