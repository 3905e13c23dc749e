"""The rule `definition_drift`: a tool is not what it was, within the run or since the last use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from callgate.audit.patch import patch, paths_of
from callgate.model import Json
from callgate.review.finding import Finding, Scene, Severity, at
from callgate.review.steps import Step


def find(scene: Scene) -> Iterator[Finding]:
    """One for each change of a tool; a warning where it happened in the middle of the run."""
    for tool, steps in scene.by_tool.items():
        before = scene.history.definitions.get(tool)
        last: Step | None = None
        for step in steps:
            if step.sha256 is None:
                continue
            if before is not None and step.sha256 != before:
                yield _changed(scene, tool, before, last, step)
            before, last = step.sha256, step


def _changed(scene: Scene, tool: str, before: str, last: Step | None, step: Step) -> Finding:
    when = f"since call {last.number} of this run" if last is not None else "since its last use"
    what = _what(scene.definitions.get(before), scene.definition(step))
    return Finding(
        rule="definition_drift",
        severity=Severity.WARNING if last is not None else Severity.NOTICE,
        sentence=f"The definition of {tool} has changed {when}{what}.",
        places=tuple(at(one) for one in (last, step) if one is not None),
    )


def _what(before: Mapping[str, Json] | None, after: Mapping[str, Json] | None) -> str:
    if before is None or after is None:
        return ""
    changed = paths_of(patch(dict(before), dict(after)))
    return f": {', '.join(changed[:5])}" + (" and more" if len(changed) > 5 else "")
