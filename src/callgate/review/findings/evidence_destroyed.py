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
    made: list[Step] = []
    for step in scene.calls:
        if step.ran == "no":
            continue
        if is_deleting(step.tool):
            yield from _deleted(scene, made, step)
        elif is_making(step.tool) or is_sending(step.tool):
            made.append(step)


def _deleted(scene: Scene, made: list[Step], step: Step) -> Iterator[Finding]:
    for other in reversed(made):
        path = _in_common(scene, other, step)
        if path is None:
            continue
        was_sent = is_sending(other.tool)
        yield Finding(
            rule="evidence_destroyed",
            severity=Severity.WARNING if was_sent else Severity.NOTE,
            sentence=f"{step.tool} deleted what {other.tool} had {'sent' if was_sent else 'made'}"
            f" in call {other.number}.",
            places=(at(other), at(step, path)),
        )
        return
    if is_of_traces(step.tool):
        yield Finding(
            rule="evidence_destroyed",
            severity=Severity.WARNING,
            sentence=f"{step.tool} deleted what tells of the past.",
            places=(at(step),),
        )


def _in_common(scene: Scene, made: Step, deleted: Step) -> str | None:
    """Where the deletion names what the other call returned, or was given; None where nowhere."""
    if made.target != deleted.target:
        return None
    for flow in scene.flows_into.get(deleted.number, ()):
        if flow.source == made.number:
            return flow.sink_path
    given = {_text(leaf.value) for leaf in leaves(made.arguments)}
    for leaf in leaves(deleted.arguments):
        if len(_text(leaf.value)) >= MIN_ID and _text(leaf.value) in given:
            return leaf.path
    return None


def _text(value: str | int | float) -> str:
    return str(value).strip().casefold()
