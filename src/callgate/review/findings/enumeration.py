"""The rule `enumeration`: one argument that is counted up, or guessed, call by call."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from callgate.review.finding import Finding, Scene, Severity, at
from callgate.review.kinds import words_of
from callgate.review.leaves import Leaf, leaves
from callgate.review.steps import Step

MIN_IN_ROW = 5  # ids that follow each other
MIN_VALUES = 20  # different ones, of which none came from an earlier result
MOST_KNOWN = 0.2  # the share of values that may have come from an earlier result
_WORDS = (
    "page offset start limit skip cursor line index position count n "
    "amount price total sum quantity size month day year"
)
NO_IDS = frozenset(_WORDS.split())  # of names: what is counted for its own sake
_TAIL = re.compile(r"^(.*?)(\d{1,18})$", re.DOTALL)


def find(scene: Scene) -> Iterator[Finding]:
    """One for each argument of a tool. Values that earlier results listed are worked through."""
    known = {(flow.sink, flow.sink_path) for flow in scene.flows}
    for tool, steps in scene.by_tool.items():
        for path, values in _by_path(steps).items():
            fresh = [(step, leaf) for step, leaf in values if (step.number, path) not in known]
            if len(values) - len(fresh) > MOST_KNOWN * len(values):
                continue
            yield from _found(tool, path, fresh)


def _by_path(steps: Sequence[Step]) -> dict[str, list[tuple[Step, Leaf]]]:
    found: dict[str, list[tuple[Step, Leaf]]] = {}
    for step in steps:
        for leaf in leaves(step.arguments):
            if not _is_no_id(leaf) and len(str(leaf.value)) <= 200:
                found.setdefault(leaf.path, []).append((step, leaf))
    return found


def _is_no_id(leaf: Leaf) -> bool:
    return not NO_IDS.isdisjoint(words_of(leaf.field))


def _found(tool: str, path: str, values: list[tuple[Step, Leaf]]) -> Iterator[Finding]:
    run = _longest_run(values)
    distinct = {leaf.value for _, leaf in values}
    is_id = bool(run) and not any(letter.isspace() for letter in str(run[0][1].value))
    if len(run) >= (MIN_IN_ROW if is_id else MIN_VALUES):
        first, last = run[0][1].value, run[-1][1].value
        sentence = f"{tool} was called with {path} counted from {first} to {last}."
    elif len(distinct) >= MIN_VALUES and len(distinct) > 0.9 * len(values):
        run = values
        sentence = (
            f"{tool} was called with {len(distinct)} different values of {path}, "
            "which no earlier result had listed."
        )
        if any(" " in str(value) for value in distinct):
            return  # texts that are written, not ids that are tried
    else:
        return
    failed = sum(step.code != "ok" or step.is_failed for step, _ in run)
    yield Finding(
        rule="enumeration",
        severity=Severity.WARNING if failed * 2 >= len(run) else Severity.NOTICE,
        sentence=sentence + (f" {failed} of these calls came to nothing." if failed else ""),
        places=tuple(at(step, path) for step, _ in run[:50]),
    )


def _longest_run(values: list[tuple[Step, Leaf]]) -> list[tuple[Step, Leaf]]:
    """The longest row of calls whose values count up or down by one."""
    longest: list[tuple[Step, Leaf]] = []
    row: list[tuple[Step, Leaf]] = []
    before: tuple[str, int] | None = None
    direction = 0
    for step, leaf in values:
        now = _counted(leaf.value)
        by = now[1] - before[1] if now and before and now[0] == before[0] else 0
        if abs(by) == 1 and direction in (0, by):
            direction = by
            row.append((step, leaf))
        elif by == 0 and now is not None and now == before:
            continue  # the same once more
        else:
            row, direction = [(step, leaf)], 0
        before = now
        if len(row) > len(longest):
            longest = list(row)
    return longest


def _counted(value: str | int | float) -> tuple[str, int] | None:
    if isinstance(value, int):
        return "", value
    match = _TAIL.match(str(value)) if isinstance(value, str) else None
    return (match[1], int(match[2])) if match is not None else None
