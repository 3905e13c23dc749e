"""What differs between two runs of the suite, and which differences are allowed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import yaml

from conformance.suite import Check, Results

BASELINE = Path(__file__).parent / "baseline.yml"
FIELDS = ("cell", "scenario", "check", "why")


class BaselineError(Exception):
    """The baseline itself is wrong."""


@dataclass(frozen=True)
class Difference:
    """One check of one scenario, as it went directly and through the gateway."""

    scenario: str
    check: str
    direct: tuple[tuple[str, int], ...]  # (status, how often)
    through: tuple[tuple[str, int], ...]
    is_worse: bool

    def __str__(self) -> str:
        ways = f"{_shown(self.direct)} → {_shown(self.through)}"
        return f"{self.scenario}: {self.check}: {ways}{'' if self.is_worse else ' (not worse)'}"


@dataclass(frozen=True)
class Allowed:
    """A line of the baseline: a check of a cell that may be worse, and why."""

    cell: str
    scenario: str
    check: str
    why: str


def differences(direct: Results, through: Results) -> list[Difference]:
    """Every check whose verdicts differ, in order."""
    found = []
    for scenario in sorted(direct.keys() | through.keys()):
        before = _verdicts(direct.get(scenario, ()))
        after = _verdicts(through.get(scenario, ()))
        for check in sorted(before.keys() | after.keys()):
            was, became = before.get(check, Counter()), after.get(check, Counter())
            if was != became:
                difference = Difference(
                    scenario, check, _sorted(was), _sorted(became), _is_worse(was, became)
                )
                found.append(difference)
    return found


def failing(results: Results, scenarios: Collection[str]) -> list[str]:
    """Of these scenarios, those that did not run or have a check that failed."""
    return sorted(
        scenario
        for scenario in scenarios
        if not results.get(scenario)
        or any(check.status == "FAILURE" for check in results[scenario])
    )


def passed(results: Results) -> int:
    """How many checks passed."""
    return _count(results, "SUCCESS")


def failed(results: Results) -> int:
    """How many checks failed."""
    return _count(results, "FAILURE")


def read_baseline(cells: Collection[str], path: Path = BASELINE) -> list[Allowed]:
    """The allowed differences; raises where a line is incomplete, unknown or there twice."""
    lines = yaml.safe_load(path.read_text("utf-8")) or []
    allowed = []
    for number, line in enumerate(lines, 1):
        if not isinstance(line, dict):
            raise BaselineError(f"entry {number} is no mapping: {line}")
        missing = [field for field in FIELDS if not str(line.get(field) or "").strip()]
        unknown = sorted(line.keys() - set(FIELDS))
        if missing or unknown:
            raise BaselineError(f"entry {number}: missing {missing}, unknown {unknown}: {line}")
        if line["cell"] not in cells:
            raise BaselineError(f"entry {number}: no differences are allowed in {line['cell']}")
        allowed.append(Allowed(*(str(line[field]).strip() for field in FIELDS)))
    places = Counter((one.cell, one.scenario, one.check) for one in allowed)
    twice = sorted(place for place, times in places.items() if times > 1)
    if twice:
        raise BaselineError(f"there twice: {twice}")
    return allowed


def against_baseline(
    cell: str, found: Iterable[Difference], allowed: Iterable[Allowed]
) -> tuple[list[Difference], list[Allowed]]:
    """The differences for the worse that no line allows; the lines that nothing needs any more.

    A line may stand for several checks with one cause: `*` in it stands for anything.
    """
    worse = [one for one in found if one.is_worse]
    lines = [one for one in allowed if one.cell == cell]
    unexpected = [one for one in worse if not any(_allows(line, one) for line in lines)]
    stale = [line for line in lines if not any(_allows(line, one) for one in worse)]
    return unexpected, stale


def _allows(line: Allowed, difference: Difference) -> bool:
    return fnmatchcase(difference.scenario, line.scenario) and fnmatchcase(
        difference.check, line.check
    )


def _verdicts(checks: Iterable[Check]) -> dict[str, Counter[str]]:
    by_check: dict[str, Counter[str]] = {}
    for check in checks:
        if check.is_verdict:
            by_check.setdefault(check.id, Counter())[check.status] += 1
    return by_check


def _is_worse(was: Counter[str], became: Counter[str]) -> bool:
    def doubtful(verdicts: Counter[str]) -> int:
        return verdicts["FAILURE"] + verdicts["WARNING"]

    return (
        became["SUCCESS"] < was["SUCCESS"]
        or became["FAILURE"] > was["FAILURE"]
        or doubtful(became) > doubtful(was)
    )


def _count(results: Results, status: str) -> int:
    return sum(check.status == status for checks in results.values() for check in checks)


def _sorted(verdicts: Counter[str]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(verdicts.items()))


def _shown(verdicts: tuple[tuple[str, int], ...]) -> str:
    return ", ".join(f"{times}x {status}" for status, times in verdicts) or "nothing"
