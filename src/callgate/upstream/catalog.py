"""The tools of all targets as known now: listed, digested, checked, kept fresh."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from callgate.model import Json, Tool
from callgate.ports import Clock, Connector, TargetError
from callgate.protocol.definitions import Unusable, read_tool
from callgate.protocol.jsonrpc import encode
from callgate.upstream.tasks import Tasks
from callgate.upstream.validators import Validators, compile_schema

REFRESH_SECONDS = 300.0
RETRY_SECONDS = (1.0, 2.0, 5.0, 15.0, 30.0)
SHORTEST_SECONDS = 10.0  # however short the lifetime that a target gives its list
PAUSE_SECONDS = 1.0  # between two listings of one target, however often it announces changes
WAIT_SECONDS = 10.0
BATCH = 25  # definitions that are read without letting calls through in between

_log = logging.getLogger("callgate.upstream")


@runtime_checkable
class Announcing(Protocol):
    """A connector whose target can say that its tools changed."""

    def on_change(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Has `callback` called at each change, until the returned function is called."""


@dataclass(slots=True)
class _Shelf:
    """One target's tools, and how fresh they are."""

    connector: Connector
    tools: dict[str, Tool] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)  # tool → why it is not offered
    read: dict[bytes, Tool | str] = field(default_factory=dict)  # by fingerprint, of the last list
    is_settled: asyncio.Event = field(default_factory=asyncio.Event)  # asked once, well or not
    nudge: asyncio.Event = field(default_factory=asyncio.Event)  # ask again now
    failures: int = 0


class LiveCatalog:
    """Implements Catalog. A target that cannot be listed keeps the tools it had."""

    def __init__(
        self,
        connectors: Mapping[str, Connector],
        clock: Clock,
        *,
        refresh_seconds: float = REFRESH_SECONDS,
    ) -> None:
        self._shelves = {name: _Shelf(connector) for name, connector in connectors.items()}
        self._clock = clock
        self._refresh_seconds = refresh_seconds
        self._started_at = clock.ticks()
        self._tasks = Tasks()
        self._forget: list[Callable[[], None]] = []
        self._subscribers: list[Callable[[], None]] = []
        self._validators = Validators()
        self._all: tuple[Tool, ...] = ()
        self._version = ""

    async def start(self) -> None:
        """Begins listing every target in the background, and keeps on."""
        self._started_at = self._clock.ticks()
        for shelf in self._shelves.values():
            if isinstance(shelf.connector, Announcing):
                self._forget.append(shelf.connector.on_change(shelf.nudge.set))
            self._tasks.start(self._keep_fresh(shelf), f"listing {shelf.connector.name}")

    async def stop(self) -> None:
        """Ends listing. The connectors go on: they belong to whoever made them."""
        for forget in self._forget:
            forget()
        self._forget.clear()
        await self._tasks.close()

    def subscribe(self, callback: Callable[[], None]) -> None:
        """Has `callback` called after any tool changed."""
        self._subscribers.append(callback)

    @property
    def version(self) -> str:
        """Changes whenever any tool does; the same for the same tools."""
        return self._version

    def find(self, target: str, name: str) -> Tool | None:
        """The tool by the target's own name."""
        shelf = self._shelves.get(target)
        return shelf.tools.get(name) if shelf is not None else None

    def tools(self, target: str | None = None) -> Sequence[Tool]:
        """All in the order of the configuration, or one target's in its own order."""
        return self._all if target is None else tuple(self._shelves[target].tools.values())

    def has_target(self, target: str) -> bool:
        """Whether the configuration names it."""
        return target in self._shelves

    def connector(self, target: str) -> Connector:
        """The connector of a target. Raises KeyError."""
        return self._shelves[target].connector

    def problems(self) -> dict[str, tuple[str, ...]]:
        """Target → sentences about the tools that it lists and we do not offer."""
        return {
            name: tuple(f"The tool {tool} {why}." for tool, why in shelf.problems.items())
            for name, shelf in self._shelves.items()
            if shelf.problems
        }

    async def ensure(self, target: str | None = None) -> None:
        """Waits until the target, or every target, has been asked once.

        Nobody waits longer than WAIT_SECONDS after the start: what has not answered by then is
        known when it is known. A target that could not be listed is asked again now.
        """
        chosen = self._shelves.values() if target is None else [self._shelves[target]]
        for shelf in chosen:
            if shelf.failures:
                shelf.nudge.set()
        missing = [shelf for shelf in chosen if not shelf.is_settled.is_set()]
        left = self._started_at + WAIT_SECONDS - self._clock.ticks()
        if not missing or left <= 0:
            return
        try:
            async with asyncio.timeout(left):
                for shelf in missing:
                    await shelf.is_settled.wait()
        except TimeoutError:
            return  # its tools are unknown until it answers; calls of them are refused

    def validate(self, tool: Tool, arguments: dict[str, Json]) -> str | None:
        """None where the arguments fit, else one sentence that names the field; never its value."""
        return self._validators.validate(tool, arguments)

    async def _keep_fresh(self, shelf: _Shelf) -> None:
        while True:
            shelf.nudge.clear()
            seconds = await self._refresh(shelf)
            shelf.is_settled.set()
            await asyncio.sleep(PAUSE_SECONDS)  # a target that cries change all the time can wait
            try:
                async with asyncio.timeout(max(0.0, seconds - PAUSE_SECONDS)):
                    await shelf.nudge.wait()
            except TimeoutError:
                continue

    async def _refresh(self, shelf: _Shelf) -> float:
        """Lists one target once; how long until the next time. Down or lying: nothing changes."""
        name = shelf.connector.name
        try:
            listing = await shelf.connector.list_tools()
            await self._take(shelf, listing.tools)
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

    async def _take(self, shelf: _Shelf, definitions: Sequence[dict[str, Json]]) -> None:
        """Reads a whole list aside, then puts it into force at once."""
        read: dict[bytes, Tool | str] = {}
        fresh = 0
        for definition in definitions:
            fingerprint = hashlib.sha256(encode(definition)).digest()
            known = shelf.read.get(fingerprint) or read.get(fingerprint)
            if known is None:
                known = _read(shelf.connector.name, definition)
                fresh += 1
                if fresh % BATCH == 0:
                    await asyncio.sleep(0)
            read[fingerprint] = known
        problems = dict(text.split("\0", 1) for text in read.values() if isinstance(text, str))
        tools = [tool for tool in read.values() if isinstance(tool, Tool)]
        names = Counter(tool.name for tool in tools)
        problems |= {
            tool.name: "is listed twice, in different ways"
            for tool in tools
            if names[tool.name] > 1
        }
        found = {tool.name: tool for tool in tools if names[tool.name] == 1}
        for tool_name, why in problems.items() - shelf.problems.items():
            _log.warning("target %s: the tool %s %s", shelf.connector.name, tool_name, why)
        shelf.read, shelf.problems = read, problems
        has_changed = [t.digest for t in found.values()] != [t.digest for t in shelf.tools.values()]
        shelf.tools = found
        if has_changed:
            self._changed()

    def _changed(self) -> None:
        self._all = tuple(tool for s in self._shelves.values() for tool in s.tools.values())
        lines = sorted(f"{tool.target}/{tool.digest}\n" for tool in self._all)
        self._version = hashlib.sha256("".join(lines).encode()).hexdigest()[:12]
        for callback in self._subscribers:
            try:
                callback()
            except Exception:  # noqa: BLE001 - one listener must not keep the others from knowing
                _log.exception("a subscriber to the catalogue failed")


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
