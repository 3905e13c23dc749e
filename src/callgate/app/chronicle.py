"""What the record says of the gateway itself: what came into force, which tools there are."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial

from callgate.app.gathering import PolicySet
from callgate.app.parts import PartError
from callgate.audit.definitions import (
    PolicyText,
    World,
    policies_defined,
    policies_id,
    tool_defined,
    tool_id,
)
from callgate.audit.event import CONFIG, STARTED, STOPPED, TOOL_CHANGED, event
from callgate.audit.principals import ID_PREFIX, principal_of
from callgate.audit.record import Entry, instant
from callgate.config import Config
from callgate.model import Json, Tool
from callgate.pipeline.defining import Definitions
from callgate.policy.engine import Engine
from callgate.ports import CallStore, Clock, StoreError
from callgate.protocol.jsonrpc import encode
from callgate.sessions.runs import GAP_SECONDS, Runs, run_of_session, run_of_trace
from callgate.storage.lately import last_calls
from callgate.upstream.catalog import LiveCatalog
from callgate.version import VERSION

_log = logging.getLogger("callgate")

MAX_KEYS = 200  # of settings, named in one event
ONLY_AT_START = ("listeners", "store", "witnesses", "exports", "telemetry")
BUT = "store.retention"  # of these: it counts with a reload


class Chronicle:
    """Of one running application. Until `begin` it says nothing: who only looks leaves no trace."""

    def __init__(self, store: CallStore, clock: Clock) -> None:
        self.definitions = Definitions()
        self.runs = Runs()
        self._store = store
        self._clock = clock
        self._has_begun = False
        self._at_end: list[Callable[[], None]] = []
        self._told: tuple[str, World] | None = None  # the policies that the record speaks of last
        self._tools: dict[str, dict[str, Tool]] = {}
        self._listed_early: dict[str, Sequence[Tool]] = {}  # before there was a record to tell

    async def begin(self, config: Config, made: PolicySet, engine: Engine) -> None:
        """The gateway starts with these. Raises StoreError, PartError."""
        at = self._clock.now()
        await asyncio.to_thread(self._go_on, config, at)
        await self._store.append(event(STARTED, at, {"version": VERSION, "pid": os.getpid()}))
        await self._store.append(event(CONFIG, at, _config(config)))
        await self.define(engine)
        self.policies(made, engine)
        self._has_begun = True
        for target, found in self._listed_early.items():
            self.tools(target, found)

    def _go_on(self, config: Config, now: float) -> None:
        """Takes up the runs that calls are joined in by pauses, where the last gateway left them.

        A record that cannot be read is no reason not to start: other runs begin then.
        """
        try:
            entries = last_calls(config.store, now - GAP_SECONDS)
        except StoreError as error:
            _log.warning("calls are in other runs than before the start: %s", error)
            return
        for entry in entries:
            principal, run = principal_of(entry, None), entry["run"]
            if principal is None:
                continue
            named = run_of_session(principal.key, entry["session"]) if entry["session"] else None
            if run not in (named, run_of_trace(principal.key, entry.get("traceparent"))):
                self.runs.resume(principal.key, run, instant(entry["received_at"]))

    def at_end(self, tell: Callable[[], None]) -> None:
        """Has `tell` called before the gateway stops: for what has only been counted so far."""
        self._at_end.append(tell)

    def end(self) -> None:
        """The gateway stops."""
        if self._has_begun:
            for tell in self._at_end:
                tell()
            self.note(STOPPED, {})
            self._has_begun = False

    def note(
        self, name: str, said: dict[str, Json], payload: dict[str, Json] | None = None
    ) -> None:
        """An event. What cannot be recorded is said in the log: it has happened already."""
        if not self._has_begun:
            return
        try:
            self._store.append_soon(event(name, self._clock.now(), said, payload=payload))
        except StoreError as error:
            _log.error("the record does not say %s: %s", name, error)

    async def define(self, engine: Engine) -> None:
        """Returns when the record has the texts of these policies. Raises PartError.

        INVARIANT: no call is decided by policies that the record does not have.
        """
        key, make = self._definition(engine)
        if self.definitions.has(key):
            return
        entry = await asyncio.to_thread(make)  # it may be megabytes
        try:
            await self.definitions.define(key, lambda: entry, self._store)
        except StoreError as error:
            raise PartError(f"policies: the record cannot hold them now: {error}") from None

    def _definition(self, engine: Engine) -> tuple[str, Callable[[], Entry]]:
        world = _world(engine)
        # The same texts mean something else in another world: they are then defined once more.
        key = f"{policies_id(engine.version)} {_digest(world.told())}"
        return key, partial(_defined, engine, world, self._clock.now())

    def policies(self, made: PolicySet, engine: Engine) -> None:
        """These are in force from now on. Quick, whatever their number."""
        world = _world(engine)
        if self._told == (engine.version, world):
            return
        self._told = (engine.version, world)
        self.definitions.standing = self._definition(engine)
        try:
            self._store.append_soon(made.in_force(engine.version, self._clock.now(), world))
        except StoreError as error:
            _log.error("the record does not say that other policies are in force: %s", error)

    def config(self, before: Config, after: Config) -> None:
        """Another configuration is in force: what in it is not as it was. Never any value."""
        for block in ONLY_AT_START:
            if _waiting(before, block) != _waiting(after, block):
                _log.warning("`%s` changed: restart the gateway for it to take effect", block)
        changed = sorted(set(changes(before.shown, after.shown)))
        said = {**_config(after), "before": before.digest, "changed": changed[:MAX_KEYS]}
        if len(changed) > MAX_KEYS:
            said["further_changes"] = len(changed) - MAX_KEYS
        waiting = [key for key in changed if key.partition(".")[0] in ONLY_AT_START and key != BUT]
        if waiting:
            said["from_next_start"] = waiting[:MAX_KEYS]
        said["targets"] |= {
            "added": sorted(after.targets.keys() - before.targets.keys()),
            "removed": sorted(before.targets.keys() - after.targets.keys()),
        }
        for gone in before.targets.keys() - after.targets.keys():
            self._tools.pop(gone, None)
        self.note(CONFIG, said)

    def forget_principals(self) -> None:
        """Who calls from now on is described in the record once more: descriptions are erased."""
        self.definitions.forget(ID_PREFIX)

    def follow(self, catalog: LiveCatalog) -> None:
        """Tells of the tools that targets list, now and later, to who offers them nothing."""

        def tell(target: str) -> None:
            self.tools(target, catalog.tools(target))

        for target in catalog.targets():
            if catalog.tools(target):
                tell(target)
        catalog.on_listed(tell)

    def tools(self, target: str, found: Sequence[Tool]) -> None:
        """A target lists these now. What is new or other than it was is recorded whole."""
        if not self._has_begun:
            self._listed_early[target] = found
            return
        now = {tool.name: tool for tool in found}
        before = self._tools.get(target)
        self._tools[target] = now
        told = list(_differences(before or {}, now))
        if not told:
            return
        if before is not None:
            self._define_all(tool for name, tool in now.items() if before.get(name) != tool)
            self._define_all(tool for name, tool in before.items() if now.get(name) != tool)
        counts = {
            word: sum(1 for one in told if one["change"] == word)
            for word in ("appeared", "changed", "vanished")
        }
        said = {"target": target, "is_first": before is None, "count": len(now), **counts}
        self.note(TOOL_CHANGED, said, {"tools": told})

    def _define_all(self, tools: Iterable[Tool]) -> None:
        for tool in tools:
            make = partial(tool_defined, tool, self._clock.now())
            try:
                self.definitions.define_soon(tool_id(tool.digest), make, self._store)
            except StoreError as error:
                _log.error("the record does not have %s: %s", tool.qualified_name, error)


def _differences(before: Mapping[str, Tool], now: Mapping[str, Tool]) -> Iterator[dict[str, Json]]:
    for name in sorted({*before, *now}):
        old, new = before.get(name), now.get(name)
        if old is None and new is not None:
            yield {"tool": name, "change": "appeared", "after": new.digest}
        elif new is None and old is not None:
            yield {"tool": name, "change": "vanished", "before": old.digest}
        elif old is not None and new is not None and old.digest != new.digest:
            yield {"tool": name, "change": "changed", "before": old.digest, "after": new.digest}


def changes(before: Json, after: Json, path: str = "") -> Iterator[str]:
    """The dotted keys of settings that are not the same; of lists, the key of the list."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in {**before, **after}:
            at = f"{path}.{key}" if path else str(key)
            yield from changes(before.get(key), after.get(key), at)
    elif before != after:
        yield path


