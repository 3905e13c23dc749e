"""The part `record`: what it costs to keep the record, to find something in it and to prove it."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from contestant import Folders

HERE = Path(__file__).parent
PROGRAM_SECONDS = 1800.0

INTRODUCTION = """\
## The record

Every row is measured through the real store, in a process of its own with both cores, in a new
file on this machine's disk. The median of the turns, in brackets the lowest and the highest.

| | measured |
|---|--:|"""


@dataclass(frozen=True)
class Program:
    """Prints a JSON array of rows: `what`, `found` (a figure of each turn), `unit`, and `limit`
    (`most` or `least`) where there is a target. Its last argument is an empty directory."""

    file: str
    arguments: tuple[str, ...] = ()


PROGRAMS = (
    Program("record_writing.py"),
    Program("record_postgres.py"),
    Program("record_queries.py"),
    Program("record_replay.py"),
    Program("record_proving.py"),
)


@dataclass(frozen=True)
class Row:
    what: str
    found: list[float]
    unit: str
    most: float | None = None
    least: float | None = None

    @property
    def median(self) -> float:
        return statistics.median(self.found)

    @property
    def is_met(self) -> bool:
        above = self.least is None or self.median >= self.least
        return above and (self.most is None or self.median <= self.most)


@dataclass
class Record:
    """What was measured, and why something was not."""

    rows: list[Row] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


def examine(folders: Folders, rounds: int) -> Record:
    """One program after the other."""
    found = Record()
    for program in PROGRAMS:
        print(f"record: {program.file}", flush=True)
        scratch = folders.scratch(f"record {program.file}")
        try:
            rows = run(program, rounds, scratch)
        except (RuntimeError, ValueError, subprocess.TimeoutExpired) as problem:
            found.failures.append(f"{program.file}: {problem}")
            continue
        for row in rows:
            print(f"  {row.what}: {shown(row)}", flush=True)
        found.rows += rows
    return found


def run(program: Program, rounds: int, scratch: Path) -> list[Row]:
    command = [sys.executable, str(HERE / program.file), *program.arguments]
    done = subprocess.run(
        [*command, str(rounds), str(scratch)],
        capture_output=True,
        timeout=PROGRAM_SECONDS,
        check=False,
        preexec_fn=lambda: os.sched_setaffinity(0, {0, 1}),
    )
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        raise RuntimeError(lines[-1] if lines else "ended without a word")
    return [Row(**one) for one in json.loads(done.stdout.decode().strip().splitlines()[-1])]


def section(record: Record) -> str:
    lines = [f"| {row.what} | {shown(row)} |" for row in record.rows]
    missing = [f"\nNot measured: {failure}\n" for failure in record.failures]
    return "\n".join([INTRODUCTION, *lines, *missing, ""])


def shown(row: Row) -> str:
    low, high = min(row.found), max(row.found)
    digits = 0 if row.median >= 1000 else 1 if row.median >= 10 else 2
    figures = f"{row.median:,.{digits}f} ({low:,.{digits}f}–{high:,.{digits}f})"
    return f"{figures} {row.unit}"


def target_lines(record: Record | None) -> list[tuple[str, str, bool]]:
    """(what, what was measured, whether it is met)."""
    lines = []
    for row in record.rows if record is not None else ():
        if row.most is not None:
            limit = f"at most {row.most:,g} {row.unit}"
        elif row.least is not None:
            limit = f"at least {row.least:,g} {row.unit}"
        else:
            continue
        lines.append((f"{row.what}: {limit}", f"{row.median:,.1f} {row.unit}", row.is_met))
    return lines
