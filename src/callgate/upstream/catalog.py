"""The tools of all targets as known now: listed, digested, checked, kept fresh."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import jsonschema_rs
import msgspec
import rfc8785

from callgate.model import Json, Tool
from callgate.ports import Clock, Connector, TargetError
from callgate.protocol.headers import mirrored
from callgate.upstream.tasks import Tasks

_log = logging.getLogger("callgate.upstream")
_sorted = msgspec.json.Encoder(order="sorted").encode

REFRESH_SECONDS = 300.0
RETRY_SECONDS = (1.0, 2.0, 5.0, 15.0, 30.0)
SHORTEST_SECONDS = 5.0  # however short the lifetime a target gives its list
WAIT_SECONDS = 10.0
MAX_VALIDATORS = 2000
MAX_NAME_CHARACTERS = 256
MAX_PROBLEM_CHARACTERS = 200
MAX_SENTENCE_CHARACTERS = 240
# A target's `pattern` cannot stall the gateway: linear time where it has no look-around, else
# bounded backtracking, and a pattern that runs out of it does not match.
PATTERNS = jsonschema_rs.FancyRegexOptions(
    backtrack_limit=10_000, size_limit=1 << 20, dfa_size_limit=1 << 20
)

Validator = jsonschema_rs.Validator


class Unusable(Exception):  # noqa: N818 - a finding about a tool
    """A tool that cannot be offered."""


@dataclass(slots=True)
class _Shelf:
    """One target's tools, and how fresh they are."""

    connector: Connector
    tools: dict[str, Tool] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    is_listed: asyncio.Event = field(default_factory=asyncio.Event)  # once, since the start
    nudge: asyncio.Event = field(default_factory=asyncio.Event)  # look again now


class LiveCatalog:
    """Implements Catalog. A target that cannot be listed keeps the tools it had."""

    def __init__(self, connectors: Mapping[str, Connector], clock: Clock) -> None:
        self._shelves = {name: _Shelf(connector) for name, connector in connectors.items()}
        self._clock = clock
        self._tasks = Tasks()
        self._all: tuple[Tool, ...] = ()
        self._version = ""
        self._subscribers: list[Callable[[], None]] = []
        self._validators: OrderedDict[str, Validator] = OrderedDict()

    async def start(self) -> None:
        """Begins listing every target in the background, and keeps on."""
        for shelf in self._shelves.values():
            on_change = getattr(shelf.connector, "on_change", None)
            if on_change is not None:
                on_change(shelf.nudge.set)
            self._tasks.start(self._keep_fresh(shelf), f"listing {shelf.connector.name}")

    async def stop(self) -> None:
        """Ends listing. The connectors go on: they belong to whoever made them."""
        await self._tasks.close()

    def subscribe(self, callback: Callable[[], None]) -> None:
        """Has `callback` called after any tool changed."""
        self._subscribers.append(callback)

    @property
    def version(self) -> str:
        """Changes whenever any tool does."""
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
        """Target → the tools that cannot be offered, and why."""
        return {name: shelf.problems for name, shelf in self._shelves.items() if shelf.problems}

    async def ensure(self, target: str | None = None) -> None:
        """Waits until the target, or every target, has been listed once; WAIT_SECONDS at most."""
        chosen = self._shelves.values() if target is None else [self._shelves[target]]
        missing = [shelf for shelf in chosen if not shelf.is_listed.is_set()]
        if not missing:
            return
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                for shelf in missing:
                    await shelf.is_listed.wait()
        except TimeoutError:
            return  # its tools are unknown until it answers; calls of them are refused

    def validate(self, tool: Tool, arguments: dict[str, Json]) -> str | None:
        """None where the arguments fit, else one sentence that names the field; never its value."""
        key = f"{tool.target}/{tool.digest}"
        validator = self._validators.get(key)
        if validator is None:
            try:
                validator = _compiled(tool.input_schema)
            except Unusable as unusable:
                return f"The tool cannot be called: its input schema {unusable}."
            self._validators[key] = validator
            if len(self._validators) > MAX_VALIDATORS:
                self._validators.popitem(last=False)
        if validator.is_valid(arguments):
            return None
        return _sentence(next(validator.iter_errors(arguments)))

    async def _keep_fresh(self, shelf: _Shelf) -> None:
        failures = 0
        while True:
            shelf.nudge.clear()
            try:
                listing = await shelf.connector.list_tools()
            except TargetError as error:
                # Target down or lying: the tools stay as they were, and we ask again.
                wait = RETRY_SECONDS[min(failures, len(RETRY_SECONDS) - 1)]
                failures += 1
                if failures == 1:
                    _log.warning(
                        "target %s: %s (%s)", shelf.connector.name, error.reason, error.detail
                    )
                shelf.is_listed.set()
            else:
                failures = 0
                self._take(shelf, listing.tools)
                shelf.is_listed.set()
                lifetime = listing.ttl_seconds or REFRESH_SECONDS
                wait = min(max(lifetime, SHORTEST_SECONDS), REFRESH_SECONDS)
            try:
                async with asyncio.timeout(wait):
                    await shelf.nudge.wait()
            except TimeoutError:
                continue

    def _take(self, shelf: _Shelf, definitions: Sequence[dict[str, Json]]) -> None:
        found: dict[str, Tool] = {}
        problems: list[str] = []
        for definition in definitions:
            try:
                tool = _tool(shelf.connector.name, definition)
                if tool.name in found:
                    raise Unusable("is listed twice")
            except Unusable as unusable:
                problems.append(f"{str(definition.get('name'))[:80]!r} {unusable}")
                continue
            found[tool.name] = tool
        for problem in set(problems) - set(shelf.problems):
            _log.warning("target %s: the tool %s; it is not offered", shelf.connector.name, problem)
        shelf.problems = tuple(problems)
        if found != shelf.tools:
            shelf.tools = found
            self._changed()

    def _changed(self) -> None:
        shelves = self._shelves.values()
        self._all = tuple(tool for shelf in shelves for tool in shelf.tools.values())
        digest = hashlib.sha256()
        for tool in self._all:
            digest.update(f"{tool.target}/{tool.digest}\n".encode())
        self._version = digest.hexdigest()[:12]
        for callback in self._subscribers:
            callback()


