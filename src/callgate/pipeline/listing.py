"""Lists as this caller may see them: just what could be used, under the names of the route."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import msgspec
from msgspec.structs import replace

from callgate.model import Call, Json, Outcome, Principal, Refused, Reply, Tool, Value
from callgate.pipeline.attaching import REQUEST
from callgate.pipeline.gateway import Gateway
from callgate.pipeline.locating import Route
from callgate.policy.narrowed import narrowed
from callgate.protocol.methods import method_tool
from callgate.protocol.refusals import misanswered

PLAIN, HINTS, NARROW = LISTS = ("plain", "hints", "narrow")  # what tools/list says of arguments
PERMITTED = "callgate/permitted"
MAX_PAGES = 1000
MAX_ITEMS = 10_000
_LONG = 3_600_000  # ms: an empty list of a target that has none makes no list shorter-lived

_decode = msgspec.json.Decoder().decode
_log = logging.getLogger("callgate.calls")

Ask = Callable[[Call], Awaitable[Outcome]]


class Kind(Value):
    """What one list method lists."""

    items: str  # the member of the result that holds them
    uses: str  # the method that uses one
    name: str  # the member of an item that names it
    is_uri: bool = False
    is_exact: bool = True  # the name is all that policy will see of it


KINDS = {
    "resources/list": Kind(items="resources", uses="resources/read", name="uri", is_uri=True),
    "resources/templates/list": Kind(
        items="resourceTemplates",
        uses="resources/read",
        name="uriTemplate",
        is_uri=True,
        is_exact=False,
    ),
    "prompts/list": Kind(items="prompts", uses="prompts/get", name="name"),
}


class Page(Value):
    """What a caller is shown of a list."""

    items: list[Json]
    ttl_ms: int = 0
    cursor: str | None = None
    unavailable: tuple[str, ...] = ()  # targets that could not be asked


async def visible_tools(call: Call, gateway: Gateway, route: Route) -> tuple[list[Json], bool]:
    """The definitions to show, in a stable order, and whether they may change with time alone.

    On the aggregated route tools are named `<target>___<tool>`; on a target's own route they are
    shown exactly as the target defined them.
    """
    principal = call.principal
    assert principal is not None  # noqa: S101 - who lists is known
    shown: list[Json] = []
    varies = False
    offers = {name: gateway.offer(principal, call.client, name) for name in route.names()}
    await asyncio.gather(*(gateway.catalog.ensure(n, offer) for n, offer in offers.items()))
    now, engine = gateway.clock.now(), gateway.engine
    for target, offer in offers.items():
        the_list = method_tool(target, "tools/list")
        varies = varies or engine.varies_with_time(principal, (the_list,))
        if engine.is_forbidden(principal, the_list, now):
            continue
        tools, is_timed = engine.listed(principal, gateway.catalog.tools(target, offer), now)
        varies = varies or is_timed
        for tool in tools:
            definition = tool.definition
            if gateway.lists != PLAIN:
                definition = _told(gateway, principal, tool, now)
            if route.target is None:
                definition = {**definition, "name": tool.qualified_name}
            shown.append(definition)
    return shown, varies


def _told(gateway: Gateway, principal: Principal, tool: Tool, now: float) -> dict[str, Json]:
    """The definition with what policies still permit of the arguments.

    INVARIANT: said only where it is the caller's own arguments that policies will see.
    """
    definition = tool.definition
    if any(not one.is_observing for one in gateway.chain.select(REQUEST, tool)):
        return definition  # an interceptor may change them on the way
    narrowing = gateway.engine.narrowing(principal, tool, now)
    if narrowing is None or (not narrowing.schema and gateway.lists == NARROW):
        return definition
    if gateway.lists == NARROW:
        return {**definition, "inputSchema": narrowed(tool.input_schema, narrowing.schema)}
    permitted = {"schema": narrowing.schema, "exact": narrowing.is_exact}
    meta = definition.get("_meta")
    return {
        **definition,
        "_meta": {**(meta if isinstance(meta, dict) else {}), PERMITTED: permitted},
    }


async def visible_items(call: Call, gateway: Gateway, route: Route, ask: Ask) -> Page:
    """One page of resources, templates or prompts; `ask` makes a call at one target.

    One target's list keeps its pages; of several targets all are put together. Raises Refused
    where the only target cannot be asked.
    """
    kind = KINDS[call.method]
    targets = [name for name in route.names() if _may_use(call, gateway, name, kind)]
    if route.target is not None:
        return await _page(call, gateway, route, ask) if targets else Page(items=[])
    if call.arguments.get("cursor") is not None:
        raise Refused("invalid_arguments", "There is one page only; ask without a cursor.")
    pages = await asyncio.gather(*(_all_pages(call, gateway, name, ask) for name in targets))
    items = [item for page in pages for item in page.items]
    unavailable = tuple(name for page in pages for name in page.unavailable)
    return Page(
        items=items,
        ttl_ms=min((page.ttl_ms for page in pages if not page.unavailable), default=0),
        unavailable=unavailable,
    )


def _may_use(call: Call, gateway: Gateway, target: str, kind: Kind) -> bool:
    assert call.principal is not None  # noqa: S101 - who lists is known
    tool = method_tool(target, kind.uses)
    return gateway.engine.may_permit(call.principal, tool).is_permitted


async def _all_pages(call: Call, gateway: Gateway, target: str, ask: Ask) -> Page:
    """Everything that one of several targets lists. Down or lying: left out, and said so."""
    found: list[Json] = []
    ttl_ms: int | None = None
    cursor: str | None = None
    route = Route(target=None, targets=(target,))
    try:
        if not await has_list(call, gateway, target):
            return Page(items=[], ttl_ms=_LONG)
        for _ in range(MAX_PAGES):
            arguments = {} if cursor is None else {"cursor": cursor}
            page = await _page(
                replace(call, arguments=arguments, route=target), gateway, route, ask
            )
            found += page.items
            ttl_ms = page.ttl_ms if ttl_ms is None else min(ttl_ms, page.ttl_ms)
            cursor = page.cursor
            if cursor is None or len(found) > MAX_ITEMS:
                break
    except Refused as refused:
        _log.warning("target %s: %s failed: %s", target, call.method, refused.detail or refused)
        return Page(items=[], unavailable=(target,))
    return Page(items=found, ttl_ms=ttl_ms or 0)


async def has_list(call: Call, gateway: Gateway, target: str) -> bool:
    """Whether the target says that it has lists of this kind at all. Raises Refused if down."""
    assert call.principal is not None  # noqa: S101 - who lists is known
    features = await gateway.features(call.principal, call.client, target)
    return features.has(call.method.partition("/")[0])


async def _page(call: Call, gateway: Gateway, route: Route, ask: Ask) -> Page:
    """One page of one target, without what the caller could not use."""
    outcome = await ask(call)
    if outcome.refusal_code is not None:
        if outcome.refusal_code == "not_permitted":
            return Page(items=[])  # the list is forbidden: an empty one says so best
        raise Refused(outcome.refusal_code, outcome.reason, detail=outcome.detail)
    reply, tool = outcome.call.reply, outcome.call.tool
    assert reply is not None and tool is not None  # noqa: S101 - it was not refused
    kind = KINDS[call.method]
    body = _read(reply, tool.target, kind)
    shown = []
    for item in body[kind.items]:
        name = item.get(kind.name) if isinstance(item, dict) else None
        if isinstance(name, str) and _is_usable(call, gateway, tool.target, kind, name):
            said = route.shown_uri if kind.is_uri else route.shown_name
            shown.append({**item, kind.name: said(tool.target, name)})
    ttl_ms, cursor = body.get("ttlMs"), body.get("nextCursor")
    return Page(
        items=shown,
        ttl_ms=ttl_ms if isinstance(ttl_ms, int) and ttl_ms >= 0 else 0,
        cursor=cursor if isinstance(cursor, str) else None,
    )


def _read(reply: Reply, target: str, kind: Kind) -> dict[str, Json]:
    reason = misanswered(target)
    try:
        body = _decode(reply.body)
    except (msgspec.DecodeError, RecursionError) as error:
        detail = f"a list result that cannot be read: {error}"
        raise Refused("target_protocol_error", reason, detail=detail) from None
    if reply.is_error:
        detail = f"the error {body.get('code')}: {str(body.get('message'))[:200]}"
        raise TargetSaid(body, detail)
    if isinstance(body.get(kind.items), list):
        return dict(body)
    raise Refused("target_protocol_error", reason, detail="a list result without a list")


class TargetSaid(Refused):
    """The target answered a list with an error of its own; `error` is its JSON-RPC error."""

    def __init__(self, error: dict[str, Json], detail: str) -> None:
        super().__init__("target_protocol_error", "The target turned the list down.", detail=detail)
        self.error = error


def _is_usable(call: Call, gateway: Gateway, target: str, kind: Kind, name: str) -> bool:
    assert call.principal is not None  # noqa: S101 - who lists is known
    tool, engine, now = method_tool(target, kind.uses), gateway.engine, gateway.clock.now()
    if not kind.is_exact:
        return engine.is_listed(call.principal, tool, now)
    if kind.is_uri and not gateway.chain.enrichments:
        return engine.is_usable(call.principal, tool, {"uri": name}, now)
    return engine.could_be_used(call.principal, tool, {kind.name: name}, now)
