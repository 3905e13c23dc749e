"""Clients of one era before targets of either, with a gateway or nothing between: taking turns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from agent_load import CannotError, Found, measure
from agents import Job
from contestant import Folders
from peers.peer import Peer, Room, Running
from target import TOOL_COUNT, Target, start_target

TOOLS = {"plain": "lookup", "report": "report", "confirm": "confirm"}
# Of `--rounds`; a whole run would take too long otherwise. Peers that are far away take one.
MOST_ROUNDS = 3
MOST_ROUNDS_OF_OTHERS = 1
NEAR = ("direct", "Callgate")


@dataclass(frozen=True)
class Cell:
    """One kind of call: what it does, the era of either end, and how many clients make it."""

    shape: str
    client: str
    target: str
    connections: int


STREAMS = tuple(
    Cell("report", era, era, connections) for era in ("modern", "legacy") for connections in (1, 8)
)
BRIDGED = tuple(
    Cell(shape, client, target, connections)
    for shape in ("plain", "confirm")
    for client, target in (("legacy", "modern"), ("modern", "legacy"))
    for connections in (1, 32)
)


@dataclass
class Crossing:
    """A peer before a target of one era, with what was found of it in each cell."""

    peer: Peer
    target_era: str
    cells: Sequence[Cell]
    versions: str = ""
    failure: str = ""
    found: dict[Cell, list[Found]] = field(default_factory=dict)
    cannot: dict[Cell, str] = field(default_factory=dict)
    target: Target | None = None
    running: Running | None = None
    scratch: Path | None = None

    def start(self, folders: Folders) -> None:
        self.scratch = folders.scratch(f"{self.peer.name} to {self.target_era}")
        try:
            self.versions = self.peer.prepare(folders.venvs)
            self.target = start_target(folders.venvs, self.scratch, TOOL_COUNT, self.target_era)
            self.running = self.peer.start(Room(folders.venvs, self.scratch, self.target))
            self.running.process.pause()
        except Exception as problem:
            self.failure = f"{type(problem).__name__}: {problem}"
            self.stop()

    def take_turn(self, number: int, seconds: int) -> list[str]:
        """All the others are paused meanwhile. What cannot be done is not tried again."""
        most = MOST_ROUNDS if self.peer.name in NEAR else MOST_ROUNDS_OF_OTHERS
        if self.running is None or number > most:
            return []
        self.running.process.resume()
        said = [self.measure(cell, seconds) for cell in self.cells if cell not in self.cannot]
        self.running.process.pause()
        return said

    def measure(self, cell: Cell, seconds: int) -> str:
        assert self.running is not None and self.target is not None and self.scratch is not None
        job = job_for(cell, self.running)
        try:
            one = measure(self.running, self.target, job, seconds, self.scratch / "agents.log")
        except CannotError as problem:
            reason = str(problem)
        except Exception as problem:
            reason = f"{type(problem).__name__}: {problem}"
        else:
            self.found.setdefault(cell, []).append(one)
            return f"{in_words(cell)}: {in_a_line(one)}"
        self.cannot[cell] = reason
        return f"{in_words(cell)}: cannot: {reason}"

    def stop(self) -> None:
        if self.running is not None:
            self.running.stop()
        if self.target is not None:
            self.target.stop()
        self.running = self.target = None


def job_for(cell: Cell, running: Running) -> Job:
    tool = running.tool.removesuffix("lookup") + TOOLS[cell.shape]
    return Job(running.url, cell.client, cell.shape, tool, running.headers, cell.connections)


def in_words(cell: Cell) -> str:
    plural = "connection" if cell.connections == 1 else "connections"
    return f"{cell.shape}, {cell.client} → {cell.target}, {cell.connections} {plural}"


def in_a_line(one: Found) -> str:
    sample = f" ({one.sample})" if one.sample else ""
    return (
        f"{one.cpu_us_per_call:,.0f} µs CPU per call, {one.calls_per_second:,.0f} calls/s, "
        f"p50 {one.p50_ms:.2f} ms, p99 {one.p99_ms:.2f} ms, "
        f"load {one.own_us_per_call:.0f} µs, {one.errors} errors{sample}"
    )


def lineup(peers: Sequence[Peer], cells: Sequence[Cell]) -> list[Crossing]:
    """Each peer before a target of each era. With nothing between, eras cannot be crossed."""
    crossings = []
    for peer in peers:
        for era in ("modern", "legacy"):
            is_direct = peer.name == "direct"
            own = [c for c in cells if c.target == era and not (is_direct and c.client != era)]
            if own:
                crossings.append(Crossing(peer, era, own))
    return crossings


def compare(crossings: Sequence[Crossing], folders: Folders, rounds: int, seconds: int) -> None:
    """Leaves nothing running."""
    try:
        for each in crossings:
            print(f"starting {each.peer.name} before a {each.target_era} target", flush=True)
            each.start(folders)
            if each.failure:
                print(f"  failed: {each.failure}", flush=True)
        for number in range(1, min(rounds, MOST_ROUNDS) + 1):
            print(f"round {number} of {min(rounds, MOST_ROUNDS)}", flush=True)
            for each in crossings:
                for said in each.take_turn(number, seconds):
                    print(f"  {each.peer.name}: {said}", flush=True)
    finally:
        for each in crossings:
            each.stop()
