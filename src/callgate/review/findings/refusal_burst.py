"""The rule `refusal_burst`: many refusals within a short time, as of somebody who tries doors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from callgate.review.finding import Finding, Scene, Severity, at
from callgate.review.steps import Step

MIN_REFUSALS = 5
WITHIN_SECONDS = 120.0
MANY_TOOLS = 3  # different ones: it looks for one that is open


def find(scene: Scene) -> Iterator[Finding]:
    """One for each stretch. Arguments that did not fit the schema are slips, and do not count."""
    refused = [step for step in scene.steps if step.is_refused and step.code not in _SLIPS]
    for stretch in _stretches(refused):
        tools = Counter(step.tool for step in stretch)
        some = ", ".join(f"{name} ({count})" for name, count in tools.most_common(3))
        seconds = stretch[-1].received_at - stretch[0].received_at
        yield Finding(
            rule="refusal_burst",
            severity=Severity.WARNING if len(tools) >= MANY_TOOLS else Severity.NOTICE,
            sentence=f"{len(stretch)} calls were refused within {seconds:.0f} seconds: {some}.",
            places=tuple(map(at, stretch[:50])),
        )


_SLIPS = frozenset({"invalid_arguments", "unknown_tool", "invalid_state"})


def _stretches(refused: list[Step]) -> Iterator[list[Step]]:
    """Refusals of which each five in a row lie close together."""
    start, end = 0, 0
    for index in range(len(refused) - MIN_REFUSALS + 1):
        last = index + MIN_REFUSALS
        if refused[last - 1].received_at - refused[index].received_at > WITHIN_SECONDS:
            continue
        if index >= end:
            if end:
                yield refused[start:end]
            start = index
        end = last
    if end:
        yield refused[start:end]
