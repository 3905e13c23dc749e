"""The typed tree of callgate.yaml: one block per part, each described by the part itself."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    Discriminator,
    Field,
    PrivateAttr,
    SecretStr,
    StringConstraints,
    Tag,
    ValidationInfo,
    field_validator,
    model_validator,
)

from callgate.authoring.settings import DraftingSettings
from callgate.config.exports import ExportSettings
from callgate.config.witnesses import WitnessesSettings
from callgate.control.settings import ControlListenerSettings
from callgate.identity.chain import IdentitySettings
from callgate.interceptors.settings import InterceptorSettings
from callgate.model import SEPARATOR, Json, Value
from callgate.policy.names import Names
from callgate.protocol.naming import prefix
from callgate.settings import Settings
from callgate.sources.settings import PoliciesSettings as SourcesSettings
from callgate.storage.settings import StoreSettings
from callgate.telemetry.settings import TelemetrySettings
from callgate.upstream.functions import PythonTargetSettings
from callgate.upstream.mcp_http import HttpTargetSettings
from callgate.upstream.stdio_settings import StdioTargetSettings

TARGET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
RESERVED_TARGET_NAMES = Names.GROUPS
# Tags look like no key of anybody's, so that a place in the tree is never taken for one.
TARGET_KEYS = {"url": "<http>", "command": "<stdio>", "python": "<python>"}
MAX_TARGET_NAME_CHARACTERS = 64


class GatewaySettings(Settings):
    """The gateway itself: its name in policies, and what it accepts."""

    name: Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]{1,200}$")] = "main"
    """Id of the resource in policies: `resource == Callgate::Gateway::"main"`."""
    namespace: Annotated[
        str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*(::[A-Za-z_][A-Za-z0-9_]*)*$")
    ] = "Callgate"
    """Namespace of entity types and actions in policies; `AgentCore` takes policies from there."""
    refusals: Literal["tool_result", "json_rpc_error"] = "tool_result"
    """How an agent is told: as a tool result with `isError`, which models read, or as an error."""
    instructions: str | None = None
    """What agents are told about this gateway when they connect."""
    seal_key: Annotated[SecretStr, Field(min_length=32)] | None = None
    """A secret text, by reference, of which the key for what callers carry (ids of tasks, states of
    requests) is made: the same in all replicas. Without it, a file beside the record holds one."""
    max_body_bytes: Annotated[int, Field(ge=1024, le=1 << 30)] = 4 << 20
    """The largest request that is read."""
    max_depth: Annotated[int, Field(ge=4, le=512)] = 64
    """The deepest nesting of JSON that is read."""
    session_idle_seconds: Annotated[float, Field(gt=0)] = 1800.0
    """When an MCP session that nobody uses ends."""
    max_sessions: Annotated[int, Field(ge=1)] = 10_000
    """How many MCP sessions there may be at once."""


class AgentsListenerSettings(Settings):
    """Where agents connect: `/mcp`, and `/mcp/<target>`."""

    host: str = "127.0.0.1"
    """Address to listen on; `0.0.0.0` for every interface."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    """Port to listen on; 0 for a free one."""
    allowed_hosts: tuple[str, ...] = ()
    """Names that agents may use for this gateway, against DNS rebinding."""
    allowed_origins: tuple[str, ...] = ()
    """Web origins whose pages may connect, such as `https://app.example.com`."""
    public_url: Annotated[str, StringConstraints(pattern=r"^https?://[^/?#\s\"]+$")] | None = None
    """Where agents reach this gateway, without a path, such as `https://tools.example.com`. Said in
    its OAuth metadata; without it, the Host that the caller named."""
    tls_certificate: Path | None = None
    """PEM file with the certificate chain."""
    tls_key: Path | None = None
    """PEM file with the private key of the certificate."""

    @model_validator(mode="after")
    def _both_or_neither(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("needs `tls_certificate` and `tls_key`, or neither")
        return self


class ListenersSettings(Settings):
    """Where the gateway listens."""

    agents: AgentsListenerSettings = AgentsListenerSettings()
    """For agents."""
    control: ControlListenerSettings = ControlListenerSettings()
    """For operators."""


class PoliciesSettings(SourcesSettings):
    """Which Cedar policies decide. Without any, every call is refused.

    Files, git and the store may stand beside each other: what they hold is one set, in which each
    id is there once.
    """

    drafting: DraftingSettings | None = None
    """The language model that `callgate policy draft` uses."""


def _target_name(name: str) -> str:
    if not TARGET_NAME.fullmatch(name) or len(name) > MAX_TARGET_NAME_CHARACTERS:
        raise ValueError(
            "a target's name begins with a letter or digit, goes on with letters, digits, `-`, `_` "
            f"and `.`, and has at most {MAX_TARGET_NAME_CHARACTERS} characters"
        )
    if SEPARATOR in name or name.endswith("_"):
        # INVARIANT: `<target>___<tool>` reads in one way only.
        raise ValueError(f"a target's name must not contain {SEPARATOR} or end with `_`")
    if name in RESERVED_TARGET_NAMES:
        raise ValueError("this name stands for all tools in policies; choose another")
    return name


def _kind_of_target(value: Json) -> str | None:
    if isinstance(value, dict):
        kinds = [kind for key, kind in TARGET_KEYS.items() if key in value]
        return kinds[0] if len(kinds) == 1 else None
    return next(
        (kind for key, kind in TARGET_KEYS.items() if getattr(value, key, None) is not None), None
    )


TargetName = Annotated[str, AfterValidator(_target_name)]
TargetSettings = Annotated[
    Annotated[HttpTargetSettings, Tag("<http>")]
    | Annotated[StdioTargetSettings, Tag("<stdio>")]
    | Annotated[PythonTargetSettings, Tag("<python>")],
    Discriminator(
        _kind_of_target,
        custom_error_type="target_kind",
        custom_error_message="must have exactly one of `url`, `command` and `python`",
    ),
]


class Origin(Value):
    """Where a configuration came from, beside its values."""

    file: Path
    digest: str  # sha256 of the file, hex
    policy_files: tuple[Path, ...]
    depends_on: frozenset[Path]
    warnings: tuple[str, ...]
    shown: dict[str, Any]


class Config(Settings):
    """Everything in callgate.yaml. Paths in it are absolute, references in it are replaced."""

    gateway: GatewaySettings = GatewaySettings()
    listeners: ListenersSettings = ListenersSettings()
    identity: IdentitySettings = IdentitySettings()
    targets: dict[TargetName, TargetSettings] = {}
    """What agents may reach through this gateway, by name."""
    policies: PoliciesSettings = PoliciesSettings()
    interceptors: tuple[InterceptorSettings, ...] = ()
    """Scrutiny before and after a call, in running order."""
    store: StoreSettings = StoreSettings()
    witnesses: WitnessesSettings = WitnessesSettings()
    exports: Annotated[tuple[ExportSettings, ...], Field(max_length=32)] = ()
    """Where the record goes besides: continuously, each record once or more."""
    telemetry: TelemetrySettings = TelemetrySettings()

    _origin: Origin = PrivateAttr()

    @field_validator("targets")
    @classmethod
    def _uris_tell_targets_apart(
        cls, targets: dict[TargetName, TargetSettings]
    ) -> dict[TargetName, TargetSettings]:
        known: dict[str, str] = {}
        for name in targets:
            other = known.setdefault(prefix(name), name)
            if other != name:
                raise ValueError(
                    f"{other} and {name} cannot be told apart in the URIs of resources, where "
                    "letters are small and `_` is `..`; rename one"
                )
        return targets

    @field_validator("interceptors")
    @classmethod
    def _names_fit_together(
        cls, interceptors: tuple[InterceptorSettings, ...], info: ValidationInfo
    ) -> tuple[InterceptorSettings, ...]:
        names = [interceptor.name for interceptor in interceptors]
        for interceptor in interceptors:
            if names.count(interceptor.name) > 1:
                raise ValueError(f"two have the name {interceptor.name}; rename one")
            if "targets" not in info.data:
                continue  # they are wrong themselves, and that is said there
            wanted = set(interceptor.targets or ())
            wanted |= {tool.partition(SEPARATOR)[0] for tool in interceptor.tools or ()}
            for target in sorted(wanted - info.data["targets"].keys()):
                raise ValueError(f"{interceptor.name} is for {target}, which is not a target")
        return interceptors

    @field_validator("exports")
    @classmethod
    def _exports_differ(cls, exports: tuple[ExportSettings, ...]) -> tuple[ExportSettings, ...]:
        WitnessesSettings.differ([export.name for export in exports])
        return exports

    @field_validator("store")
    @classmethod
    def _names_targets(cls, store: StoreSettings, info: ValidationInfo) -> StoreSettings:
        for target in sorted(set(store.results_except) - info.data.get("targets", {}).keys()):
            if "targets" in info.data:
                raise ValueError(f"`results_except` has {target}, which is not a target")
        return store

    @property
    def file(self) -> Path:
        """The configuration file, absolute."""
        return self._origin.file

    @property
    def directory(self) -> Path:
        """Where relative paths start: the directory of the configuration file."""
        return self._origin.file.parent

    @property
    def digest(self) -> str:
        """SHA-256 of the configuration file, in hex: which configuration was in force."""
        return self._origin.digest

    @property
    def policy_files(self) -> tuple[Path, ...]:
        """The policy files that were there when the configuration was read, sorted."""
        return self._origin.policy_files

    @property
    def depends_on(self) -> frozenset[Path]:
        """Files to watch for a reload, and directories where a new policy file would count."""
        return self._origin.depends_on

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is allowed but probably not meant; for the start-up log."""
        return self._origin.warnings

    @property
    def shown(self) -> dict[str, Any]:
        """All settings with their defaults, as JSON values, references in place of their values."""
        return self._origin.shown
