"""What shadow policies would have done, counted over recorded calls."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from callgate.model import Json, qualify

MAX_EXAMPLES = 5


@dataclass(slots=True)
class Shadowed:
    """One shadow policy: the calls whose verdict it would have turned."""

    policy: str
    refuses: int = 0  # calls that it would have refused
    permits: int = 0  # calls that it would have let through
    tools: Counter[str] = field(default_factory=Counter)
    principals: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)  # ids of calls, the newest first


@dataclass(slots=True)
class Report:
    """All shadow policies that turned anything, and how many calls were looked at."""

    decided: int = 0
    policies: dict[str, Shadowed] = field(default_factory=dict)

    def add(self, calls: Iterable[dict[str, Json]]) -> None:
        """Counts calls in, each as `audit.explain.whole` has it."""
        for call in calls:
            decision = call.get("decision")
            if decision is None:
                continue
            self.decided += 1
            for flip in decision.get("flips") or ():
                self._add(call, flip)

    def _add(self, call: dict[str, Json], flip: dict[str, Json]) -> None:
        name = flip["policy"]
        of = self.policies.setdefault(name, Shadowed(policy=name))
        if flip["would"] == "refuse":
            of.refuses += 1
        else:
            of.permits += 1
        target, tool = call.get("target"), call.get("tool")
        of.tools[qualify(target, tool) if target and tool else str(call.get("name"))] += 1
        of.principals[(call.get("principal") or {}).get("id") or "nobody"] += 1
        if len(of.examples) < MAX_EXAMPLES:
            of.examples.append(call["call"])
