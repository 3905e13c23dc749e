"""Interceptors at their places: which are asked of what, in declared order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from callgate.model import Call, Tool
from callgate.pipeline.breaker import Gate
from callgate.protocol.methods import METHODS
from callgate.scrutiny import Interceptor, Passive

MAX_REMEMBERED = 20_000
REQUEST, RESULT, ERROR, MESSAGE, LIST = "request", "result", "error", "message", "list"
POINTS = (REQUEST, RESULT, ERROR, MESSAGE, LIST)


class Condition(Protocol):
    """When an interceptor is asked at all."""

    def holds(self, call: Call) -> bool:
        """Whether it is asked about this call. True where it cannot be said: then it looks."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """One interceptor at its place in the chain."""

    name: str
    interceptor: Interceptor
    phases: frozenset[str]  # of POINTS; `result` holds `error`
    targets: frozenset[str] | None = None  # None: every target
    tools: frozenset[str] | None = None  # qualified names; None: every tool
    methods: frozenset[str] | None = None  # of MCP; None: every one
    condition: Condition | None = None
    timeout_seconds: float = 5.0
    may_fail: bool = False  # on_failure: allow
    is_observing: bool = False  # it is asked, and what it wants is only recorded
    headers: frozenset[str] = frozenset()  # of the request, that it may see; lower-case
    facts: Mapping[str, str] = field(default_factory=dict)  # declared enrichments: name → type
    gate: Gate = field(default_factory=Gate)
    may_skip: bool = field(init=False)
    """Whether it ever can tell from the bytes alone that there is nothing to look at."""

    def __post_init__(self) -> None:
        may_skip = type(self.interceptor).may_skip is not Passive.may_skip
        object.__setattr__(self, "may_skip", may_skip)

    def applies(self, phase: str, tool: Tool) -> bool:
        """Whether it is asked about this tool in this phase."""
        is_wanted = phase in self.phases or (phase == ERROR and RESULT in self.phases)
        if not is_wanted or METHODS[tool.method].is_list is not (phase == LIST):
            return False
        if self.methods is not None and tool.method not in self.methods:
            return False
        if phase == LIST:
            return True  # which of the items are its business is told by their targets
        if self.targets is not None and tool.target not in self.targets:
            return False
        return self.tools is None or tool.qualified_name in self.tools

    def is_asked_about(self, call: Call) -> bool:
        """Whether its condition, where it has one, holds for this call."""
        return self.condition is None or self.condition.holds(call)

    @property
    def mode(self) -> str:
        """As records have it."""
        return "observe" if self.is_observing else "enforce"


class Chain:
    """All attachments in declared order."""

    def __init__(self, attachments: tuple[Attachment, ...] = ()) -> None:
        self.attachments = attachments
        self.headers = frozenset().union(*(one.headers for one in attachments))
        self.tells_errors_apart = any(
            ERROR in one.phases and RESULT not in one.phases for one in attachments
        )
        self._selected: dict[tuple[str, str, str], tuple[Attachment, ...]] = {}

    def select(self, phase: str, tool: Tool) -> tuple[Attachment, ...]:
        """Those to ask, in order."""
        key = (phase, tool.target, tool.name)
        chosen = self._selected.get(key)
        if chosen is None:
            chosen = tuple(a for a in self.attachments if a.applies(phase, tool))
            if len(self._selected) >= MAX_REMEMBERED:
                self._selected.clear()  # a target that makes up tools without end
            self._selected[key] = chosen
        return chosen

    def seen(self, headers: Mapping[str, Sequence[str]]) -> dict[str, str]:
        """What some interceptor may see of a request's headers."""
        return {name: ", ".join(headers[name]) for name in self.headers if name in headers}

    @property
    def enrichments(self) -> dict[str, Mapping[str, str]]:
        """What the interceptors may add to the policy context: name → fact → type."""
        return {a.name: a.facts for a in self.attachments if a.facts}

    async def close(self) -> None:
        """Ends what the interceptors keep open."""
        for attachment in self.attachments:
            await attachment.interceptor.close()