def _waiting(config: Config, block: str) -> object:
    """What of a block counts with the next start only."""
    if block == "store":
        return config.store.model_copy(update={"retention": ()})
    return getattr(config, block)


def _config(config: Config) -> dict[str, Json]:
    """What is said of a configuration: enough to tell whether it is another, never what is in it.

    The digests are of settings with references in place of secrets.
    """
    return {
        "file": str(config.file),
        "sha256": config.digest,
        "mode": config.policies.mode,
        "targets": {"names": sorted(config.targets)},
        "interceptors": [
            {
                "name": one.name,
                "kind": one.kind,
                "on": sorted(one.on),
                "mode": one.mode,
                "on_failure": one.on_failure,
                "sha256": _digest(shown),
            }
            for one, shown in zip(config.interceptors, config.shown["interceptors"], strict=True)
        ],
        "blocks": {name: _digest(block) for name, block in config.shown.items()},
    }


def _digest(value: Json) -> str:
    return hashlib.sha256(encode(value)).hexdigest()


def _world(engine: Engine) -> World:
    return World(
        namespace=engine.names.namespace,
        gateway=engine.names.gateway,
        mode="enforce" if engine.is_enforced else "observe",
        facts=engine.enrichments,
    )


def _defined(engine: Engine, world: World, at: float) -> Entry:
    texts = (
        PolicyText(id=one.id, source=one.source, line=one.line, text=one.text)
        for one in engine.policies
    )
    return policies_defined(engine.version, texts, world, at)
