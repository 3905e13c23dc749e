"""How a target that is a program stands in callgate.yaml."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator

from callgate.model import Json
from callgate.upstream.settings import McpTargetSettings


class StdioTargetSettings(McpTargetSettings):
    """A target that is a program, started by the gateway, speaking MCP over stdin and stdout."""

    command: Annotated[list[str], Field(min_length=1)]
    """The program and its arguments: a list, or one string that is split as a shell would. No shell
    runs it."""

    env: dict[str, str] = Field(default={}, repr=False)
    """Environment variables beside the inherited few (PATH, HOME, LANG and the like). Nothing else
    of the gateway's environment reaches the program."""

    inherit_env: bool = False
    """Passes the gateway's whole environment on, but for `CALLGATE_*`. For `callgate wrap`, whose
    host sets it for the program; elsewhere name what the program needs in `env`."""

    cwd: Path | None = None
    """Where the program starts. Relative to callgate.yaml."""

    share: Literal["gateway", "principal", "session"] = "gateway"
    """`gateway`: one process serves all callers. `principal`: each caller has a process of its own;
    choose it for programs that keep state between calls. `session`: so does each of its sessions;
    choose it for programs that ask their client back (elicitation, sampling, roots) and speak a
    revision before 2026-07-28, where what they ask does not say in which call.
    Whatever is chosen, a program of before 2026-07-28 runs once per set of things that clients let
    it ask: it learns that only once, when it starts."""

    timeout_seconds: Annotated[float, Field(gt=0, le=3600)] = 60.0
    """How long one call may take, from the gateway's side."""

    startup_timeout_seconds: Annotated[float, Field(gt=0, le=600)] = 30.0
    """How long the program may take until it answers for the first time."""

    max_response_bytes: Annotated[int, Field(ge=1024)] = 16 << 20
    """The longest line, and so the largest response, that is taken."""

    stderr_log: Path | None = None
    """Where stderr is kept; the default is `.callgate/logs/<target>.stderr.log`."""

    stderr_max_bytes: Annotated[int, Field(ge=4096)] = 1 << 20
    """The size at which that file is moved to `….1`, replacing the one before."""

    @field_validator("command", mode="before", json_schema_input_type=str | list[str])
    @classmethod
    def _split(cls, command: Json) -> Json:
        if isinstance(command, str):
            return shlex.split(command)  # ValueError: an unclosed quote
        return command

    @field_validator("command")
    @classmethod
    def _check_command(cls, command: list[str]) -> list[str]:
        if not command[0].strip():
            raise ValueError("must begin with a program")
        if any("\0" in word for word in command):
            raise ValueError("must not contain NUL")
        return command

    @field_validator("env")
    @classmethod
    def _check_env(cls, env: dict[str, str]) -> dict[str, str]:
        for name, value in env.items():
            if not name or "=" in name or "\0" in name + value:
                raise ValueError(f"{name[:40]!r} cannot be an environment variable")
        return env
