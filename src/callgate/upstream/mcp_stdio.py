"""Targets that are programs speaking MCP over stdio, of either era."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

from callgate.model import NOTHING, Era, Features, Offer, Reply
from callgate.ports import Caller, Clock, Listing, TargetRequest, TargetStatus
from callgate.protocol.outbound import WireError
from callgate.upstream.child import Child, Command, OutputLog
from callgate.upstream.faults import Lost, Unreachable
from callgate.upstream.opening import DiedOfQuestion, Opening
from callgate.upstream.pipes import EVERYBODY, Pipe, PipeRules, Pipes
from callgate.upstream.stdio_link import StdioLink
from callgate.upstream.stdio_settings import StdioTargetSettings

MAX_CHILDREN = 64  # of one target, where callers have their own


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
