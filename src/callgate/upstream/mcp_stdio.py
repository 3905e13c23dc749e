"""Targets that are programs speaking MCP over stdio, of either era."""

from __future__ import annotations

import asyncio
import os
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator

from callgate.model import NOTHING, Era, Features, Json, Offer, Reply
from callgate.ports import Caller, Clock, Listing, TargetRequest, TargetStatus
from callgate.protocol.outbound import WireError
from callgate.upstream.child import Child, Command, OutputLog
from callgate.upstream.faults import Lost, Unreachable
from callgate.upstream.opening import DiedOfQuestion, Opening
from callgate.upstream.pipes import EVERYBODY, Pipe, PipeRules, Pipes
from callgate.upstream.settings import McpTargetSettings
from callgate.upstream.stdio_link import StdioLink

MAX_CHILDREN = 64  # of one target, where callers have their own


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


def _inherited() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("CALLGATE_")}


class McpStdioConnector:
    """Implements Connector: children that serve all callers, or one caller, or one session."""

    def __init__(
        self,
        name: str,
        settings: StdioTargetSettings,
        clock: Clock,
        log_directory: Path,
        *,
        is_lazy: bool = False,
    ) -> None:
        """`is_lazy`: no child starts before it is used, and there is but one where one client is:
        what is asked in nobody's name goes to the child of that client. For `callgate wrap`."""
        self.name = name
        self._settings = settings
        self._is_lazy = is_lazy
        path = settings.stderr_log or log_directory / f"{name}.stderr.log"
        self._log = OutputLog(path, settings.stderr_max_bytes)
        self._command = Command(
            words=tuple(settings.command),
            environment={**(_inherited() if settings.inherit_env else {}), **settings.env},
            directory=str(settings.cwd) if settings.cwd else None,
        )
        self._pipes = Pipes(
            name,
            self._launch,
            clock.ticks,
            PipeRules(
                most=MAX_CHILDREN, timeout_seconds=settings.timeout_seconds, is_single=is_lazy
            ),
        )

    @property
    def status(self) -> TargetStatus:
        """How it stands, without touching it."""
        pipe = self._pipes.peek()
        era = pipe.keeper.era if pipe is not None else None
        return TargetStatus(
            name=self.name,
            kind="mcp_stdio",
            is_ready=era is not None,
            era=era.value if era else None,
            tools=self._pipes.standing.tools,
            detail=(pipe.keeper.detail if pipe is not None else "") or self._pipes.standing.detail,
        )

    def on_change(self, callback: Callable[[str], None]) -> Callable[[], None]:
        """Has `callback` called with `tools`, `resources` or `prompts` when that list changed.

        Returns what ends that.
        """
        return self._pipes.changes.listen(callback)

    async def start(self) -> None:
        """Starts the child that serves all; others start with their first call."""
        if self._settings.share == "gateway" and not self._is_lazy:
            await self._pipes.begin()

    async def close(self) -> None:
        """Ends all children with their whole trees. Calls still in flight are lost."""
        await self._pipes.close()
        await asyncio.to_thread(self._log.close)

    async def features(self, offer: Offer = NOTHING) -> Features:
        """What it can do for a client with this offer. Raises TargetError."""
        return await self._pipes.features(offer)

    async def list_tools(self, offer: Offer = NOTHING) -> Listing:
        """All pages, as a client with this offer sees them. Raises TargetError."""
        return await self._pipes.list_tools(offer)

    async def call(self, request: TargetRequest, caller: Caller) -> Reply:
        """Makes one request, once. Raises TargetError. Cancelled: the target is told to stop."""
        return await self._pipes.call(request, caller, self._scope(request))

    async def release(self, session_key: str) -> None:
        """Ends what is kept for a session: subscriptions, and its children where it has its own."""
        own = f"session {session_key}" if self._settings.share == "session" else None
        await self._pipes.release(session_key, own)

    async def roots_changed(self, session_key: str) -> None:
        """Tells the children that the session uses."""
        self._pipes.roots_changed(session_key)

    def _scope(self, request: TargetRequest) -> str:
        if self._settings.share == "gateway":
            return EVERYBODY
        if self._settings.share == "principal":
            return f"principal {request.principal_key}"
        return f"session {request.session_key}"

    async def _launch(self, pipe: Pipe, hint: Era | None) -> StdioLink:
        """Starts a child and opens its link. Raises Unreachable; nothing is left behind then."""
        seconds = self._settings.startup_timeout_seconds
        try:
            child = await Child.start(self._command)
        except OSError as error:
            place = f" in {self._command.directory}" if self._command.directory else ""
            raise Unreachable(f"{self._command.words[0]}{place}: {error.strerror}") from None
        link = StdioLink(
            child,
            self._log,
            self._pipes.terms(pipe),
            max_line_bytes=self._settings.max_response_bytes,
        )
        try:
            async with asyncio.timeout(seconds):
                await Opening(link, pipe.subscriptions).run(hint)
        except (TimeoutError, Lost, WireError) as error:
            await link.close()
            if isinstance(error, DiedOfQuestion):
                return await self._launch(pipe, Era.LEGACY)
            what = f"no answer within {seconds:g} s" if isinstance(error, TimeoutError) else error
            raise Unreachable(f"{self._command.words[0]}: {what}; see {self._log.path}") from None
        except BaseException:
            await link.close()
            raise
        return link