def _tool(target: str, definition: dict[str, Json]) -> Tool:
    name = definition.get("name")
    if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME_CHARACTERS:
        raise Unusable("has no usable name")
    if not name.isprintable():
        raise Unusable("has a name with unprintable characters")
    schema = definition.get("inputSchema", {"type": "object"})
    if not isinstance(schema, dict) or schema.get("type", "object") != "object":
        raise Unusable("has an input schema that is not of type object")
    try:
        paths = mirrored(schema)
    except ValueError as error:
        raise Unusable(f"breaks the rules of mirrored headers: {error}") from None
    return Tool(
        target=target, name=name, definition=definition, digest=_digest(definition), mirrored=paths
    )


def _digest(definition: dict[str, Json]) -> str:
    try:
        canonical = rfc8785.dumps(definition)
    except (rfc8785.CanonicalizationError, RecursionError):
        canonical = _sorted(definition)  # numbers beyond RFC 8785: sorted keys are stable enough
    return hashlib.sha256(canonical).hexdigest()


def _compiled(schema: dict[str, Json]) -> Validator:
    try:
        return jsonschema_rs.validator_for(
            schema,
            retriever=_refuse_remote,
            pattern_options=PATTERNS,
            validate_formats=False,
            mask="the value",  # errors name the rule, never the value: it may be secret
        )
    except (ValueError, jsonschema_rs.ReferencingError, RecursionError) as error:
        raise Unusable(f"cannot be used ({str(error)[:MAX_PROBLEM_CHARACTERS]})") from None


def _refuse_remote(uri: str) -> Json:
    raise ValueError(f"it refers to {uri[:80]}, and nothing is fetched")


def _sentence(error: jsonschema_rs.ValidationError) -> str:
    path = "".join(f"/{part}" for part in error.instance_path)
    where = f"The argument {path} does" if path else "The arguments do"
    sentence = f"{where} not fit the tool's schema: {' '.join(error.message.split())}"
    return sentence[:MAX_SENTENCE_CHARACTERS] + "."
