"""What interceptors see of a call, and what they may decide: the public vocabulary."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping
from typing import Any, Protocol

from callgate.model import Json, Principal, Tool, Value, Verdict


class View(Value):
    """What every view of a call shows."""

    call_id: str
    principal: Principal  # verified
    tool: Tool  # with its schema and annotations; or the method of MCP that is used
    run: str = ""  # what joins the calls of one run: the MCP session, or else the trace id
    headers: Mapping[str, str] = {}  # of the request, lower-case; those that `headers` names
    meta: Mapping[str, Json] = {}  # the caller's `_meta`, without the protocol's own keys
    labels: tuple[str, ...] = ()  # those that interceptors gave so far


class Request(View):
    """Before the call. `arguments` is its own copy: change it freely.

    Also what a target asks of the agent's client: `tool.method` is then `elicitation/create` or
    `sampling/createMessage`.
    """

    arguments: dict[str, Json] = {}
    enriched: Mapping[str, Mapping[str, Json]] = {}  # facts of the interceptors before
    verdict: Verdict | None = None  # of policy, as far as it was asked: later than this, mostly


class Result(View):
    """After the call. `result` is its own copy: change it freely."""

    arguments: dict[str, Json] = {}
    result: dict[str, Json] = {}  # the result, or {"error": {...}} for a JSON-RPC error
    is_error: bool = False
    verdict: Verdict | None = None


class Message(View):
    """A message of the target in the middle of a call: progress, a log message."""

    method: str = ""  # notifications/progress, notifications/message
    params: dict[str, Json] = {}


class Listed(View):
    """A list, as it is about to be shown. `tool.method` says of what: `tools/list`."""

    items: list[dict[str, Json]] = []  # its own copy
    targets: tuple[str, ...] = ()  # of each item


class Decision(Value):
    """What an interceptor wants done. The default is: nothing, go on.

    On a request: `arguments` replaces them all, `refuse` ends the call with that sentence,
    `answer` is a tool result ({"content": [...]}) given instead of calling the target, `enrich`
    adds facts that policy reads as `context.enriched.<interceptor>.<fact>`, `approve` asks for a
    person's approval with that sentence, `headers` go to the target, where its settings let them.
    On a result: `result` replaces it, `withhold` keeps it back with that sentence.
    On a message: `params` replaces them, `withhold` drops it.
    On a list: `items` replaces it; none may be new.
    Anywhere: `labels` mark the call and its result, `note` goes into the record.
    """

    arguments: dict[str, Json] | None = None
    refuse: str | None = None
    answer: dict[str, Json] | None = None
    enrich: dict[str, Json] | None = None
    approve: str | None = None
    headers: dict[str, str] | None = None
    result: dict[str, Json] | None = None
    params: dict[str, Json] | None = None
    items: list[dict[str, Json]] | None = None
    withhold: str | None = None
    labels: tuple[str, ...] = ()
    note: str = ""


Asked = Coroutine[Any, Any, Decision | None]
"""What an `async def` that returns a Decision or None gives."""


class Interceptor(Protocol):
    """Scrutiny around a call. Any exception counts as a failure of the interceptor."""

    is_gentle: bool
    """Whether it never changes what it is shown in place: then it is shown the value itself."""

    def on_request(self, request: Request) -> Asked:
        """Before the target is called; None means go on unchanged."""

    def on_result(self, result: Result) -> Asked:
        """After the target answered, also with an error; None means deliver unchanged."""

    def on_message(self, message: Message) -> Asked:
        """Before a message of the target is passed on in the middle of a call."""

    def on_list(self, listed: Listed) -> Asked:
        """Before a list is shown, holding just what policy lets the caller use."""

    def may_skip(self, body: bytes) -> bool:
        """Whether this JSON text, of arguments or of a result, certainly needs no look.

        False where in doubt. Spares what is common: parsing and copying a text that is clean.
        """

    async def close(self) -> None:
        """Ends connections and processes. Never raises."""


class Passive:
    """Implements Interceptor: looks at everything and wants nothing. A base for those that do."""

    is_gentle = True

    def on_request(self, request: Request) -> Asked:
        """Nothing."""
        return _nothing()

    def on_result(self, result: Result) -> Asked:
        """Nothing."""
        return _nothing()

    def on_message(self, message: Message) -> Asked:
        """Nothing."""
        return _nothing()

    def on_list(self, listed: Listed) -> Asked:
        """Nothing."""
        return _nothing()

    def may_skip(self, body: bytes) -> bool:
        """Never."""
        return False

    async def close(self) -> None:
        """Nothing to end."""


async def _nothing() -> None:
    return None
