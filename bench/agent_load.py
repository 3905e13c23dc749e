"""One measurement with `agents.py`, which makes the load that wrk cannot make."""

from __future__ import annotations

import json
import select
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from agents import Job, Summary, Turn
from load import pin_to_load_core, wait_until_idle
from peers.peer import Running
from processes import cpu_seconds
from target import Target

PROGRAM = Path(__file__).with_name("agents.py")
WARM_UP = Turn(seconds=0.5, patience=20.0)
PATIENCE_SECONDS = 30.0
START_SECONDS = 60.0


class CannotError(Exception):
    """Not one call of this kind works with this peer; the message shows what came instead."""


@dataclass(frozen=True)
class Found:
    """`own_us_per_call`: CPU time of the load itself. `errors`: wrong replies and broken ones."""

    cpu_us_per_call: float
    calls_per_second: float
    p50_ms: float
    p99_ms: float
    own_us_per_call: float
    errors: int
    sample: str


class Agents:
    """The running program. Its errors go to a log, whose end is told if it dies."""

    def __init__(self, job: Job, log: Path) -> None:
        self._log = log
        with log.open("wb") as errors:
            self._popen = subprocess.Popen(
                [sys.executable, str(PROGRAM)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                preexec_fn=pin_to_load_core,
            )
        try:
            self._tell(asdict(job))
            self._line(START_SECONDS)
        except CannotError:
            self.stop()
            raise

    def take_turn(self, turn: Turn) -> Summary:
        self._tell(asdict(turn))
        return Summary(**json.loads(self._line(turn.seconds + turn.patience + START_SECONDS)))

    def stop(self) -> None:
        self._popen.kill()
        self._popen.wait()
        for pipe in (self._popen.stdin, self._popen.stdout):
            assert pipe is not None
            pipe.close()

    def _tell(self, message: dict[str, Any]) -> None:
        assert self._popen.stdin is not None
        try:
            self._popen.stdin.write(json.dumps(message).encode() + b"\n")
            self._popen.stdin.flush()
        except BrokenPipeError:
            raise CannotError(self._last_words()) from None

    def _line(self, seconds: float) -> bytes:
        """It prints whole lines only, one for each that it is told."""
        assert self._popen.stdout is not None
        is_there, _, _ = select.select([self._popen.stdout], [], [], seconds)
        line = self._popen.stdout.readline() if is_there else b""
        if not line:
            raise CannotError(self._last_words() if is_there else f"nothing within {seconds:.0f} s")
        return line

    def _last_words(self) -> str:
        lines = self._log.read_text(errors="replace").split("\n")
        return next((line.strip(" |+-") for line in reversed(lines) if line.strip(" |+-")), "ended")


def measure(running: Running, target: Target, job: Job, seconds: int, log: Path) -> Found:
    """Raises CannotError if no call at all works, which the warm-up shows."""
    agents = Agents(job, log)
    try:
        warm_up = agents.take_turn(WARM_UP)
        if not warm_up.calls:
            raise CannotError(warm_up.sample)
        return measure_warm(agents, running, target, seconds)
    finally:
        agents.stop()


def measure_warm(agents: Agents, running: Running, target: Target, seconds: int) -> Found:
    wait_until_idle(running.process.pid)
    calls_before, cpu_before = target.calls_seen(), cpu_seconds(running.process.pid)
    summary = agents.take_turn(Turn(seconds, PATIENCE_SECONDS))
    wait_until_idle(running.process.pid)
    cpu = cpu_seconds(running.process.pid) - cpu_before
    seen = target.calls_seen() - calls_before
    calls = max(summary.calls, 1)
    return Found(
        cpu_us_per_call=cpu * 1e6 / max(seen, 1),
        calls_per_second=summary.calls / summary.seconds,
        p50_ms=summary.p50_ms,
        p99_ms=summary.p99_ms,
        own_us_per_call=summary.own_cpu_seconds * 1e6 / calls,
        errors=summary.wrong + summary.broken + max(summary.calls - seen, 0),
        sample=summary.sample,
    )
