"""What entries refer to by its digest: definitions of tools, and texts of policies, as events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from callgate.audit.event import POLICIES_DEFINED, TOOL_DEFINED, event
from callgate.audit.record import Entry
from callgate.model import Json, Tool, Value


class PolicyText(Value):
    """One policy as it was written, and where."""

    id: str
    source: str  # file name
    line: int
    text: str


class World(Value):
    """What a set of policies was read with: without it, they could mean something else."""

    namespace: str
    gateway: str
    mode: str  # enforce | observe
    facts: Mapping[str, Mapping[str, str]] = {}  # interceptor → fact → its type

    def told(self) -> dict[str, Json]:
        """As the record has it."""
        return {
            "namespace": self.namespace,
            "gateway": self.gateway,
            "mode": self.mode,
            "enriches": {name: dict(facts) for name, facts in self.facts.items()},
        }


def tool_id(digest: str) -> str:
    """The id of the event that defines a tool."""
    return f"tool:{digest}"


def tool_defined(tool: Tool, at: float) -> Entry:
    """A tool exactly as its target defined it. Of several with one definition, the first."""
    payload = {"target": tool.target, "name": tool.name, "definition": tool.definition}
    said = {"sha256": tool.digest, "method": tool.method}
    return event(TOOL_DEFINED, at, said, identifier=tool_id(tool.digest), payload=payload)


def policies_id(version: str) -> str:
    """The id of the event that defines a set of policies."""
    return f"policies:{version}"


def policies_defined(version: str, texts: Iterable[PolicyText], world: World, at: float) -> Entry:
    """A set of policies, whole: enough to decide by it again."""
    listed = [
        {"id": one.id, "source": one.source, "line": one.line, "text": one.text} for one in texts
    ]
    said = {"version": version, "count": len(listed)}
    payload = {"policies": listed, **world.told()}
    return event(POLICIES_DEFINED, at, said, identifier=policies_id(version), payload=payload)
