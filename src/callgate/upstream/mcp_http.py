"""Targets that speak MCP over streamable HTTP, of either era."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from callgate.model import Era, Json, Reply
from callgate.ports import Caller, Clock, Listing, TargetError, TargetStatus, ToolRequest
from callgate.protocol.headers import Path, mirrored
from callgate.protocol.outbound import (
    Headers,
    cut_reply,
    mirrored_headers,
    modern_headers,
    read_result,
)
from callgate.settings import Settings
from callgate.upstream.faults import Faults, within
from callgate.upstream.http_client import HttpClient
from callgate.upstream.http_dialogue import Attempt, HttpDialogue
from callgate.upstream.session import WORDS, Notes, Standing, list_pages
from callgate.upstream.tasks import Tasks

T = TypeVar("T")

RESERVED_HEADERS = frozenset(
    {"host", "content-length", "content-type", "accept", "connection", "transfer-encoding"}
    | {"accept-encoding", "te", "upgrade", "expect", "last-event-id"}
)

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(r"[\x21-\x7e]([\x20-\x7e\t]*[\x21-\x7e])?")


class HttpTargetSettings(Settings):
    """A target that speaks MCP over streamable HTTP."""

    url: str
    """The MCP endpoint, `https://…` or `http://…`. Redirects are never followed."""

    headers: dict[str, str] = Field(default={}, repr=False)
    """Headers sent with every request, such as `Authorization: Bearer ${env:TOKEN}`. A caller's own
    credentials are never sent."""

    timeout_seconds: Annotated[float, Field(gt=0, le=3600)] = 60.0
    """How long one call may take, from the gateway's side."""

    connect_timeout_seconds: Annotated[float, Field(gt=0, le=300)] = 5.0
    """How long a connection, with its TLS handshake, may take."""

    max_response_bytes: Annotated[int, Field(ge=1024)] = 16 << 20
    """The largest response that is taken, notifications included."""

    @field_validator("url")
    @classmethod
    def _check_url(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("must be an http or https URL with a host")
        if not url.isascii() or any(ord(character) <= 0x20 for character in url):
            raise ValueError("must be ASCII without spaces; write hosts in punycode")
        if parts.username is not None or parts.password is not None:
            raise ValueError("must not carry credentials; put them into `headers`")
        if parts.fragment:
            raise ValueError("must not have a fragment")
        _ = parts.port  # raises where it is no port
        return url

    @field_validator("headers")
    @classmethod
    def _check_headers(cls, headers: dict[str, str]) -> dict[str, str]:
        for name, value in headers.items():
            if not _TOKEN.fullmatch(name):
                raise ValueError(f"{name[:40]!r} is not a header name")
            if name.lower() in RESERVED_HEADERS or name.lower().startswith("mcp-"):
                raise ValueError(f"{name} is set by the gateway; remove it")
            if not _VALUE.fullmatch(value):
                raise ValueError(
                    f"the value of {name} must be printable ASCII, without edge spaces"
                )
        return headers


class McpHttpConnector:
    """Implements Connector. Retries nothing but a call turned down with its session lost."""

    def __init__(self, name: str, settings: HttpTargetSettings, clock: Clock) -> None:
        self.name = name
        self._settings = settings
        self._faults = Faults(name)
        self._tasks = Tasks()
        self._client = HttpClient(
            settings.url,
            [
                ("Content-Type", "application/json"),
                ("Accept", "application/json, text/event-stream"),
                ("User-Agent", "callgate"),
                *settings.headers.items(),
            ],
            settings.connect_timeout_seconds,
        )
        self._dialogue = HttpDialogue(
            self._client, self._faults, self._tasks, clock.ticks, settings.max_response_bytes
        )
        self._mirrored: dict[str, dict[Path, str]] = {}
        self._standing = Standing()

    @property
    def status(self) -> TargetStatus:
        """How it stands, without touching it."""
        era = self._dialogue.era
        return TargetStatus(
            name=self.name,
            kind="mcp_http",
            is_ready=self._standing.is_ready,
            era=era.value if era else None,
            tools=self._standing.tools,
            detail=self._standing.detail,
        )

    def on_change(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Has `callback` called whenever the target says that its tools changed.

        Returns what ends that.
        """
        return self._dialogue.changes.listen(callback)

    async def start(self) -> None:
        """Nothing runs in the background; the first request connects."""

    async def close(self) -> None:
        """Ends the sessions. Calls still in flight are lost."""
        await self._dialogue.close()
        self._client.close()
        await self._tasks.close()

    async def list_tools(self) -> Listing:
        """All pages. Raises TargetError."""
        attempt = Attempt(self._dialogue.next_id())

        async def ask(cursor: str | None) -> dict[str, Json]:
            era = attempt.era = await self._dialogue.open()
            attempt.request_id = self._dialogue.next_id()
            body = WORDS.list(attempt.request_id, era, cursor)
            message = await self._dialogue.ask(attempt, modern_headers("tools/list"), body)
            return read_result(message)

        listing = await self._within(self._settings.timeout_seconds, attempt, list_pages(ask))
        self._standing.tools = len(listing.tools)
        self._mirrored = _mirrored_by_tool(listing)
        return listing

    async def call_tool(self, request: ToolRequest, caller: Caller) -> Reply:
        """Calls once. Raises TargetError. Cancelled: the target is told to stop."""
        attempt = Attempt(self._dialogue.next_id(), share_key=request.share_key)
        work = self._call(attempt, request, caller)
        return await self._within(request.timeout_seconds, attempt, work)

    async def _call(self, attempt: Attempt, request: ToolRequest, caller: Caller) -> Reply:
        era = attempt.era = self._dialogue.era or await self._dialogue.open()
        token = attempt.request_id if request.wants_progress else None
        meta = WORDS.meta(era, request.meta, token)
        body = WORDS.call(attempt.request_id, request.tool, request.arguments, meta)
        attempt.notes = Notes(request, caller, token)
        headers: Headers = []
        if era is Era.MODERN:
            headers = modern_headers("tools/call", request.tool)
            paths = self._mirrored.get(request.tool)
            if paths:
                headers += mirrored_headers(paths, request.arguments)
        return cut_reply(await self._dialogue.ask(attempt, headers, body))

    async def _within(self, seconds: float, attempt: Attempt, work: Awaitable[T]) -> T:
        try:
            result = await within(seconds, self._faults, attempt, work)
        except TargetError as error:
            if error.code != "target_timeout":
                self._dialogue.forget_era()  # what answers there next may be another server
            self._standing.fails(error)
            raise
        self._standing.works()
        return result


def _mirrored_by_tool(listing: Listing) -> dict[str, dict[Path, str]]:
    """Which arguments travel as headers too. A tool that breaks the rules is not offered at all."""
    found: dict[str, dict[Path, str]] = {}
    for tool in listing.tools:
        try:
            paths = mirrored(tool.get("inputSchema"))
        except ValueError:
            continue
        name = tool.get("name")
        if paths and isinstance(name, str):
            found[name] = paths
    return found
