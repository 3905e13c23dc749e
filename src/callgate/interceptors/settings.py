"""How an interceptor stands in callgate.yaml: its kind, its place, what happens when it fails."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from callgate.interceptors.enrich import EnrichSettings
from callgate.interceptors.exfiltration import ExfiltrationSettings
from callgate.interceptors.grpc_settings import GrpcSettings
from callgate.interceptors.guard_path import GuardPathSettings
from callgate.interceptors.guard_shell import GuardShellSettings
from callgate.interceptors.guard_sql import GuardSqlSettings
from callgate.interceptors.guard_url import GuardUrlSettings
from callgate.interceptors.injection import InjectionSettings
from callgate.interceptors.kinds import KINDS
from callgate.interceptors.lambda_settings import LambdaSettings, with_short_form
from callgate.interceptors.mcp_settings import McpSettings
from callgate.interceptors.redact import RedactSettings
from callgate.interceptors.schema import SchemaSettings
from callgate.interceptors.size import SizeSettings
from callgate.interceptors.webhook import WebhookSettings
from callgate.protocol.methods import METHODS
from callgate.settings import Settings

FactType = Literal["string", "integer", "boolean", "decimal", "strings", "datetime", "ip"]
NEEDED_POINTS = {
    "exfiltration": frozenset({"request", "result"}),
    "injection": frozenset({"result"}),
    "enrich": frozenset({"request"}),
}
"""Kind → what it must see; it may see more."""

HeaderName = Annotated[str, StringConstraints(to_lower=True, pattern=r"^[A-Za-z0-9-]+$")]


class InterceptorSettings(Settings):
    """One interceptor. Interceptors run in the order in which they are declared."""

    name: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")
    """Unique; policies see its facts as `context.enriched.<name>`."""

    python: str | None = Field(default=None, pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")
    """A Python function, `module:function`; modules beside callgate.yaml are found."""

    redact: RedactSettings | None = None
    """The built-in redactor."""

    # A keyword of Python, so that it cannot be declared as the others are.
    __annotations__["lambda"] = LambdaSettings | None
    locals()["lambda"] = Field(
        default=None,
        description="A Lambda-style handler: `file.py:function`, or a block that says more.",
        json_schema_extra=with_short_form,
    )

    webhook: WebhookSettings | None = None
    """A server that is asked over HTTP."""

    grpc: GrpcSettings | None = None
    """A server that is asked over gRPC."""

    mcp: McpSettings | None = None
    """An MCP interceptor server (draft SEP-2624)."""

    guard_sql: GuardSqlSettings | None = None
    """Holds fields to SQL that may be used."""

    guard_shell: GuardShellSettings | None = None
    """Holds fields to command lines, or single arguments, that may be used."""

    guard_path: GuardPathSettings | None = None
    """Holds fields to paths under given directories."""

    guard_url: GuardUrlSettings | None = None
    """Holds fields to URLs that may be used, on the public Internet (SSRF)."""

    size: SizeSettings | None = None
    """Bounds arguments and results."""

    schema_: SchemaSettings | None = Field(default=None, alias="schema")
    """Holds arguments and results to what the schemas of their tool declare."""

    exfiltration: ExfiltrationSettings | None = None
    """Keeps what came back in a run from leaving in arguments."""

    injection: InjectionSettings | None = None
    """Screens what comes back for instructions."""

    enrich: EnrichSettings | None = None
    """Adds facts for policy: of claims, tables, hours and other systems."""

    on: frozenset[Literal["request", "result", "error", "message", "list"]] = frozenset({"request"})
    """What it sees: requests, results (errors among them), only errors, messages in the middle of
    a call, lists."""

    targets: frozenset[str] | None = None
    """Only calls of these targets; all where left out."""

    tools: frozenset[str] | None = None
    """Only these tools, as `<target>___<tool>`; all where left out."""

    methods: frozenset[str] | None = None
    """Only these methods of MCP, such as `tools/call`, `elicitation/create`; all where left out."""

    when: Annotated[str, StringConstraints(min_length=1, max_length=10_000)] | None = None
    """Only where this Cedar condition holds: `principal in Callgate::Group::"contractors"`. Where
    that cannot be said of a call, it is asked."""

    mode: Literal["enforce", "observe"] = "enforce"
    """`observe`: it is asked, and what it wants is recorded and not done."""

    timeout_seconds: float = Field(default=5.0, gt=0, le=300)
    """How long it may take, the wait for a place included."""

    max_concurrent: int = Field(default=64, ge=1, le=10_000)
    """How many calls it looks at at once; others wait for a place."""

    breaker_failures: int = Field(default=5, ge=0, le=1000)
    """After so many failures in a row it is not asked for a while, which counts as a failure each
    time; 0: it always is."""

    breaker_seconds: float = Field(default=30.0, gt=0, le=3600)
    """How long it is left alone then, before one call tries it again."""

    on_failure: Literal["refuse", "allow"] = "refuse"
    """When it fails or takes too long: refuse the call (or withhold the result), or go on."""

    headers: frozenset[HeaderName] = frozenset()
    """Headers of the request that it may see. `authorization` only where it is named here."""

    enriches: dict[str, FactType] = {}
    """The facts that it may add for policy, and their types."""

    @property
    def kind(self) -> str:
        """The key of its kind."""
        return next(key for key in KINDS if self._of(key) is not None)

    @property
    def of_kind(self) -> Any:
        """The settings of its kind."""
        return self._of(self.kind)

    def _of(self, key: str) -> Any:
        return getattr(self, "schema_" if key == "schema" else key)  # the base has a `schema`

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if sum(self._of(key) is not None for key in KINDS) != 1:
            raise ValueError(f"name exactly one kind: {', '.join(f'`{key}`' for key in KINDS)}")
        unknown = sorted((self.methods or frozenset()) - METHODS.keys())
        if unknown:
            raise ValueError(f"`methods`: {unknown[0]} is no method of MCP that reaches a target")
        problem = self.enrich and self.enrich.problem(self.enriches, self.headers)
        if problem:
            raise ValueError(problem)
        missing = sorted(NEEDED_POINTS.get(self.kind, frozenset()) - self.on)
        if missing:
            raise ValueError(f"`on`: {self.kind} must see {missing[0]}s, too, else it does nothing")
        return self
