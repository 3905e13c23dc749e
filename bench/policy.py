"""The part `policies`: decisions, lists and swaps over 10 to 10,000 policies, beside others."""

from __future__ import annotations

import json
import os
import select
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import venvs
from contestant import Folders
from policy_sheet import Drawer, Sheet
from processes import GATEWAY_CORE, memory_bytes

HERE = Path(__file__).parent
SIZES = (10, 100, 1000, 10_000)
LIMIT = 200  # decisions of one kind in one turn
SECONDS = 1.0  # or as many as go into this
TURN_SECONDS = 300.0
OURS = "Callgate"
SWAPPED = 10_000
SWAPS = 5
PROGRAM_SECONDS = 600.0


class CannotError(Exception):
    """A program ended, or said nothing in time; the message ends with what it printed last."""


@dataclass(frozen=True)
class Decider:
    """Something that decides. `environment` is one of its own, if it needs that."""

    name: str
    about: str
    program: str
    environment: venvs.Environment | None = None

    def prepare(self, cache: Path) -> str:
        """Its versions."""
        if self.environment is not None:
            return venvs.prepare(self.environment, cache)
        packages = ("callgate", "cedarpy") if self.name == OURS else ("cedarpy",)
        return ", ".join(f"{package} {version(package)}" for package in packages)

    def python(self, cache: Path) -> Path:
        found = self.environment.program(cache, "python") if self.environment is not None else None
        return found or Path(sys.executable)


DECIDERS = (
    Decider(
        OURS,
        "the whole safe path of `Engine.authorize`: plan, typed context, the policies in scope, "
        "request validation, verdict",
        "policy_callgate.py",
    ),
    Decider(
        "cedarpy",
        "the whole set: handles of policies, entities and schema parsed once, request validation; "
        "the context is given to it ready made",
        "policy_cedarpy.py",
    ),
    Decider(
        "Cedarling",
        "`authorize_unsigned` over a directory-based policy store, log off, otherwise as it comes; "
        "groups as an attribute of the principal and `contains` in the policy, because it builds "
        "unsigned principals without parents; the context is given to it ready made",
        "policy_cedarling.py",
        venvs.Environment("cedarling", ("cedarling-python==2.5.20",)),
    ),
)


@dataclass
class Found:
    """What was measured of one decider and one number of policies."""

    decider: str
    sheet: Sheet
    turns: dict[str, list[list[float]]] = field(default_factory=dict)  # kind → µs of each turn
    shown: dict[str, int] = field(default_factory=dict)  # kind of list → tools in the last one
    answers: dict[int, Any] = field(default_factory=dict)  # of the calls that all were given
    different: int | None = None  # answers that are not Callgate's
    memory_bytes: int = 0
    failure: str = ""

    def medians(self, kind: str) -> list[float]:
        """µs, one for each turn."""
        return [statistics.median(turn) for turn in self.turns.get(kind, ()) if turn]

    def late(self, kind: str) -> float:
        """The 95th percentile of µs, the median of the turns."""
        turns = [sorted(turn) for turn in self.turns.get(kind, ()) if turn]
        return statistics.median(turn[int(len(turn) * 0.95)] for turn in turns)


@dataclass
class Policies:
    """All of the part."""

    versions: dict[str, str] = field(default_factory=dict)
    found: list[Found] = field(default_factory=list)
    swap: dict[str, Any] | None = None
    check: dict[str, Any] | None = None
    failures: list[str] = field(default_factory=list)

    def of(self, decider: str, policies: int) -> Found | None:
        return next(
            (f for f in self.found if f.decider == decider and f.sheet.policies == policies), None
        )


class Program:
    """A decider at work on one folder: takes a turn when it is told to."""

    def __init__(self, decider: Decider, cache: Path, sheet: Sheet) -> None:
        self._log = sheet.folder / f"{decider.name}.log"
        with self._log.open("wb") as log:
            self._popen = subprocess.Popen(
                [decider.python(cache), HERE / decider.program, sheet.folder],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                preexec_fn=lambda: os.sched_setaffinity(0, {GATEWAY_CORE}),
            )
        try:
            self._line()
        except CannotError:
            self.stop()
            raise

    def turn(self) -> dict[str, Any]:
        assert self._popen.stdin is not None
        message = json.dumps({"limit": LIMIT, "seconds": SECONDS}).encode()
        try:
            self._popen.stdin.write(message + b"\n")
            self._popen.stdin.flush()
        except BrokenPipeError:
            raise CannotError(self._last_words()) from None
        found: dict[str, Any] = json.loads(self._line())
        return found

    def memory_bytes(self) -> int:
        return memory_bytes(self._popen.pid)

    def stop(self) -> None:
        self._popen.kill()
        self._popen.communicate()

    def _line(self) -> bytes:
        """It prints whole lines only."""
        assert self._popen.stdout is not None
        is_there, _, _ = select.select([self._popen.stdout], [], [], TURN_SECONDS)
        line = self._popen.stdout.readline() if is_there else b""
        if not line:
            raise CannotError(
                self._last_words() if is_there else f"nothing in {TURN_SECONDS:.0f} s"
            )
        return line

    def _last_words(self) -> str:
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "ended without a word"


