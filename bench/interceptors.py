"""The part `interceptors`: what it costs to ask them, on the whole call path without HTTP."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from contestant import Folders
from processes import GATEWAY_CORE

HERE = Path(__file__).parent
TURNS_PER_ROUND = 3
PROGRAM_SECONDS = 900.0
NO_OPS_US = 30.0  # ten of them, per call
REDACT_MS = 0.5  # a clean result of 10 KB
NO_OPS = ("10 async no-ops on requests", "10 async no-ops on results")
REDACTED = ("redact, clean text of 10 KB", "redact, clean rows of 10 KB")

INTRODUCTION = """\
## Interceptors

Calls through every stage, with a target in memory and the record in memory (`callgate.testing`),
without HTTP; CPU time of all threads of the process. Every row is the difference to the same call
without the interceptor, which takes its turns beside it; the median of the turns, in brackets the
lowest and the highest. A no-op is an `async def` that returns None. Guards look at one field
(`bench/interceptors_work.py`) and let it pass; the URL is not resolved.

| | CPU µs per call |
|---|--:|"""


@dataclass
class Interceptors:
    """µs of each turn, by what was measured; or why not."""

    found: dict[str, list[float]] = field(default_factory=dict)
    failure: str = ""


def examine(folders: Folders, rounds: int) -> Interceptors:
    """One process, pinned to the gateway's core: turns of all rows in a round."""
    folders.scratch("interceptors")
    command = [sys.executable, str(HERE / "interceptors_work.py"), str(rounds * TURNS_PER_ROUND)]
    print("interceptors", flush=True)
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            timeout=PROGRAM_SECONDS,
            check=False,
            preexec_fn=lambda: os.sched_setaffinity(0, {GATEWAY_CORE}),
        )
    except subprocess.TimeoutExpired:
        return Interceptors(failure=f"nothing in {PROGRAM_SECONDS:.0f} s")
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        return Interceptors(failure=lines[-1] if lines else "ended without a word")
    said = json.loads(done.stdout.decode().strip().splitlines()[-1])
    found = {one["name"]: one["us"] for one in said}
    for name, values in found.items():
        print(f"  {name}: {statistics.median(values):,.1f} µs", flush=True)
    return Interceptors(found=found)


def section(interceptors: Interceptors) -> str:
    if interceptors.failure:
        return f"## Interceptors\n\nNot measured: {interceptors.failure}\n"
    lines = [
        f"| {'the call without any' if name == 'nothing' else name} | {spread(values)} |"
        for name, values in interceptors.found.items()
    ]
    return "\n".join([INTRODUCTION, *lines, ""])


def spread(values: list[float]) -> str:
    middle, low, high = statistics.median(values), min(values), max(values)
    digits = 1 if middle < 100 else 0
    return f"{middle:,.{digits}f} ({low:,.{digits}f} to {high:,.{digits}f})"


def target_lines(interceptors: Interceptors | None) -> list[tuple[str, str, bool]]:
    """(what, what was measured, whether it is met)."""
    lines = []
    for name, us in medians(interceptors) if interceptors is not None else ():
        if name in NO_OPS:
            lines.append((f"{name} under {NO_OPS_US:.0f} µs", f"{us:.1f} µs", us < NO_OPS_US))
        if name in REDACTED:
            ms = us / 1e3
            lines.append((f"{name} under {REDACT_MS} ms", f"{ms:.2f} ms", ms < REDACT_MS))
    return lines


def medians(interceptors: Interceptors) -> list[tuple[str, float]]:
    return [(name, statistics.median(values)) for name, values in interceptors.found.items()]
