"""The tools of all targets as each client sees them: listed, digested, checked, kept fresh."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from callgate.model import NOTHING, Json, Offer, Tool
from callgate.ports import Clock, Connector, TargetError
from callgate.protocol.definitions import Unusable, read_tool
from callgate.protocol.jsonrpc import encode
from callgate.protocol.validators import Validators, compile_schema
from callgate.upstream.tasks import Tasks

REFRESH_SECONDS = 300.0
RETRY_SECONDS = (1.0, 2.0, 5.0, 15.0, 30.0)
SHORTEST_SECONDS = 10.0  # however short the lifetime that a target gives its list
PAUSE_SECONDS = 1.0  # between two listings of one target, however often it announces changes
WAIT_SECONDS = 10.0
IDLE_SECONDS = 1800.0  # how long what clients with one offer see is kept after its last use
MAX_SHELVES = 64  # offers for which one target's tools are kept
BATCH = 25  # definitions that are read without letting calls through in between

_log = logging.getLogger("callgate.upstream")


@dataclass(slots=True, eq=False)
class _Shelf:
    """One target's tools as clients with one offer see them, and how fresh they are."""

    offer: Offer
    begun_at: float  # ticks of the clock
    used_at: float
    tools: dict[str, Tool] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)  # tool → why it is not offered
    read: dict[bytes, Tool | str] = field(default_factory=dict)  # by fingerprint, of the last list
    is_settled: asyncio.Event = field(default_factory=asyncio.Event)  # asked once, well or not
    nudge: asyncio.Event = field(default_factory=asyncio.Event)  # ask again now
    has_listed: bool = False
    was_missed: bool = False  # somebody was answered before it had been listed
    failures: int = 0
    task: asyncio.Task[None] | None = None

    def end(self) -> None:
        """No more listing, and nobody waits for it. Its tools are let go of at once: the cancelled
        task still refers to it, and is in the part of the heap where no garbage is looked for.
        """
        if self.task is not None:
            self.task.cancel()
        self.is_settled.set()
        self.tools, self.read, self.task = {}, {}, None


@dataclass(slots=True)
class _Target:
    """One target, and its shelves by the digest of their offer, latest use last."""

    connector: Connector
    is_for_all: bool  # functions are the same for everybody
    shelves: OrderedDict[str, _Shelf] = field(default_factory=OrderedDict)

    def key(self, offer: Offer) -> str:
        """Which shelf is for this offer."""
        return "" if self.is_for_all else offer.digest

    def in_order(self) -> list[_Shelf]:
        """The shelf of those who offer nothing first, then as they were used, latest first."""
        latest = sorted(reversed(self.shelves.items()), key=lambda item: item[0] != "")
        return [shelf for _, shelf in latest]


