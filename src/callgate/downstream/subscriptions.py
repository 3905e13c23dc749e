"""subscriptions/listen: one long answer that says what changed (2026-07-28)."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass, field

from msgspec.structs import replace

from callgate.downstream.inbound import LIST_CHANGED, Answer, Desk, Inbound
from callgate.downstream.using import as_object
from callgate.model import Call, Json, Reply
from callgate.pipeline.asking import Outside
from callgate.pipeline.gateway import Gateway
from callgate.pipeline.pipeline import govern
from callgate.ports import Unanswerable
from callgate.protocol.jsonrpc import INVALID_PARAMS, Malformed, response
from callgate.protocol.outbound import ACKNOWLEDGED, CHANGES, SUBSCRIPTION, UPDATED

LISTS = {
    "toolsListChanged": "tools",
    "promptsListChanged": "prompts",
    "resourcesListChanged": "resources",
}
MAX_URIS = 1000
MAX_WAITING = 1000  # notifications that a slow listener has not read; then it is cut off


@dataclass(slots=True, eq=False)
class Listener:
    """Implements Caller: takes what targets say about what is listened to. Never waits for it."""

    targets: frozenset[str] = frozenset()
    lists: frozenset[str] = frozenset()
    is_gone: bool = False
    _waiting: dict[tuple[str, str], tuple[str, dict[str, Json]]] = field(default_factory=dict)
    _has_news: asyncio.Event = field(default_factory=asyncio.Event)

    async def notify(self, method: str, params: dict[str, Json]) -> None:
        """The same news twice, unread, is news once: it says that, not how, something changed."""
        if method == UPDATED or method in CHANGES:  # progress and log messages never travel here
            self._add((method, str(params.get("uri") or "")), method, params)

    def _add(self, key: tuple[str, str], method: str, params: dict[str, Json]) -> None:
        if len(self._waiting) >= MAX_WAITING and key not in self._waiting:
            self.is_gone = True
        else:
            self._waiting[key] = (method, params)
        self._has_news.set()

    def end(self) -> None:
        """What it listens to is no more."""
        self.is_gone = True
        self._has_news.set()

    def follows(self, target: str) -> bool:
        """Whether it is told about this target."""
        return target in self.targets

    def changed(self, target: str, what: str) -> None:
        """One of a target's lists changed."""
        if target not in self.targets or what not in self.lists:
            return
        method = LIST_CHANGED[what]
        self._add((method, ""), method, {})

    async def ask(self, method: str, params: dict[str, Json]) -> Reply:
        """Nobody is asked here: 2026-07-28 has no requests outside of calls."""
        raise Unanswerable("Nobody can be asked outside of a call.")

    async def news(self) -> list[tuple[str, dict[str, Json]]]:
        """Waits for something new."""
        await self._has_news.wait()
        self._has_news.clear()
        found = list(self._waiting.values())
        self._waiting.clear()
        return found


async def listen(desk: Desk, inbound: Inbound) -> Answer:
    """Until the caller hangs up, or the gateway stops and says so."""
    gateway, message = desk.current(), inbound.message
    wanted = message.params.get("notifications")
    if not isinstance(wanted, dict):
        raise Malformed(
            INVALID_PARAMS, "`params.notifications` must be an object.", message_id=message.id
        )
    uris = wanted.get("resourceSubscriptions") or []
    if not isinstance(uris, list) or len(uris) > MAX_URIS:
        reason = f"`resourceSubscriptions` must be a list of at most {MAX_URIS} URIs."
        raise Malformed(INVALID_PARAMS, reason, message_id=message.id)
    lists = frozenset(what for name, what in LISTS.items() if wanted.get(name) is True)
    targets = frozenset(desk.route(inbound).names())
    listener = Listener(targets, lists)
    desk.listeners.add(listener)
    key = f"l:{secrets.token_urlsafe(12)}"
    with desk.on_its_way(inbound):
        try:
            honoured = await _subscribed(desk, inbound, gateway, listener, key, uris)
            said: dict[str, Json] = {name: True for name, what in LISTS.items() if what in lists}
            if honoured:
                said["resourceSubscriptions"] = honoured
            meta = {"_meta": {SUBSCRIPTION: message.id}}
            await inbound.caller.notify(ACKNOWLEDGED, {"notifications": said, **meta})
            await _relay(desk, inbound, listener, meta)
        finally:
            desk.listeners.discard(listener)
            for target in targets:
                # A release never raises; it goes on when this request is cancelled.
                await asyncio.shield(gateway.catalog.connector(target).release(key))
    return Answer(body=response(message.id, {"resultType": "complete", **meta}))


async def _subscribed(
    desk: Desk,
    inbound: Inbound,
    gateway: Gateway,
    listener: Listener,
    key: str,
    uris: list[Json],
) -> list[str]:
    """Subscribes to each URI that policy permits, under a key of this stream's own."""
    honoured: list[str] = []
    outside: Outside | None = None
    for uri in uris:
        if not isinstance(uri, str):
            continue
        call = desk.call(inbound, gateway, uri, {"uri": uri})
        call = replace(call, method="resources/subscribe", client=replace(call.client, key=key))
        if outside is None:
            outside = Outside(listener, _of_nobody(call), desk.current, govern)
        outcome = await govern(call, gateway, inbound.caller, outside)
        reply = outcome.call.reply
        if not outcome.is_refused and reply is not None and not reply.is_error:
            honoured.append(uri)
    return honoured


def _of_nobody(call: Call) -> Call:
    return replace(call, id="", requested_name="", arguments={})


async def _relay(desk: Desk, inbound: Inbound, listener: Listener, meta: dict[str, Json]) -> None:
    while not desk.is_stopping and not listener.is_gone and not inbound.caller.is_gone:
        for method, params in await listener.news():
            own = as_object(params.get("_meta"))
            both = {**own, **meta["_meta"]}
            await inbound.caller.notify(method, {**params, "_meta": both})
