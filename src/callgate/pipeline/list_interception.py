"""Lists as interceptors leave them: what they take away or describe, never what they add."""

from __future__ import annotations

from msgspec.structs import force_setattr, replace

from callgate.model import SEPARATOR, Call, Json, Refused
from callgate.pipeline.attaching import LIST, Attachment
from callgate.pipeline.consulting import Told, consult
from callgate.pipeline.gateway import Gateway
from callgate.pipeline.locating import Route
from callgate.pipeline.views import Views
from callgate.pipeline.wishes import Copies, Noting, applied, failed, own_copy, sentence
from callgate.ports import Clock
from callgate.protocol.methods import method_tool
from callgate.scrutiny import Decision, Listed

Items = list[tuple[str, dict[str, Json]]]  # the target of each item, and the item as shown


async def scrutinised_list(
    call: Call, gateway: Gateway, route: Route, items: list[Json]
) -> tuple[Call, list[Json]]:
    """The call that lists, and its items as the interceptors leave them. Raises Refused."""
    tool = method_tool(route.target or "", call.method)
    chosen = gateway.chain.select(LIST, tool)
    if not chosen:
        return call, items
    call = replace(call, tool=tool)
    pairs: Items = [(_target_of(route, item), item) for item in items]
    for attachment in chosen:
        if attachment.is_asked_about(call):
            call, pairs = await ask_about_list(call, attachment, pairs, gateway.clock)
    return call, [item for _, item in pairs]


def _target_of(route: Route, item: dict[str, Json]) -> str:
    """The target of an item that this route shows."""
    if route.target is not None:
        return route.target
    uri = item.get("uri") or item.get("uriTemplate")
    if isinstance(uri, str):
        found = route.split_uri(uri)
        return found[0] if found is not None else ""
    return str(item.get("name")).partition(SEPARATOR)[0]


async def ask_about_list(
    call: Call, attachment: Attachment, items: Items, clock: Clock
) -> tuple[Call, Items]:
    """The call that lists, and the items to show as one interceptor leaves them. Raises Refused."""
    mine = [pair for pair in items if _concerns(attachment, pair)]
    if not mine:
        return call, items
    view = Views(Listed).of(call, attachment)
    force_setattr(view, "items", Copies([item for _, item in mine]).of(attachment))
    force_setattr(view, "targets", tuple(target for target, _ in mine))
    told = await consult(attachment, attachment.interceptor.on_list(view), clock)
    if told.decision is None:
        return (failed(call, attachment, LIST, told) if told.failure else call), items
    shown = items

    def apply(call: Call, attachment: Attachment, told: Told) -> Call:
        nonlocal shown
        decision = told.decision or Decision()
        note = Noting(attachment, LIST, told)
        if decision.withhold is not None or decision.refuse is not None:
            kept_back = decision.withhold if decision.withhold is not None else decision.refuse
            raise Refused("result_withheld", sentence(kept_back), call=note(call, "withheld"))
        if decision.items is None:
            return call
        kept = _checked_items(decision.items, [item for _, item in mine])
        shown = _merged(items, attachment, kept)
        gone = len(mine) - len(kept)
        return note(call, "changed", note=decision.note or f"{gone} not shown")

    call = applied(call, attachment, LIST, told, apply)
    return call, items if attachment.is_observing else shown


def _concerns(attachment: Attachment, pair: tuple[str, dict[str, Json]]) -> bool:
    target, _ = pair
    if attachment.targets is not None:
        return target in attachment.targets
    if attachment.tools is not None:
        return any(tool.startswith(f"{target}{SEPARATOR}") for tool in attachment.tools)
    return True


def _named(item: dict[str, Json]) -> str:
    return str(item.get("uriTemplate") or item.get("uri") or item.get("name"))


def _checked_items(items: Json, before: list[dict[str, Json]]) -> dict[str, dict[str, Json]]:
    """What is kept of a list, by name. An interceptor takes away and describes; it adds nothing."""
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise TypeError("Decision.items must be a list of objects")
    known = {_named(item) for item in before}
    kept = {_named(item): item for item in items}
    if len(kept) < len(items) or not kept.keys() <= known:
        raise ValueError("Decision.items holds an item that was not in the list, or one twice")
    return kept


def _merged(items: Items, attachment: Attachment, kept: dict[str, dict[str, Json]]) -> Items:
    """All items in their order: those of others as they were, its own as it left them."""
    merged: Items = []
    for target, item in items:
        if not _concerns(attachment, (target, item)):
            merged.append((target, item))
        elif _named(item) in kept:
            merged.append((target, own_copy(kept[_named(item)])))
    return merged
