"""Runs all clients against all targets, in three lanes: two through a gateway, one beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import yaml

from e2e.compat.inspector import SAYS, inspect, inspectors
from e2e.compat.playing import ALL, DIRECT, ONE, WRAP, Client, Step, Ways, clients, play
from e2e.compat.servers import Reached, files, servers
from e2e.compat.targets import TARGETS, Target
from fakes.running import running

POLICY = "permit(principal, action, resource);\n"
ENOUGH = ("tools", "call")
INSPECTED = "everything-http"  # with everything that the Inspector has words for
INSPECTED_DIRECTLY = ("git", "time", INSPECTED)  # stdio servers built in Node are slow to end


def run(directory: Path) -> list[Step]:
    """What came of every step of every client on every way."""
    first, *others = clients()
    with ThreadPoolExecutor(3) as lanes:
        runs = [
            lanes.submit(_through, _made(directory / "through"), others, []),
            lanes.submit(_through, _made(directory / "inspected"), [first], inspectors()),
            lanes.submit(_beside, _made(directory / "beside")),
        ]
        return [step for run in runs for step in run.result()]


def _made(directory: Path) -> Path:
    directory.mkdir(parents=True)
    files(directory)
    return directory


def _through(
    directory: Path, speaking: Sequence[Client], inspecting: Sequence[Client]
) -> list[Step]:
    steps = []
    with servers(directory) as reached, gateway(directory, reached) as url:
        ways = Ways(directory, reached, url)
        for client in speaking:
            for route in (ONE, ALL):
                steps += _played(client, ways, route, TARGETS)
        for client in inspecting:
            for target in TARGETS:
                features = SAYS if target.name == INSPECTED else ENOUGH
                steps += inspect(client, ways, ONE, target, features)
                if target.name == INSPECTED:
                    steps += inspect(client, ways, ALL, target)
    return steps


def _beside(directory: Path) -> list[Step]:
    steps = []
    with servers(directory) as reached:
        ways = Ways(directory, reached)
        started = [target for target in TARGETS if reached[target.name].command]
        for client in clients():
            steps += _played(client, ways, DIRECT, [one for one in TARGETS if direct(client, one)])
            steps += _played(client, ways, WRAP, started)
        for client in inspectors():
            for target in TARGETS:
                if target.name in INSPECTED_DIRECTLY:
                    steps += inspect(client, ways, DIRECT, target, ENOUGH)
                if target.name == "time":
                    steps += inspect(client, ways, WRAP, target, ENOUGH)
    return steps


def direct(client: Client, target: Target) -> bool:
    """Whether the client can speak to the server itself."""
    is_older = target.transport == "HTTP+SSE"  # the SDKs have clients of their own for it
    return not is_older and (target.name != "fixture-modern" or client.era == "modern")


def _played(client: Client, ways: Ways, route: str, targets: Sequence[Target]) -> list[Step]:
    log = ways.directory / f"{client.name}-{route.strip('/').replace('/', '-')}.log"
    return play(client, ways.connections(client, route, targets), log)


@contextmanager
def gateway(directory: Path, reached: dict[str, Reached]) -> Iterator[str]:
    """One gateway with all targets, that lets everything through; its URL."""
    targets = {
        name: {"command": list(one.command)} if one.url is None else {"url": one.url}
        for name, one in reached.items()
    }
    config = {
        "identity": {"anonymous": True},
        "targets": targets,
        "policies": {"files": ["*.cedar"]},
        "listeners": {"agents": {"port": 0}, "control": {"port": 0}},
    }
    with running(directory, yaml.safe_dump(config), all__cedar=POLICY) as started:
        try:
            yield started.agents
        finally:
            started.stop()
            (directory / "gateway.log").write_text("\n".join(started.log))
