"""Targets that are programs speaking MCP over stdio, of either era."""

from __future__ import annotations

import asyncio
import os
import shlex
from collections.abc import Awaitable, Callable
from itertools import count
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import Field, field_validator

from callgate.model import Era, Json, Reply
from callgate.ports import Caller, Clock, Listing, TargetError, TargetStatus, ToolRequest
from callgate.protocol.outbound import Message, WireError, cut_reply, read_result
from callgate.settings import Settings
from callgate.upstream.child import Child, Command, OutputLog
from callgate.upstream.faults import Faults, Lost, Unreachable, within
from callgate.upstream.keeper import Keeper
from callgate.upstream.session import WORDS, Changes, Notes, Standing, list_pages
from callgate.upstream.sharing import Shared
from callgate.upstream.stdio_link import Asked, StdioLink

MAX_CHILDREN = 64  # of one target, where every principal has its own
EVERYBODY = ""  # the share key of the one child that serves all, or that is only listed

T = TypeVar("T")


class StdioTargetSettings(Settings):
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

    share: Literal["gateway", "principal"] = "gateway"
    """`gateway`: one process serves all callers. `principal`: each caller has a process of its own;
    choose it for programs that keep state between calls."""

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
    """Implements Connector: one child for all callers, or one for each."""

    def __init__(
        self, name: str, settings: StdioTargetSettings, clock: Clock, log_directory: Path
    ) -> None:
        self.name = name
        self._settings = settings
        self._ticks = clock.ticks
        self._faults = Faults(name)
        self._standing = Standing()
        self._changes = Changes()
        self._ids = count(1)
        path = settings.stderr_log or log_directory / f"{name}.stderr.log"
        self._log = OutputLog(path, settings.stderr_max_bytes)
        self._command = Command(
            words=tuple(settings.command),
            environment={**(_inherited() if settings.inherit_env else {}), **settings.env},
            directory=str(settings.cwd) if settings.cwd else None,
        )
        self._keeper: Keeper | None = None  # of the one child that serves all
        self._keepers = Shared(self._keep, Keeper.close, clock.ticks, most=MAX_CHILDREN)

    @property
    def status(self) -> TargetStatus:
        """How it stands, without touching it."""
        keeper = self._keeper or self._keepers.peek(EVERYBODY)
        era = keeper.era if keeper is not None else None
        return TargetStatus(
            name=self.name,
            kind="mcp_stdio",
            is_ready=era is not None,
            era=era.value if era else None,
            tools=self._standing.tools,
            detail=(keeper.detail if keeper is not None else "") or self._standing.detail,
        )

    def on_change(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Has `callback` called whenever the target says that its tools changed.

        Returns what ends that.
        """
        return self._changes.listen(callback)

    async def start(self) -> None:
        """Starts the child that serves all; others start with their first call."""
        if self._settings.share == "gateway":
            await self._keeper_for(EVERYBODY)

    async def close(self) -> None:
        """Ends all children with their whole trees. Calls still in flight are lost."""
        if self._keeper is not None:
            await self._keeper.close()
        await self._keepers.close()
        await asyncio.to_thread(self._log.close)

    async def list_tools(self) -> Listing:
        """All pages. Raises TargetError."""

        async def ask(cursor: str | None) -> dict[str, Json]:
            asked = Asked(next(self._ids))
            return read_result(
                await self._ask(
                    EVERYBODY, asked, lambda era: WORDS.list(asked.request_id, era, cursor)
                )
            )

        seconds = self._settings.timeout_seconds
        listing = await self._within(seconds, Asked(next(self._ids)), list_pages(ask))
        self._standing.tools = len(listing.tools)
        return listing

    async def call_tool(self, request: ToolRequest, caller: Caller) -> Reply:
        """Calls once. Raises TargetError. Cancelled: the target is told to stop."""
        request_id = next(self._ids)
        token = request_id if request.wants_progress else None
        asked = Asked(request_id, Notes(request, caller, token))

        def words(era: Era) -> bytes:
            meta = WORDS.meta(era, request.meta, token)
            return WORDS.call(request_id, request.tool, request.arguments, meta)

        key = EVERYBODY if self._settings.share == "gateway" else request.share_key
        return await self._within(request.timeout_seconds, asked, self._call(key, asked, words))

    async def _call(self, key: str, asked: Asked, words: Callable[[Era], bytes]) -> Reply:
        return cut_reply(await self._ask(key, asked, words))

    async def _ask(self, key: str, asked: Asked, words: Callable[[Era], bytes]) -> Message:
        keeper = await self._keeper_for(key)
        keeper.calls += 1
        try:
            link = await keeper.link()
            assert link.peer is not None  # noqa: S101 - opened before it is handed out
            return await link.ask(asked, words(link.peer.era))
        finally:
            keeper.calls -= 1

    async def _keeper_for(self, key: str) -> Keeper:
        if self._settings.share == "principal":
            return await self._keepers.get(key)
        if self._keeper is None:
            self._keeper = self._new_keeper(is_shared=True)
        return self._keeper

    async def _within(self, seconds: float, asked: Asked, work: Awaitable[T]) -> T:
        try:
            result = await within(seconds, self._faults, asked, work)
        except TargetError as error:
            self._standing.fails(error)
            raise
        self._standing.works()
        return result

    async def _keep(self, _key: str) -> Keeper:
        return self._new_keeper(is_shared=False)

    def _new_keeper(self, *, is_shared: bool) -> Keeper:
        async def launch(hint: Era | None) -> StdioLink:
            return await self._launch(hint, is_shared=is_shared)

        return Keeper(self.name, launch, self._ticks, is_eager=is_shared)

    async def _launch(self, hint: Era | None, *, is_shared: bool) -> StdioLink:
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
            max_line_bytes=self._settings.max_response_bytes,
            is_shared=is_shared,
            next_id=lambda: next(self._ids),
            on_change=self._changes.announce,
        )
        try:
            async with asyncio.timeout(seconds):
                await link.open(hint)
        except (TimeoutError, Lost, WireError) as error:
            await link.close()
            if link.died_of_discover:  # some programs end when the first message is unknown
                return await self._launch(Era.LEGACY, is_shared=is_shared)
            what = f"no answer within {seconds:g} s" if isinstance(error, TimeoutError) else error
            raise Unreachable(f"{self._command.words[0]}: {what}; see {self._log.path}") from None
        except BaseException:
            await link.close()
            raise
        return link
