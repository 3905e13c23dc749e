"""Renders docs/compatibility.md from what was seen."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

from e2e.compat.inspector import inspectors
from e2e.compat.judging import features_of
from e2e.compat.playing import ALL, DIRECT, ONE, WRAP, Client, Step, clients
from e2e.compat.targets import FEATURES, TARGETS, UNSUITED, Target
from fakes.node import installed

PAGE = Path(__file__).parents[3] / "docs" / "compatibility.md"
COMMAND = "python tests/e2e/test_compatibility.py --write"
NPM = "@modelcontextprotocol/"
CLIENTS = {
    "python-legacy": 'Python SDK, `mode="legacy"`',
    "python-modern": 'Python SDK, `mode="auto"`; on `/mcp` `mode="2026-07-28"`',
    "sdk1-legacy": "TypeScript SDK 1",
    "sdk2-legacy": "TypeScript SDK 2, as it is by default",
    "sdk2-modern": "TypeScript SDK 2, `versionNegotiation` `auto`; on `/mcp` the pin `2026-07-28`",
    "inspector-legacy": "MCP Inspector, command line, `--protocol-era legacy`",
    "inspector-modern": "MCP Inspector, command line, `--protocol-era modern`",
}
ROUTES = {ONE: "`/mcp/<target>`", ALL: "`/mcp`", WRAP: "`callgate wrap`"}
INTRODUCTION = f"""\
# Compatibility

Clients and servers of others, run with Callgate between them. `{COMMAND}`
runs all of it and writes this page; a test fails where the page and what it runs differ.

Each client takes the same steps three times: at the server itself, at `callgate run` with all servers
as targets of one gateway (`/mcp/<target>`, and `/mcp` where the names of all targets are told apart),
and, where the server is a program, at `callgate wrap` in front of it. The policy permits everything.
"""
LEGEND = """\
✓ works on every way that the row names, and at the server itself where the client can speak to it.
✗ does not. – the target has no such thing. A note: see the end. Empty: not
tried. The Inspector is tried fully with one target, and with the others for their tools; its
command line has no words for what its table does not have.
"""


def render(steps: Sequence[Step]) -> str:
    """The whole page."""
    return "\n".join(_page(steps)) + "\n"


def _page(steps: Sequence[Step]) -> Iterator[str]:
    every = (*clients(), *inspectors())
    yield INTRODUCTION
    yield "## Versions\n"
    yield from _versions(every)
    yield "\n## Steps\n"
    yield from _rows(("step", "what is done"), FEATURES.items())
    yield "\n## Results\n"
    yield LEGEND
    numbers = _numbers()
    for client in every:
        yield f"### {CLIENTS[client.name]}\n"
        yield from _results(client, [step for step in steps if step.client == client.name], numbers)
        yield ""
    yield "## Notes\n"
    for reason, number in numbers.items():
        yield f"{number}. Not for clients of 2026-07-28: {reason}."


def _versions(every: Iterable[Client]) -> Iterator[str]:
    packages = dict.fromkeys(client.package for client in every)
    yield from _rows(("client", "version"), ((f"`{name}`", _version_of(name)) for name in packages))
    yield ""
    rows = (
        (
            f"`{target.name}`",
            f"`{target.program}`",
            _version_of(target.program),
            target.transport,
            _revision(target),
        )
        for target in TARGETS
    )
    yield from _rows(("target", "server", "version", "transport", "speaks"), rows)
    yield "\n`fixture` is the server that this project's own tests use, `tests/fakes/conformance_server`."


def _revision(target: Target) -> str:
    if target.transport == "HTTP+SSE":
        return "2024-11-05 transport"
    both = target.program.startswith("mcp-server-")
    return "both eras" if both else "2026-07-28" if target.era == "modern" else "2025-11-25"


def _version_of(package: str) -> str:
    if package == "fixture":
        return ""
    if package == "mcp" or package.startswith("mcp-server-"):
        return version(package)
    directory = package if package.startswith(NPM) else NPM + package
    manifest = json.loads((installed() / directory / "package.json").read_text())
    return str(manifest["version"])


def _numbers() -> dict[str, int]:
    reasons = dict.fromkeys(UNSUITED.values())
    return {reason: number for number, reason in enumerate(reasons, 1)}


def _results(client: Client, steps: Sequence[Step], numbers: dict[str, int]) -> Iterator[str]:
    through = [step for step in steps if step.route != DIRECT]
    said = {step.feature for step in through}
    features = [feature for feature in FEATURES if feature in said]
    rows = []
    for target in TARGETS:
        own = [step for step in through if step.target == target.name]
        ways = [ROUTES[route] for route in ROUTES if any(step.route == route for step in own)]
        cells = [_cell(client, target, feature, own, numbers) for feature in features]
        if own:
            rows.append((f"`{target.name}`", ", ".join(ways), *cells))
    yield from _rows(("target", "ways", *features), rows)


def _cell(
    client: Client, target: Target, feature: str, steps: Sequence[Step], numbers: dict[str, int]
) -> str:
    if feature not in features_of(target):
        return "–"
    tried = [step for step in steps if step.feature == feature]
    if not tried:
        reason = UNSUITED.get((target.name, feature)) if client.era == "modern" else None
        return "" if reason is None else f"note {numbers[reason]}"
    if not all(step.is_good for step in tried):
        return "✗"
    if feature == "connect":
        return ", ".join(sorted({step.said["version"] for step in tried}))
    return "✓"


def _rows(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield f"| {' | '.join(row)} |"
