"""Targets that speak MCP over streamable HTTP, of either era."""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar
from urllib.parse import urlsplit

from msgspec.structs import replace
from pydantic import Field, field_validator

from callgate.model import NOTHING, Era, Features, Json, Offer, Ran, Reply
from callgate.ports import (
    Caller,
    Clock,
    Connector,
    Listing,
    TargetError,
    TargetRequest,
    TargetStatus,
)
from callgate.protocol.outbound import (
    WireError,
    cut_reply,
    modern_headers,
    read_result,
)
from callgate.upstream.faults import Faults, Patience, within
from callgate.upstream.http_client import HttpClient
from callgate.upstream.http_dialogue import HttpDialogue
from callgate.upstream.http_wire import Attempt, NoHandshake, Wire
from callgate.upstream.onward import AUTHORIZATION, checked_names, passed
from callgate.upstream.session import WORDS, Changes, Standing, list_pages
from callgate.upstream.settings import McpTargetSettings
from callgate.upstream.tasks import Tasks

T = TypeVar("T")

SAID_OTHERWISE = frozenset({"resources/subscribe", "resources/unsubscribe", "logging/setLevel"})
"""Methods of the legacy era that a modern target is told in other words."""

RESERVED_HEADERS = frozenset(
    {"host", "content-length", "content-type", "accept", "connection", "transfer-encoding"}
    | {"accept-encoding", "te", "upgrade", "expect", "last-event-id"}
)

_log = logging.getLogger("callgate.upstream")
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(r"[\x21-\x7e]([\x20-\x7e\t]*[\x21-\x7e])?")