class LiveCatalog:
    """Implements Catalog. A target that cannot be listed keeps the tools it had.

    A legacy target may list other tools for a client that can be asked than for one that cannot,
    so that there is a shelf for each offer, begun when it is first needed. With `is_lazy` that also
    holds for clients that offer nothing: where there is one client, there is one listing.
    """

    def __init__(
        self,
        connectors: Mapping[str, Connector],
        clock: Clock,
        *,
        refresh_seconds: float = REFRESH_SECONDS,
        is_lazy: bool = False,
    ) -> None:
        self._targets = {
            name: _Target(connector, connector.status.kind == "python")
            for name, connector in connectors.items()
        }
        self._clock = clock
        self._refresh_seconds = refresh_seconds
        self._is_lazy = is_lazy
        self._is_stopped = False
        self._tasks = Tasks()
        self._forget: list[Callable[[], None]] = []
        self._subscribers: list[Callable[[str, str], None]] = []
        self._listeners: list[Callable[[str], None]] = []
        self._validators = Validators()
        self._version: str | None = None  # None: to be computed

    async def start(self) -> None:
        """Begins listing every target in the background, unless lazy; and hears of changes."""
        for name, target in self._targets.items():
            self._forget.append(target.connector.on_change(partial(self._heard, name)))
            if not self._is_lazy:
                self._begun(target, NOTHING)

    async def stop(self) -> None:
        """Ends listing. The connectors go on: they belong to whoever made them."""
        self._is_stopped = True
        for forget in self._forget:
            forget()
        self._forget.clear()
        await self._tasks.close()
        for target in self._targets.values():
            for shelf in target.shelves.values():
                shelf.end()

    def subscribe(self, callback: Callable[[str, str], None]) -> Callable[[], None]:
        """Has `callback(target, what)` called when tools, resources or prompts changed.

        Of tools that is after the change was taken in, and not for a first list that nobody missed.
        Returns what ends that.
        """
        self._subscribers.append(callback)
        return lambda: self._subscribers.remove(callback) if callback in self._subscribers else None

    def on_listed(self, callback: Callable[[str], None]) -> None:
        """Has `callback(target)` called for every list of tools that is not the one before, from
        the first on, after it was taken in.
        """
        self._listeners.append(callback)

    @property
    def version(self) -> str:
        """Changes whenever any tool does, whoever sees it; the same for the same tools."""
        if self._version is None:
            lines = sorted({f"{tool.target}/{tool.digest}\n" for tool in self.every_tool()})
            self._version = hashlib.sha256("".join(lines).encode()).hexdigest()[:12]
        return self._version

    def find(self, target: str, name: str, offer: Offer = NOTHING) -> Tool | None:
        """The tool by the target's own name, as a client with this offer sees it.

        None also where nothing has been listed for this offer yet: `ensure` it, and ask again.
        """
        found = self._targets.get(target)
        if found is None or found.key(offer) not in found.shelves:
            return None
        return self._seen(found, offer).get(name)

    def tools(self, target: str | None = None, offer: Offer = NOTHING) -> Sequence[Tool]:
        """All in the order of the configuration, or one target's in its own order.

        Without an offer a lazy catalogue falls back on what was listed for another one.
        """
        chosen = self._targets.values() if target is None else (self._targets[target],)
        return tuple(tool for one in chosen for tool in self._seen(one, offer).values())

    def every_tool(self, target: str | None = None) -> Sequence[Tool]:
        """All that any client has been found to see: what policies may speak of."""
        chosen = self._targets.values() if target is None else (self._targets[target],)
        found: dict[tuple[str, str], Tool] = {}
        for one in chosen:
            for shelf in one.in_order():
                for tool in shelf.tools.values():
                    found.setdefault((tool.target, tool.digest), tool)
        return tuple(found.values())

    def targets(self) -> Sequence[str]:
        """The names of all targets, in the order of the configuration."""
        return tuple(self._targets)

    def has_target(self, target: str) -> bool:
        """Whether the configuration names it."""
        return target in self._targets

    def connector(self, target: str) -> Connector:
        """The connector of a target. Raises KeyError."""
        return self._targets[target].connector

    def problems(self) -> dict[str, tuple[str, ...]]:
        """Target → sentences about the tools that it lists and we do not offer."""
        said = {
            name: dict.fromkeys(
                f"The tool {tool} {why}."
                for shelf in target.in_order()
                for tool, why in shelf.problems.items()
            )
            for name, target in self._targets.items()
        }
        return {name: tuple(sentences) for name, sentences in said.items() if sentences}

    async def ensure(self, target: str | None = None, offer: Offer = NOTHING) -> None:
        """Waits until the target, or every target, has been asked once for this offer.

        Nobody waits longer than WAIT_SECONDS after the asking began: what has not answered by then
        is known when it is known. A target that could not be listed is asked again now. A lazy
        catalogue begins nothing for those who ask without naming a target or an offer.
        """
        chosen = self._targets.values() if target is None else (self._targets[target],)
        if self._is_lazy and target is None and offer.is_empty:
            shelves = [shelf for one in chosen for shelf in one.in_order()[:1]]
        else:
            shelves = [self._begun(one, offer) for one in chosen]
        for shelf in shelves:
            if shelf.failures:
                shelf.nudge.set()
        until = self._clock.ticks() - WAIT_SECONDS
        missing = [s for s in shelves if not s.is_settled.is_set() and s.begun_at > until]
        if not missing:
            return
        try:
            async with asyncio.timeout(max(shelf.begun_at for shelf in missing) - until):
                for shelf in missing:
                    await shelf.is_settled.wait()
        except TimeoutError:
            return  # its tools are unknown until it answers; calls of them are refused

    def validate(self, tool: Tool, arguments: dict[str, Json]) -> str | None:
        """None where the arguments fit, else one sentence that names the field; never its value."""
        return self._validators.validate(tool, arguments)

    def _seen(self, target: _Target, offer: Offer) -> Mapping[str, Tool]:
        """What a client with this offer is answered with. Until its own list is there: the base."""
        if offer.is_empty and "" not in target.shelves:
            return next((shelf.tools for shelf in target.in_order()), {})
        shelf = self._begun(target, offer)
        if not shelf.has_listed:
            shelf.was_missed = True
            shelf = target.shelves.get("", shelf)
        return shelf.tools

    def _begun(self, target: _Target, offer: Offer) -> _Shelf:
        """The shelf for this offer, which counts as used now."""
        key, now = target.key(offer), self._clock.ticks()
        shelf = target.shelves.get(key)
        if shelf is None:
            shelf = target.shelves[key] = _Shelf(offer if key else NOTHING, now, now)
            if self._is_stopped:
                shelf.is_settled.set()
            else:
                name = f"listing {target.connector.name}"
                shelf.task = self._tasks.start(self._keep_fresh(target, shelf), name)
            if len(target.shelves) > MAX_SHELVES:
                self._drop(target, next(key for key in target.shelves if key))
        shelf.used_at = now
        target.shelves.move_to_end(key)
        return shelf

    def _drop(self, target: _Target, key: str) -> None:
        target.shelves.pop(key).end()
        self._version = None

    async def _keep_fresh(self, target: _Target, shelf: _Shelf) -> None:
        while True:
            shelf.nudge.clear()
            seconds = await self._refresh(target, shelf)
            shelf.is_settled.set()
            await asyncio.sleep(PAUSE_SECONDS)  # a target that cries change all the time can wait
            try:
                async with asyncio.timeout(max(0.0, seconds - PAUSE_SECONDS)):
                    await shelf.nudge.wait()
            except TimeoutError:
                # Each listing keeps a session of its own alive, perhaps a process.
                if shelf.offer.digest and self._clock.ticks() - shelf.used_at > IDLE_SECONDS:
                    self._drop(target, shelf.offer.digest)
                    return

    async def _refresh(self, target: _Target, shelf: _Shelf) -> float:
        """Lists one target once; how long until the next time. Down or lying: nothing changes."""
        name = target.connector.name
        try:
            listing = await target.connector.list_tools(shelf.offer)
            await self._take(target, shelf, listing.tools)
        except Exception as error:  # noqa: BLE001 - a fault of one target must not end its listing
            shelf.failures += 1
            if shelf.failures == 1:
                detail = error.detail if isinstance(error, TargetError) else repr(error)
                _log.warning("target %s cannot be listed: %s", name, detail)
            return RETRY_SECONDS[min(shelf.failures, len(RETRY_SECONDS)) - 1]
        if shelf.failures:
            _log.info("target %s can be listed again", name)
        shelf.failures = 0
        lifetime = listing.ttl_seconds or self._refresh_seconds  # 0: never to be kept; we must
        return min(max(lifetime, SHORTEST_SECONDS), self._refresh_seconds)

    async def _take(
        self, target: _Target, shelf: _Shelf, definitions: Sequence[dict[str, Json]]
    ) -> None:
        """Reads a whole list aside, then puts it into force at once."""
        name = target.connector.name
        known = [shelf.read, *(other.read for other in target.in_order() if other is not shelf)]
        read = await _read_all(name, definitions, known)
        tools, problems = _sorted_out(read.values())
        told = {item for other in target.in_order() for item in other.problems.items()}
        for tool_name, why in problems.items() - told:
            _log.warning("target %s: the tool %s %s", name, tool_name, why)
        has_changed = [t.digest for t in tools.values()] != [t.digest for t in shelf.tools.values()]
        is_news = shelf.has_listed or shelf.was_missed
        shelf.read, shelf.problems, shelf.tools, shelf.has_listed = read, problems, tools, True
        if has_changed:
            self._version = None
            self._tell(self._listeners, name)
            if is_news:
                self._announce(name, "tools")

    def _heard(self, target: str, what: str) -> None:
        """The target says that a list changed. Tools are told of once the new list is there."""
        if what != "tools":
            self._announce(target, what)
            return
        for shelf in self._targets[target].shelves.values():
            shelf.nudge.set()

    def _announce(self, target: str, what: str) -> None:
        self._tell(self._subscribers, target, what)

    def _tell(self, callbacks: Sequence[Callable[..., None]], *news: str) -> None:
        for callback in tuple(callbacks):
            try:
                callback(*news)
            except Exception:  # noqa: BLE001 - one listener must not keep the others from knowing
                _log.exception("a subscriber to the catalogue failed")


