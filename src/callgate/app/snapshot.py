"""The tools of all targets, to look at and not to call: asked for now, or read from a file."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from callgate.app.clock import SystemClock
from callgate.app.parts import build_connector, may_ask
from callgate.config import Config
from callgate.model import Json, Tool, Value
from callgate.ports import Connector
from callgate.protocol.definitions import Unusable, read_tool
from callgate.protocol.methods import widest_offer
from callgate.protocol.validators import compile_schema
from callgate.upstream.catalog import LiveCatalog

LIST_SECONDS = 20.0
MAX_SNAPSHOT_BYTES = 64 << 20
NOT_IN_THE_FILE = "it is not in the snapshot"


class SnapshotError(Exception):
    """A snapshot cannot be used; the message names the file and what to do."""


class Snapshot(Value):
    """What the targets offer, and what is to be said of them."""

    tools: tuple[Tool, ...] = ()
    silent: dict[str, str] = {}  # target → why nothing is known of its tools
    unusable: tuple[str, ...] = ()  # sentences about tools that are not offered

    def of(self, target: str) -> tuple[Tool, ...]:
        """The tools of one target."""
        return tuple(tool for tool in self.tools if tool.target == target)


async def ask_targets(config: Config) -> Snapshot:
    """Starts every target, lists its tools as any client may see them, and ends it again.

    A target that does not answer is silent; nothing is raised for it.
    """
    clock = SystemClock()
    logs = config.directory / ".callgate" / "logs"
    connectors: dict[str, Connector] = {}
    for name, settings in config.targets.items():
        connectors[name] = build_connector(name, settings, clock, logs)
    catalog = LiveCatalog(connectors, clock)
    try:
        for connector in connectors.values():
            await connector.start()
        await catalog.start()
        await _listed(catalog, config)
        return _seen(catalog)
    finally:
        await catalog.stop()
        for connector in connectors.values():
            await connector.close()


async def _listed(catalog: LiveCatalog, config: Config) -> None:
    """Lists every target, also for clients of which it may ask something."""
    asked = may_ask(config)
    try:
        async with asyncio.timeout(LIST_SECONDS):
            await catalog.ensure()
            offers = {name: widest_offer(asked.get(name, ())) for name in catalog.targets()}
            await asyncio.gather(*(catalog.ensure(name, offer) for name, offer in offers.items()))
    except TimeoutError:
        pass  # whoever has not answered by now is silent


def _seen(catalog: LiveCatalog) -> Snapshot:
    silent = {}
    for name in catalog.targets():
        status = catalog.connector(name).status
        if not catalog.every_tool(name) and not status.is_ready:
            silent[name] = status.detail or "it did not answer"
    return Snapshot(
        tools=tuple(catalog.every_tool()),
        silent=silent,
        unusable=tuple(
            f"{name}: {sentence}"
            for name, sentences in catalog.problems().items()
            for sentence in sentences
        ),
    )


def snapshot_text(snapshot: Snapshot, targets: Iterable[str]) -> str:
    """A snapshot as a file: target → the definitions of its tools, as the target sent them.

    One order for one content, so that a change of it is a change of some tool. Silent targets are
    left out.
    """
    document: dict[str, list[dict[str, Json]]] = {}
    for name in sorted(set(targets) - snapshot.silent.keys()):
        tools = sorted(snapshot.of(name), key=lambda tool: (tool.name, tool.digest))
        document[name] = [tool.definition for tool in tools]
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n"


def read_snapshot(file: Path, targets: Iterable[str] = ()) -> Snapshot:
    """The snapshot in a file; `targets` that are not in it are silent. Raises SnapshotError.

    A target may also stand with the whole result of its tools/list: `{"tools": […]}`.
    """
    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_SNAPSHOT_BYTES + 1)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise SnapshotError(
            f"{file}: cannot be read ({reason}); `callgate policy tools --output {file}` writes it"
        ) from None
    if len(content) > MAX_SNAPSHOT_BYTES:
        raise SnapshotError(f"{file}: is larger than {MAX_SNAPSHOT_BYTES} bytes")
    try:
        document = msgspec.json.decode(content)
    except (msgspec.DecodeError, RecursionError) as error:
        raise SnapshotError(f"{file}: is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise SnapshotError(f"{file}: must be an object: target → the tools that it lists")
    tools: dict[tuple[str, str], Tool] = {}
    unusable: list[str] = []
    for target, listed in document.items():
        for definition in _definitions(file, target, listed):
            try:
                tool = read_tool(target, definition)
                compile_schema(tool.input_schema)
            except Unusable as error:
                unusable.append(f"{target}: The tool {definition.get('name')} {error}.")
            else:
                tools.setdefault((target, tool.digest), tool)
    silent = {name: NOT_IN_THE_FILE for name in targets if name not in document}
    return Snapshot(tools=tuple(tools.values()), silent=silent, unusable=tuple(unusable))


def _definitions(file: Path, target: str, listed: Json) -> list[dict[str, Json]]:
    found = listed.get("tools") if isinstance(listed, Mapping) else listed
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise SnapshotError(
            f"{file}: {target}: must be a list of tool definitions, or a result of tools/list"
        )
    return found
