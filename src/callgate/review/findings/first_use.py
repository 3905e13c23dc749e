"""The rule `first_use`: a tool that this principal has never used before."""

from __future__ import annotations

from collections.abc import Iterator

from callgate.review.finding import Finding, Scene, Severity, at
from callgate.review.kinds import is_deleting, is_sending

MIN_CALLS = 20  # of a history: in a shorter one, everything is new


def find(scene: Scene) -> Iterator[Finding]:
    """One for each such tool; a notice where it sends or deletes."""
    if scene.history.calls < MIN_CALLS:
        return
    known = scene.history
    for tool, steps in scene.by_tool.items():
        used = [step for step in steps if step.ran != "no" or step.code == "ok"]
        if not used or tool in known.tools:
            continue
        acts = is_sending(tool) or is_deleting(tool)
        since = "ever" if known.is_whole else f"in the {known.calls} calls before"
        yield Finding(
            rule="first_use",
            severity=Severity.NOTICE if acts else Severity.NOTE,
            sentence=f"{used[0].principal} used {tool} for the first time {since}.",
            places=tuple(map(at, used[:10])),
        )
