"""The rule `evidence_destroyed`: what a run made or sent is deleted again, or its traces are."""

from __future__ import annotations

from collections.abc import Iterator

from callgate.review.finding import Finding, Scene, Severity, at
from callgate.review.kinds import is_deleting, is_making, is_of_traces, is_sending
from callgate.review.leaves import leaves
from callgate.review.steps import Step

MIN_ID = 3  # letters of what both calls name


def find(scene: Scene) -> Iterator[Finding]:
    """One for each deletion. That a run tidies up what it only made is a note."""
    made: set[int] = set()
    given: dict[tuple[str | None, str], int] = {}  # target and a value → the last that was given it
    for step in scene.calls:
        if step.ran == "no":
            continue
        if is_deleting(step.tool):
            yield from _deleted(scene, step, made, given)
        elif is_making(step.tool) or is_sending(step.tool):
            made.add(step.number)
            for leaf in leaves(step.arguments):
                if len(_text(leaf.value)) >= MIN_ID:
                    given[step.target, _text(leaf.value)] = step.number


def _deleted(
    scene: Scene, step: Step, made: set[int], given: dict[tuple[str | None, str], int]
) -> Iterator[Finding]:
    number, path = _in_common(scene, step, made, given)
    if number:
        other = scene.step(number)
        was_sent = is_sending(other.tool)
        yield Finding(
            rule="evidence_destroyed",
            severity=Severity.WARNING if was_sent else Severity.NOTE,
            sentence=f"{step.tool} deleted what {other.tool} had {'sent' if was_sent else 'made'}"
            f" in call {other.number}.",
            places=(at(other), at(step, path)),
        )
    elif is_of_traces(step.tool):
        yield Finding(
            rule="evidence_destroyed",
            severity=Severity.WARNING,
            sentence=f"{step.tool} deleted what tells of the past.",
            places=(at(step),),
        )


def _in_common(
    scene: Scene, deleted: Step, made: set[int], given: dict[tuple[str | None, str], int]
) -> tuple[int, str]:
    """What made the thing, by what it returned or was given, and where the deletion names it."""
    found = [
        (flow.source, flow.sink_path)
        for flow in scene.flows_into.get(deleted.number, ())
        if flow.source in made and scene.step(flow.source).target == deleted.target
    ]
    for leaf in leaves(deleted.arguments):
        number = given.get((deleted.target, _text(leaf.value)))
        if number is not None:
            found.append((number, leaf.path))
    return max(found, default=(0, ""))


def _text(value: str | int | float) -> str:
    return str(value).strip().casefold()
