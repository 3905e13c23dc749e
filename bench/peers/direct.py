"""No gateway: the load goes straight to the target, so the CPU time is the target's own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import target
import venvs

from peers.peer import Room, Running


@dataclass(frozen=True)
class Direct:
    name: str = "direct"
    about: str = "no gateway; CPU time and memory are those of the target itself"

    def prepare(self, cache: Path) -> str:
        return venvs.prepare(target.ENVIRONMENT, cache)

    def start(self, room: Room) -> Running:
        return Running(room.target.process, room.target.url)
