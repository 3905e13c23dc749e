"""The `mcp:` block of an interceptor: where the server is, and how its interceptors are used."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from callgate.model import Json
from callgate.settings import Settings

Priority = Annotated[int, Field(ge=-(2**31), lt=2**31)]


class McpHookSettings(Settings):
    """Events of one phase, or of both."""

    events: frozenset[str] = Field(min_length=1)
    """Methods of MCP, such as `tools/call`, or `*`."""

    phase: Literal["request", "response", "both"] = "both"
    """When."""


class McpPrioritySettings(Settings):
    """An order that differs by phase."""

    request: Priority = 0
    """On requests."""

    response: Priority = 0
    """On responses."""


class McpOverrideSettings(Settings):
    """How one interceptor of the server is used. What is left out is as the server declares it."""

    enabled: bool = True
    """`false`: it is never invoked."""

    mode: Literal["active", "audit"] | None = None
    """`audit`: what it finds or would change is recorded, and nothing comes of it."""

    fail_open: bool | None = None
    """Whether a call goes on when this interceptor fails or takes too long."""

    priority_hint: Priority | McpPrioritySettings | None = None
    """Its place among those that change payloads: the lowest runs first."""

    timeout_seconds: float | None = Field(default=None, gt=0, le=300)
    """How long it may take, within the time of the whole; where left out, the passes share that
    evenly."""

    hooks: tuple[McpHookSettings, ...] | None = Field(default=None, min_length=1)
    """Only for these, which must be among those that it declares."""

    config: dict[str, Json] = Field(default={}, repr=False)
    """Passed to it with each invocation."""


class McpSettings(Settings):
    """An MCP interceptor server (draft SEP-2624), which agents never see."""

    url: str | None = None
    """Its endpoint, where it speaks streamable HTTP."""

    headers: dict[str, SecretStr] = {}
    """Headers sent with every request to `url`, such as `Authorization: Bearer ${env:TOKEN}`."""

    connect_timeout_seconds: float = Field(default=5.0, gt=0, le=300)
    """How long a connection, with its TLS handshake, may take."""

    command: list[str] | None = Field(default=None, min_length=1)
    """Instead, a program that speaks MCP over stdio: a list, or one string that is split as a shell
    would."""

    env: dict[str, SecretStr] = {}
    """Environment variables of the program beside the inherited few."""

    cwd: Path | None = None
    """Where the program starts. Relative to callgate.yaml, and there where left out."""

    startup_timeout_seconds: float = Field(default=30.0, gt=0, le=600)
    """How long the program may take until it answers for the first time."""

    max_response_bytes: int = Field(default=16 << 20, ge=1024)
    """The largest answer that is taken."""

    interceptors: dict[str, McpOverrideSettings] = {}
    """How the server's interceptors are used, by name. Those that are named must be there: else
    the whole fails."""

    only_named: bool = False
    """Invoke only those that are named under `interceptors`."""

    acts_as: Literal["client", "server"] = "client"
    """Which side of the trust boundary the gateway stands for. `client`: requests are changed
    and then validated, results validated and then changed; `server`: the other way round."""

    payload: Literal["message", "params"] = "message"
    """The payload of a request: `{method, params}`, as the draft says, or the params alone, as
    servers of before have it."""

    show_messages: frozenset[Literal["request", "response"]] = frozenset({"request"})
    """When agents are told what a validator says. On a response it may repeat what is withheld."""

    refresh_seconds: float = Field(default=60.0, gt=0, le=86_400)
    """How long the list of the server's interceptors is believed; less where the server says so,
    announces a change, or broke off."""

    omit: frozenset[Literal["claims"]] = frozenset()
    """What the server is not told: the claims of the principal."""

    @field_validator("command", mode="before", json_schema_input_type=str | list[str])
    @classmethod
    def _split(cls, command: Json) -> Json:
        return shlex.split(command) if isinstance(command, str) else command

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.url is None) is (self.command is None):
            raise ValueError("name either `url` or `command`")
        of_http = self.model_fields_set & {"headers", "connect_timeout_seconds"}
        of_stdio = self.model_fields_set & {"env", "cwd", "startup_timeout_seconds"}
        stray = sorted(of_http if self.url is None else of_stdio)
        if stray:
            raise ValueError(f"`{stray[0]}` goes with `{'url' if self.url is None else 'command'}`")
        return self

    def target(self, timeout_seconds: float) -> dict[str, Json]:
        """The server as it would stand under `targets:`."""
        said: dict[str, Json] = {
            "timeout_seconds": timeout_seconds,
            "max_response_bytes": self.max_response_bytes,
            "may_ask": [],
        }
        if self.url is not None:
            headers = {name: value.get_secret_value() for name, value in self.headers.items()}
            seconds = self.connect_timeout_seconds
            return {**said, "url": self.url, "headers": headers, "connect_timeout_seconds": seconds}
        return {
            **said,
            "command": self.command,
            "env": {name: value.get_secret_value() for name, value in self.env.items()},
            "cwd": self.cwd or Path(),
            "startup_timeout_seconds": self.startup_timeout_seconds,
        }