async def _read_all(
    target: str,
    definitions: Iterable[dict[str, Json]],
    known: Sequence[Mapping[bytes, Tool | str]],
) -> dict[bytes, Tool | str]:
    """Every definition by its fingerprint; what any shelf has read already is not read again."""
    read: dict[bytes, Tool | str] = {}
    fresh = 0
    for definition in definitions:
        fingerprint = hashlib.sha256(encode(definition)).digest()
        if fingerprint in read:
            continue
        found = next((shelf[fingerprint] for shelf in known if fingerprint in shelf), None)
        if found is None:
            found = _read(target, definition)
            fresh += 1
            if fresh % BATCH == 0:
                await asyncio.sleep(0)
        read[fingerprint] = found
    return read


def _sorted_out(read: Iterable[Tool | str]) -> tuple[dict[str, Tool], dict[str, str]]:
    """The tools to offer by name, and of the others why they are not."""
    tools = []
    problems = {}
    for found in read:
        if isinstance(found, Tool):
            tools.append(found)
        else:
            name, why = found.split("\0", 1)
            problems[name] = why
    names = Counter(tool.name for tool in tools)
    problems |= {name: "is listed twice, in different ways" for name in names if names[name] > 1}
    return {tool.name: tool for tool in tools if names[tool.name] == 1}, problems


def _read(target: str, definition: dict[str, Json]) -> Tool | str:
    """The tool, or its name and why it is not offered, with NUL between."""
    try:
        tool = read_tool(target, definition)
        compile_schema(tool.input_schema)  # kept only once it is called: that saves the memory
    except Unusable as unusable:
        name = definition.get("name")
        is_plain = isinstance(name, str) and name.isprintable()
        return f"{name if is_plain else repr(name):.80}\0{unusable}"
    return tool
