"""What the MCP transports share: words, notes, answers, changes, standing, listing by pages."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from callgate.model import Json, Offer, Ran, Refused, Reply
from callgate.ports import Caller, Listing, TargetError, TargetRequest, Unanswerable
from callgate.protocol.eras import META_PROGRESS
from callgate.protocol.jsonrpc import INTERNAL_ERROR, REFUSED, encode, error_response, response
from callgate.protocol.methods import METHODS
from callgate.protocol.outbound import (
    ELICITED,
    LOGGED,
    PROGRESS,
    Message,
    WireError,
    Words,
    answer,
    not_offered,
    read_params,
)
from callgate.version import VERSION

WORDS = Words(VERSION)
MAX_PAGES = 1000
MAX_TOOLS = 10_000


class Changes:
    """Who wants to know when the target says that one of its lists changed."""

    def __init__(self) -> None:
        self._listeners: list[Callable[[str], None]] = []

    def listen(self, callback: Callable[[str], None]) -> Callable[[], None]:
        """Has `callback` called at each change, until the returned function is called."""
        self._listeners.append(callback)
        return lambda: self._listeners.remove(callback) if callback in self._listeners else None

    @property
    def has_listeners(self) -> bool:
        """Whether anybody wants to know."""
        return bool(self._listeners)

    def announce(self, what: str) -> None:
        """Tells all listeners that `tools`, `resources` or `prompts` changed."""
        for callback in tuple(self._listeners):
            callback(what)


class Notes:
    """Passes what a target says during one call on to the agent, under the agent's own token."""

    def __init__(self, request: TargetRequest, caller: Caller, token: int | None) -> None:
        self.request = request
        self.caller = caller
        self._token = token

    async def pass_on(self, message: Message) -> None:
        """Progress of this call, its log messages, that a URL was visited; nothing else."""
        if message.method == PROGRESS:
            params = read_params(message)
            if self._token is not None and params.get(META_PROGRESS) == self._token:
                params[META_PROGRESS] = self.request.progress_token
                await self.caller.notify(PROGRESS, params)
        elif message.method in (LOGGED, ELICITED):
            await self.caller.notify(message.method, read_params(message))


async def answered(message: Message, offer: Offer, caller: Caller | None) -> bytes:
    """The response to a request of the target, which `caller` is asked for.

    What was not offered is not asked: a target that goes beyond what it was told gets an error.
    """
    method = METHODS.get(message.method or "")
    if message.method == "ping":
        return response(message.id, {})
    if caller is None or method is None or not method.is_asked_by_target:
        return not_offered(message)
    if method.capability not in offer.capabilities:
        return not_offered(message)
    try:
        return answer(message, await caller.ask(method.name, read_params(message)))
    except Refused as refused:
        return error_response(message.id, REFUSED, refused.reason)
    except Unanswerable as error:
        return error_response(message.id, INTERNAL_ERROR, str(error))


def failure(code: int, message: str) -> Reply:
    """A JSON-RPC error of ours in the target's place."""
    return Reply(body=encode({"code": code, "message": message}), is_error=True)


class Standing:
    """How a target stands, as its last requests told."""

    def __init__(self) -> None:
        self.is_ready = False
        self.detail = "not connected yet"
        self.tools = 0

    def works(self) -> None:
        """A request was answered."""
        self.is_ready, self.detail = True, ""

    def fails(self, error: TargetError) -> None:
        """A request failed; only where the target was not there, it is not ready."""
        self.detail = f"{error.code}: {error.detail}"
        if error.code in ("target_unavailable", "target_lost"):
            self.is_ready = False


async def list_pages(ask: Callable[[str | None], Awaitable[dict[str, Json]]]) -> Listing:
    """All pages of tools/list, `ask` fetching one. Raises WireError for a list without end."""
    tools: list[dict[str, Json]] = []
    lifetimes: list[float] = []
    cursor: str | None = None
    seen: set[str] = set()
    for _ in range(MAX_PAGES):
        result = await ask(cursor)
        page = result.get("tools")
        if not isinstance(page, list):
            raise WireError("a tools/list result without a list of tools", ran=Ran.NO)
        tools += [tool if isinstance(tool, dict) else {} for tool in page]
        ttl_ms = result.get("ttlMs")
        if isinstance(ttl_ms, int | float) and ttl_ms >= 0:
            lifetimes.append(ttl_ms / 1000)
        cursor = result.get("nextCursor")
        if cursor is None:
            return Listing(tools=tuple(tools), ttl_seconds=min(lifetimes, default=None))
        if not isinstance(cursor, str) or cursor in seen or len(tools) > MAX_TOOLS:
            break
        seen.add(cursor)
    raise WireError(f"a tools/list that does not end ({len(tools)} tools so far)", ran=Ran.NO)
