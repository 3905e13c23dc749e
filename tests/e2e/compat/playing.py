"""Has every client take its steps against every target, with and without the gateway."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from e2e.compat.servers import Reached
from e2e.compat.targets import PLAIN, TARGETS, UNSUITED, Place, Target, aggregated
from fakes.forking import command as forked
from fakes.node import installed, node

Json = Any
MOST_SECONDS = 240.0
HERE = Path(__file__).parent
SCRIPTS = HERE.parent.parent / "fakes" / "node_clients"
MODERN = "2026-07-28"

DIRECT = "direct"
ONE = "/mcp/<target>"
ALL = "/mcp"
WRAP = "wrap"


class ClientError(Exception):
    """A client ended before it had taken all its steps."""


@dataclass(frozen=True)
class Client:
    """A client, the way that it is used here."""

    name: str
    package: str
    era: str
    command: tuple[str, ...]
    mode: Json = None
    mode_on_all: Json = None  # where it is another one there


@dataclass(frozen=True)
class Step:
    """What came of one step."""

    client: str
    route: str
    target: str
    feature: str
    is_good: bool
    said: Json


def python(era: str, mode: str, mode_on_all: str | None = None) -> Client:
    command = (sys.executable, str(HERE / "python_client.py"))
    return Client(f"python-{era}", "mcp", era, command, mode, mode_on_all)


def typescript(script: str, package: str, era: str, *modes: Json) -> Client:
    command = (str(node()), str(SCRIPTS / f"{script}.mjs"), str(installed() / package))
    return Client(f"{script}-{era}", package, era, command, *modes)


def clients() -> tuple[Client, ...]:
    first, second = "@modelcontextprotocol/sdk", "@modelcontextprotocol/client"
    return (
        python("legacy", "legacy"),
        python("modern", "auto", MODERN),
        typescript("sdk1", first, "legacy"),
        typescript("sdk2", second, "legacy"),
        typescript("sdk2", second, "modern", "auto", {"pin": MODERN}),
    )


@dataclass(frozen=True)
class Ways:
    """The ways to the targets."""

    directory: Path
    reached: dict[str, Reached]
    gateway: str = ""

    def connections(self, client: Client, route: str, targets: Iterable[Target]) -> list[Json]:
        """What the client is to connect to on one route, and what it is to do there."""
        if route == ALL:
            parts = [self._part(client, route, target) for target in targets]
            return [self._connection(client, route, {"url": self.gateway}, parts)]
        return [
            self._connection(
                client, route, self._endpoint(route, target), [self._part(client, route, target)]
            )
            for target in targets
        ]

    def _connection(self, client: Client, route: str, endpoint: Json, parts: Json) -> Json:
        mode = client.mode_on_all if route == ALL and client.mode_on_all else client.mode
        return {
            "id": route,
            "endpoint": endpoint,
            "mode": mode,
            "root": (self.directory / "files").as_uri(),
            "parts": parts,
        }

    def _part(self, client: Client, route: str, target: Target) -> Json:
        names = aggregated(target.name) if route == ALL else PLAIN
        place = Place(self.directory, f"{client.name} {route}")
        steps = target.steps(names, place)
        if client.era == "modern" and route != DIRECT:
            steps = {key: steps[key] for key in steps if (target.name, key) not in UNSUITED}
        return {"target": target.name, "steps": steps}

    def _endpoint(self, route: str, target: Target) -> Json:
        reached = self.reached[target.name]
        if route == ONE:
            return {"url": f"{self.gateway}/{target.name}"}
        if reached.url is not None:
            return {"url": reached.url}
        command, *arguments = reached.command
        if route == WRAP:
            command, *arguments = forked("wrap", "--", command, *arguments)
        state = str(self.directory / "state")
        environment = {**os.environ, "XDG_STATE_HOME": state}
        return {"command": command, "args": arguments, "env": environment}


def play(client: Client, connections: Sequence[Json], log: Path) -> list[Step]:
    """Has a client do its steps; what came of each."""
    with log.open("w") as errors:
        done = subprocess.run(
            client.command,
            input=json.dumps({"connections": connections}),
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            timeout=MOST_SECONDS,
        )
    if done.returncode != 0:
        raise ClientError(f"{client.name}: {done.stdout[-500:]}\n{log.read_text()[-4000:]}")
    return [_step(client, json.loads(line)) for line in done.stdout.strip().split("\n")]


def _step(client: Client, line: Json) -> Step:
    return Step(
        client=client.name,
        route=line["connection"],
        target=line["target"],
        feature=line["feature"],
        is_good=line["ok"],
        said=line["said"],
    )


def of_stdio(reached: dict[str, Reached]) -> list[Target]:
    return [target for target in TARGETS if reached[target.name].command]