class HttpTargetSettings(McpTargetSettings):
    """A target that speaks MCP over streamable HTTP."""

    url: str
    """The MCP endpoint, `https://…` or `http://…`. Redirects are never followed."""

    headers: dict[str, str] = Field(default={}, repr=False)
    """Headers sent with every request, such as `Authorization: Bearer ${env:TOKEN}`. A caller's own
    credentials are never sent."""

    pass_headers: frozenset[str] = frozenset()
    """Headers that interceptors may have sent with a call, such as `x-tenant`, instead of one of
    that name in `headers`. `authorization` lets them send a caller's own credentials."""

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

    @field_validator("pass_headers")
    @classmethod
    def _check_pass_headers(cls, names: frozenset[str]) -> frozenset[str]:
        return checked_names(names)

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
    """Implements Connector. Retries nothing but a request turned down with its session lost.

    `older` makes the connector for a target that turns the handshake down: it takes over then,
    until it fails.
    """

    def __init__(
        self,
        name: str,
        settings: HttpTargetSettings,
        clock: Clock,
        older: Callable[[], Connector] | None = None,
    ) -> None:
        self.name = name
        self._settings = settings
        self._faults = Faults(name)
        self._tasks = Tasks()
        self._changes = Changes()
        self._client = HttpClient(
            settings.url,
            [
                ("Content-Type", "application/json"),
                ("Accept", "application/json, text/event-stream"),
                ("User-Agent", "callgate"),
                *settings.headers.items(),
            ],
            settings.connect_timeout_seconds,
            settings.pass_headers,
        )
        limit = settings.max_response_bytes
        self._wire = Wire(self._client, self._faults, self._tasks, self._changes, limit)
        self._dialogue = HttpDialogue(self._wire, clock.ticks)
        self._standing = Standing()
        self._make_older = older
        self._older: Connector | None = None
        self._is_older = False  # that one speaks to the target now
        self._is_started = False

    @property
    def status(self) -> TargetStatus:
        """How it stands, without touching it."""
        if self._is_older and self._older is not None:
            return self._older.status
        era = self._dialogue.era
        return TargetStatus(
            name=self.name,
            kind="mcp_http",
            is_ready=self._standing.is_ready,
            era=era.value if era else None,
            tools=self._standing.tools,
            detail=self._standing.detail,
        )

    def on_change(self, callback: Callable[[str], None]) -> Callable[[], None]:
        """Has `callback` called with `tools`, `resources` or `prompts` when that list changed.

        Returns what ends that.
        """
        forget = self._changes.listen(callback)
        self._watch()

        def end() -> None:
            forget()
            self._watch()

        return end

    def _watch(self) -> None:
        if self._is_started:
            self._dialogue.watch(is_wanted=self._changes.has_listeners)

    async def start(self) -> None:
        """Has changes listened for from the first request on, which is what connects."""
        if AUTHORIZATION in self._settings.pass_headers:
            _log.warning(
                "target %s: interceptors may send it `authorization`; one that passes a caller's "
                "token on lets the target act as that caller elsewhere",
                self.name,
            )
        self._is_started = True
        self._watch()

    async def close(self) -> None:
        """Ends the sessions. Calls still in flight are lost."""
        self._is_started = False
        await self._dialogue.close()
        self._client.close()
        await self._tasks.close()
        if self._older is not None:
            await self._older.close()

    async def features(self, offer: Offer = NOTHING) -> Features:
        """What it can do for a client with this offer. Raises TargetError."""

        async def ask() -> Features:
            return await self._dialogue.features(offer)

        attempt = Attempt(self._wire.next_id(), offer=offer)
        seconds = self._settings.timeout_seconds
        return await self._either(
            lambda: self._within(seconds, attempt, ask()), lambda older: older.features(offer)
        )

    async def list_tools(self, offer: Offer = NOTHING) -> Listing:
        """All pages, as a client with this offer sees them. Raises TargetError."""
        return await self._either(
            lambda: self._list_tools(offer), lambda older: older.list_tools(offer)
        )

    async def _list_tools(self, offer: Offer) -> Listing:
        attempt = Attempt(self._wire.next_id(), offer=offer)

        async def ask(cursor: str | None) -> dict[str, Json]:
            era = attempt.era = await self._dialogue.open()
            attempt.request_id = self._wire.next_id()
            body = WORDS.list(attempt.request_id, era, cursor, offer)
            if era is Era.MODERN:
                headers = modern_headers("tools/list")
                return read_result(await self._dialogue.modern.ask(attempt, headers, body))
            return read_result(await self._dialogue.legacy.ask(attempt, body))

        seconds = self._settings.timeout_seconds
        listing = await self._within(seconds, attempt, list_pages(ask))
        self._standing.tools = len(listing.tools)
        return listing

    async def call(self, request: TargetRequest, caller: Caller) -> Reply:
        """Makes one request, once. Raises TargetError. Cancelled: the target is told to stop."""
        if request.headers:
            self._check_headers(request)
        if not self._is_older:
            attempt = Attempt(self._wire.next_id(), request, caller)
            patience = attempt.patience = Patience(request.timeout_seconds)
            try:
                reply = await within(patience, self._faults, attempt, self._call(attempt, request))
            except NoHandshake as error:
                await self._become_older(error)
            except TargetError as error:
                self._failed(error)
                raise
            else:
                self._standing.works()
                return reply
        return await self._ask_older(lambda older: older.call(request, caller))

    def _check_headers(self, request: TargetRequest) -> None:
        """A header that cannot be sent is the fault of who wants it: the target is left alone."""
        try:
            passed(request.headers, self._settings.pass_headers)
        except ValueError as error:
            reason = "An interceptor wants a header sent that cannot be; the tool did not run."
            raise TargetError("interceptor_failed", reason, ran=Ran.NO, detail=str(error)) from None

    def _call(self, attempt: Attempt, request: TargetRequest) -> Awaitable[Reply]:
        era = attempt.era = self._dialogue.known_for(request.era)
        if era is Era.MODERN and request.tool.method not in SAID_OTHERWISE:
            return self._dialogue.modern.call(attempt, request)
        return self._call_in_some_era(attempt, request)

    async def _call_in_some_era(self, attempt: Attempt, request: TargetRequest) -> Reply:
        dialogue = self._dialogue
        era = attempt.era = await dialogue.open_for(request.era)
        if era is Era.LEGACY and dialogue.era is Era.MODERN:
            try:
                return await self._call_in(era, attempt, request)
            except (NoHandshake, TargetError) as error:
                if isinstance(error, TargetError) and attempt.is_sent:
                    raise
                dialogue.speaks_both = False  # no handshake was had, so the call was not made
                era = attempt.era = Era.MODERN
        return await self._call_in(era, attempt, request)

    async def _call_in(self, era: Era, attempt: Attempt, request: TargetRequest) -> Reply:
        method = request.tool.method
        if era is Era.LEGACY:
            meta = WORDS.meta(era, request.meta, attempt.token)
            body = WORDS.request(attempt.request_id, method, request.params, meta)
            return _without_kind(cut_reply(await self._dialogue.legacy.ask(attempt, body)))
        if method in SAID_OTHERWISE:
            return await self._say_otherwise(request)
        return await self._dialogue.modern.call(attempt, request)

    async def _say_otherwise(self, request: TargetRequest) -> Reply:
        """What 2026-07-28 has no method for: the level goes with each request."""
        if request.tool.method == "logging/setLevel":
            return Reply(body=b"{}")
        return await self._dialogue.subscribe(request)

    async def release(self, session_key: str) -> None:
        """Ends what is kept under this key: sessions, subscriptions. Never raises."""
        await self._dialogue.release(session_key)
        if self._older is not None:
            await self._older.release(session_key)

    async def roots_changed(self, session_key: str) -> None:
        """Tells the target in the sessions of this key. Never raises."""
        self._dialogue.legacy.roots_changed(session_key)
        if self._older is not None:
            await self._older.roots_changed(session_key)

    async def _either(
        self, now: Callable[[], Awaitable[T]], then: Callable[[Connector], Awaitable[T]]
    ) -> T:
        if not self._is_older:
            try:
                return await now()
            except NoHandshake as error:
                await self._become_older(error)
        return await self._ask_older(then)

    async def _become_older(self, found: NoHandshake) -> None:
        """Nothing speaks streamable HTTP there, so HTTP+SSE may be spoken. Raises TargetError."""
        self._dialogue.forget_era()
        if self._make_older is None:
            detail = f"{found}: nothing speaks streamable HTTP at this URL"
            error = self._faults.unavailable(detail)
            self._standing.fails(error)
            raise error from None
        if self._older is None:
            self._older = self._make_older()
            self._older.on_change(self._changes.announce)
            await self._older.start()
        self._is_older = True

    async def _ask_older(self, ask: Callable[[Connector], Awaitable[T]]) -> T:
        assert self._older is not None  # noqa: S101 - made before it takes over
        try:
            return await ask(self._older)
        except TargetError as error:
            if error.code in ("target_unavailable", "target_lost"):
                self._is_older = False  # what answers there next may be another server
                self._standing.fails(error)
            raise

    async def _within(self, patience: Patience | float, attempt: Attempt, work: Awaitable[T]) -> T:
        try:
            result = await within(patience, self._faults, attempt, work)
        except TargetError as error:
            self._failed(error)
            raise
        self._standing.works()
        return result

    def _failed(self, error: TargetError) -> None:
        if error.code != "target_timeout":
            self._dialogue.forget_era()  # what answers there next may be another server
        self._standing.fails(error)


def _without_kind(reply: Reply) -> Reply:
    """A legacy target's result: its era has none but complete ones, and does not say so."""
    if reply.kind in (None, "complete"):
        return replace(reply, kind=None) if reply.kind else reply
    raise WireError(f"a result of a later era ({reply.kind})")
