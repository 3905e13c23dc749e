"""The rule `retries_after_withholding`: a result was kept back, and the call is tried otherwise."""

from __future__ import annotations

from collections.abc import Iterator

from callgate.review.finding import Finding, Scene, Severity, at
from callgate.review.steps import Step

MIN_RETRIES = 2


def find(scene: Scene) -> Iterator[Finding]:
    """One for each tool: what came after the first result of it that was kept back."""
    for tool, steps in scene.by_tool.items():
        first = next((step for step in steps if step.is_withheld), None)
        if first is None:
            continue
        later = [
            step
            for step in steps
            if step.number > first.number and step.arguments != first.arguments
        ]
        retries = _different(later)
        if len(retries) < MIN_RETRIES:
            continue
        through = [step for step in retries if step.code == "ok"]
        yield Finding(
            rule="retries_after_withholding",
            severity=Severity.WARNING if through else Severity.NOTICE,
            sentence=(
                f"After a result of {tool} was kept back, it was called {len(retries)} times with "
                f"other arguments; {len(through)} of the results were delivered."
            ),
            places=(at(first), *map(at, retries[:20])),
        )


def _different(steps: list[Step]) -> list[Step]:
    found: list[Step] = []
    for step in steps:
        if all(step.arguments != other.arguments for other in found[-20:]):
            found.append(step)
    return found