def examine(folders: Folders, rounds: int) -> Policies:
    policies = Policies()
    drawer, room = Drawer(), folders.scratch("policies")
    able = []
    for decider in DECIDERS:
        try:
            policies.versions[decider.name] = decider.prepare(folders.venvs)
            able.append(decider)
        except Exception as problem:
            policies.failures.append(f"{decider.name}: {type(problem).__name__}: {problem}")
    for size in SIZES:
        print(f"{size} policies", flush=True)
        sheet = drawer.draw(room / str(size), size)
        policies.found += compared(able, folders.venvs, sheet, rounds)
    policies.failures += [
        f"{found.decider}, {found.sheet.policies:,} policies: {found.failure}"
        for found in policies.found
        if found.failure
    ]
    sizes = ["--policies", str(SWAPPED), "--rounds", str(SWAPS)]
    policies.swap = program(policies, "swap.py", *sizes)
    policies.check = program(policies, "policy_check.py")
    return policies


def compared(deciders: Sequence[Decider], cache: Path, sheet: Sheet, rounds: int) -> list[Found]:
    """All of them take turns; the others wait on their input meanwhile, which costs nothing."""
    all_found: list[Found] = []
    at_work: list[tuple[Program, Found]] = []
    try:
        for decider in deciders:
            all_found.append(Found(decider.name, sheet))
            try:
                at_work.append((Program(decider, cache, sheet), all_found[-1]))
                all_found[-1].memory_bytes = at_work[-1][0].memory_bytes()
            except CannotError as problem:
                all_found[-1].failure = str(problem)
        for _ in range(rounds):
            for work, found in at_work:
                take_turn(work, found)
    finally:
        for work, _ in at_work:
            work.stop()
    for found in all_found[1:]:
        found.different = differences(all_found[0], found)
    return all_found


def take_turn(work: Program, found: Found) -> None:
    if found.failure:
        return
    try:
        turn = work.turn()
    except CannotError as problem:
        found.failure = str(problem)
        return
    for kind, said in turn.items():
        found.turns.setdefault(kind, []).append(said["us"])
        if "shown" in said:
            found.shown[kind] = said["shown"]
    found.answers.update(dict(turn["decided"]["answers"]))
    print(f"  {found.decider}: {in_a_line(found)}", flush=True)


def differences(ours: Found, theirs: Found) -> int:
    """How many calls they answer otherwise. Of a refusal, Callgate need not say every policy."""
    both = ours.answers.keys() & theirs.answers.keys()
    return sum(said(ours.answers[one]) != said(theirs.answers[one]) for one in both)


def said(answer: tuple[bool, list[str]]) -> list[str] | None:
    is_permitted, reasons = answer
    return reasons if is_permitted else None


def in_a_line(found: Found) -> str:
    kinds = (
        f"{kind} {found.medians(kind)[-1]:,.1f} µs" for kind in found.turns if found.turns[kind][-1]
    )
    return ", ".join([*kinds, f"{found.memory_bytes / 1e6:.0f} MB"])


def program(policies: Policies, name: str, *words: str) -> dict[str, Any] | None:
    """What a program prints as its last line, on both cores."""
    print(name, flush=True)
    command = [sys.executable, str(HERE / name), *words]
    try:
        done = subprocess.run(command, capture_output=True, timeout=PROGRAM_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        policies.failures.append(f"{name}: nothing in {PROGRAM_SECONDS:.0f} s")
        return None
    lines = done.stdout.decode().strip().splitlines()
    if done.returncode or not lines:
        problem = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        policies.failures.append(f"{name}: {''.join(problem) or 'printed nothing'}")
        return None
    found: dict[str, Any] = json.loads(lines[-1])
    print(f"  {found}", flush=True)
    return found
