"""A peer in one run: started before a target of its own, paused while others are measured."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from conversation import check_call, ready_for_load
from load import Load, Measurement, measure
from peers.peer import Peer, Room, Running
from target import TOOL_COUNT, Target, start_target

LOADS = (Load(1), Load(32))
PACED = Load(320, pause_ms=320)  # for those that can do as much
PACED_RATE = 1_000.0  # calls a second


@dataclass(frozen=True)
class Folders:
    venvs: Path
    work: Path

    def scratch(self, name: str) -> Path:
        folder = self.work / "".join(letter if letter.isalnum() else "-" for letter in name)
        folder.mkdir(parents=True)
        return folder


@dataclass
class Contestant:
    """What was measured of a peer, or why it could not be: one failure never ends the run."""

    peer: Peer
    versions: str = ""
    failure: str = ""
    measurements: list[Measurement] = field(default_factory=list)
    target: Target | None = None
    running: Running | None = None

    def start(self, folders: Folders) -> None:
        scratch = folders.scratch(self.peer.name)
        try:
            self.versions = self.peer.prepare(folders.venvs)
            self.target = start_target(folders.venvs, scratch, TOOL_COUNT)
            self.running = self.peer.start(Room(folders.venvs, scratch, self.target))
            self.running = ready_for_load(self.running)
            check_call(self.running)
            self.running.process.pause()
        except Exception as problem:
            self.fail(problem)

    def take_turn(self, seconds: int) -> list[Measurement]:
        """All the others are paused meanwhile: what is idle costs nothing then."""
        if self.running is None or self.target is None:
            return []
        self.running.process.resume()
        try:
            check_call(self.running)
            found = [measure(self.running, self.target, each, seconds) for each in LOADS]
            if found[-1].calls_per_second > PACED_RATE:
                found.append(measure(self.running, self.target, PACED, seconds))
            self.running.process.pause()
        except Exception as problem:
            self.fail(problem)
            return []
        self.measurements.extend(found)
        return found

    def fail(self, problem: Exception) -> None:
        self.failure = f"{type(problem).__name__}: {problem}"
        self.stop()

    def stop(self) -> None:
        if self.running is not None:
            self.running.stop()
        if self.target is not None:
            self.target.stop()
        self.running = self.target = None
