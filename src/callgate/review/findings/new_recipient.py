"""The rule `new_recipient`: something is sent to somebody this principal never sent to before."""

from __future__ import annotations

from collections.abc import Iterator

from callgate.review.finding import Finding, Place, Scene, Severity, at
from callgate.review.kinds import is_sending
from callgate.review.recipients import recipients

MIN_CALLS = 20  # of a history: in a shorter one, everybody is new


def find(scene: Scene) -> Iterator[Finding]:
    """One for each receiver; a warning where nobody else at its domain was known either."""
    if scene.history.calls < MIN_CALLS:
        return
    found: dict[str, list[Place]] = {}
    new_domains: dict[str, bool] = {}
    tools: dict[str, str] = {}
    for step in scene.calls:
        if step.ran == "no" or not is_sending(step.tool):
            continue
        for one in recipients(step.arguments):
            if one.name not in scene.history.recipients:
                found.setdefault(one.name, []).append(at(step, one.path))
                new_domains[one.name] = bool(one.domain) and (
                    one.domain not in scene.history.domains
                )
                tools.setdefault(one.name, step.tool)
    for name, places in found.items():
        is_foreign = new_domains[name]
        domain = ", at a domain that was never met either" if is_foreign and "@" in name else ""
        yield Finding(
            rule="new_recipient",
            severity=Severity.WARNING if is_foreign else Severity.NOTICE,
            sentence=f"{tools[name]} sent to {name} for the first time{domain}.",
            places=tuple(places[:10]),
        )
