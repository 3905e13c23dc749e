"""What the harness needs from anything that can stand between the load and the target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from processes import Process
from target import Target


@dataclass(frozen=True)
class Room:
    """Where a peer runs: cached environments, an empty scratch folder, a target of its own."""

    venvs: Path
    scratch: Path
    target: Target


@dataclass(frozen=True)
class Running:
    """A started peer. `era` is what the load speaks to it; headers go on every request.

    `settles_seconds`: how long after a load it may leave work for later.
    """

    process: Process
    url: str
    tool: str = "lookup"
    era: str = "modern"
    headers: Mapping[str, str] = field(default_factory=dict)
    settles_seconds: float = 0.0

    def stop(self) -> None:
        self.process.stop()


class Peer(Protocol):
    """One column of the comparison. `about` says in a sentence how it is set up."""

    @property
    def name(self) -> str: ...

    @property
    def about(self) -> str: ...

    def prepare(self, venvs: Path) -> str:
        """Makes what it needs under the folder, once; returns the versions it will run."""

    def start(self, room: Room) -> Running:
        """Raises if it cannot serve; nothing is left running then."""
