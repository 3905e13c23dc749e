"""The way to one MCP interceptor server: what it offers, kept for a while, and invocations."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import msgspec
import rfc8785

from callgate.interceptors.mcp_descriptors import (
    MAX_INTERCEPTORS,
    Found,
    McpError,
    read_listing,
)
from callgate.interceptors.mcp_settings import McpSettings
from callgate.model import Json, Offer, Reply, Tool
from callgate.ports import Connector, TargetError, TargetRequest, Unanswerable
from callgate.protocol.jsonrpc import (
    INVALID_PARAMS,
    METHOD_NOT_FOUND,
    Malformed,
    encode,
    parse_json,
)

EXTENSION = "io.modelcontextprotocol/interceptors"
LIST, INVOKE = "interceptors/list", "interceptor/invoke"
TIMED_OUT = -32000  # in older text; in newer the reason of an internal error says it
INLINE_BYTES = 64 << 10  # more than this is read in a thread
MAX_DEPTH = 128
MAX_PAGES = 20  # of the list
GONE = frozenset({"target_unavailable", "target_lost", "target_protocol_error"})


def _offer() -> Offer:
    said: dict[str, Json] = {"extensions": {EXTENSION: {}}}
    return Offer(capabilities=said, digest=hashlib.sha256(rfc8785.dumps(said)).hexdigest())


OFFER = _offer()


class _Nobody:
    """Implements Caller: an interceptor server has no agent to speak to."""

    is_gone = False

    async def notify(self, method: str, params: dict[str, Json]) -> None:
        """Nobody hears it."""

    async def ask(self, method: str, params: dict[str, Json]) -> Reply:
        """Nobody can be asked."""
        raise Unanswerable("An interceptor server cannot ask anybody.")


class _Fault(msgspec.Struct):
    code: int
    message: str
    data: Json = None


class Host:
    """One server. Remembers its list of interceptors, and nothing else between calls."""

    def __init__(
        self, connector: Connector, settings: McpSettings, ticks: Callable[[], float]
    ) -> None:
        self._connector = connector
        self._settings = settings
        self._ticks = ticks
        self._found: tuple[Found, ...] = ()
        self._valid_until = float("-inf")
        self._listing = asyncio.Lock()
        self._is_started = False
        # Its own: what others do in the default threads must not hold up a call.
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="callgate-mcp")
        self._unlisten = connector.on_change(lambda _: self.forget())

    def forget(self) -> None:
        """Has the next call ask again what there is."""
        self._valid_until = float("-inf")

    async def found(self, seconds: float) -> tuple[Found, ...]:
        """The interceptors that may be invoked. Raises McpError, TimeoutError.

        INVARIANT: what is not known now is a failure, and never counts as: there are none.
        """
        if self._ticks() < self._valid_until:
            return self._found
        async with self._listing:
            if self._ticks() >= self._valid_until:
                await self._list(seconds)
            return self._found

    async def _list(self, seconds: float) -> None:
        if not self._is_started:
            await self._connector.start()
            self._is_started = True
        asked_at = self._ticks()
        # Before it is asked, so that a change announced meanwhile is not lost.
        self._valid_until = asked_at + self._settings.refresh_seconds
        try:
            result = await self._pages(seconds)
            version = (await self._connector.features(OFFER)).version
            self._found = read_listing(result, self._settings, version)
        except TargetError as error:
            self.forget()
            raise McpError(error.detail or error.reason) from None
        except BaseException:
            self.forget()
            raise
        ttl_ms = result.get("ttlMs")
        if isinstance(ttl_ms, int | float) and not isinstance(ttl_ms, bool) and ttl_ms >= 0:
            self._valid_until = min(self._valid_until, asked_at + ttl_ms / 1000)

    async def _pages(self, seconds: float) -> dict[str, Json]:
        """The last page of the list, with the interceptors of all of them. Raises McpError.

        INVARIANT: who is on a page that was not read would never be asked.
        """
        listed: list[Json] = []
        params: dict[str, Json] = {}
        for _ in range(MAX_PAGES):
            page = await self._ask(LIST, encode(params), seconds, {})
            some = page.get("interceptors") if isinstance(page, dict) else None
            if not isinstance(page, dict) or not isinstance(some, list):
                raise McpError("what it lists as interceptors is no list")
            listed += some
            cursor = page.get("nextCursor")
            if cursor is None:
                return {**page, "interceptors": listed}
            if not isinstance(cursor, str) or len(listed) > MAX_INTERCEPTORS:
                break
            params = {"cursor": cursor}
        raise McpError(f"its list of interceptors has no end within {MAX_PAGES} pages")

    async def invoke(self, params: bytes, seconds: float, meta: dict[str, Json]) -> Json:
        """The result of one invocation, once. Raises McpError, TimeoutError."""
        return await self._ask(INVOKE, params, seconds, meta)

    async def _ask(self, method: str, params: bytes, seconds: float, meta: dict[str, Json]) -> Json:
        request = TargetRequest(
            call_id="",
            tool=Tool(target="", name=method, definition={}, digest="", method=method),
            params=params,
            meta=meta,
            offer=OFFER,
            timeout_seconds=seconds,
        )
        try:
            reply = await self._connector.call(request, _Nobody())
        except TargetError as error:
            if error.code == "target_timeout":
                raise TimeoutError(f"no answer to {method} within {seconds:.3g} s") from None
            if error.code in GONE:
                self.forget()  # what answers there next may offer others
            raise McpError(f"{method}: {error.detail or error.reason}") from None
        if reply.is_error:
            raise self._refusal(reply, method)
        if reply.kind not in (None, "complete"):
            raise McpError(f"{method} was answered with {reply.kind!r}, which is no result")
        return await self._read(reply.body)

    def _refusal(self, reply: Reply, method: str) -> McpError | TimeoutError:
        fault = msgspec.json.decode(reply.body, type=_Fault)  # the connector has seen that it fits
        if fault.code in (INVALID_PARAMS, METHOD_NOT_FOUND):
            self.forget()  # it may offer others than we think
        reason = fault.data.get("reason") if isinstance(fault.data, dict) else None
        text = f"{method}: the error {fault.code}: {fault.message[:200]}"
        is_timeout = fault.code == TIMED_OUT or reason == "timeout"
        return TimeoutError(text) if is_timeout else McpError(text)

    async def _read(self, body: bytes) -> Json:
        try:
            if len(body) <= INLINE_BYTES:
                return parse_json(body, max_depth=MAX_DEPTH)
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, _parse, body)
        except Malformed as error:
            raise McpError(f"its answer is not JSON to rely on: {error.reason}") from None

    async def close(self) -> None:
        """Ends the connections, and the program where there is one."""
        self._unlisten()
        self._threads.shutdown(wait=False)
        await self._connector.close()


def _parse(body: bytes) -> Json:
    return parse_json(body, max_depth=MAX_DEPTH)
