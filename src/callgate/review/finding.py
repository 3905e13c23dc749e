"""What rules see of a run, and what they say: findings that rest on calls and places in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from functools import cached_property

from callgate.model import Json, Value
from callgate.review.flow import Flow
from callgate.review.recipients import recipients
from callgate.review.steps import Step


class Severity(StrEnum):
    """How much a finding asks for attention."""

    NOTE = "note"  # worth knowing
    NOTICE = "notice"  # look at it
    WARNING = "warning"  # look at it first


class Place(Value):
    """A call, and where in it."""

    step: int
    call: str
    path: str = ""  # a JSON pointer, into `of`; "" for the call as a whole
    of: str = "arguments"  # arguments | result


class Finding(Value):
    """One thing that a rule noticed. `sentence` is as callers wrote things: not safe to print."""

    rule: str
    severity: Severity
    sentence: str
    places: tuple[Place, ...]


class Bound(Value):
    """A number that a policy compares an argument with."""

    policy: str
    tool: str
    path: tuple[str, ...]  # keys of the arguments
    number: float


class History(Value):
    """What is known of the time before a run, of its principal."""

    calls: int = 0  # how many were looked at; 0: nothing is known
    is_whole: bool = True  # False: there is more before what was looked at
    tools: frozenset[str] = frozenset()
    recipients: frozenset[str] = frozenset()
    domains: frozenset[str] = frozenset()
    definitions: Mapping[str, str] = {}  # tool → digest of its definition, the last before


UNKNOWN = History()


class Scene:
    """A run with everything that rules go by."""

    def __init__(
        self,
        steps: Sequence[Step],
        flows: Iterable[Flow] = (),
        history: History = UNKNOWN,
        *,
        bounds: Iterable[Bound] = (),
        definitions: Mapping[str, Mapping[str, Json]] | None = None,
    ) -> None:
        """`definitions` by digest, as the targets wrote them."""
        self.steps = tuple(steps)
        self.flows = tuple(flows)
        self.history = history
        self.bounds = tuple(bounds)
        self.definitions = definitions or {}

    @cached_property
    def calls(self) -> tuple[Step, ...]:
        """Those that use something: no lists, no questions of targets."""
        return tuple(step for step in self.steps if not step.is_list and step.asked_in is None)

    @cached_property
    def by_tool(self) -> dict[str, list[Step]]:
        """Calls by tool, in order."""
        found: dict[str, list[Step]] = {}
        for step in self.calls:
            found.setdefault(step.tool, []).append(step)
        return found

    @cached_property
    def flows_into(self) -> dict[int, list[Flow]]:
        """Flows by the step they lead into."""
        found: dict[int, list[Flow]] = {}
        for flow in self.flows:
            found.setdefault(flow.sink, []).append(flow)
        return found

    def step(self, number: int) -> Step:
        """The step of a number."""
        return self.steps[number - 1]

    def definition(self, step: Step) -> Mapping[str, Json] | None:
        """What the target said of the tool; None where that is not known."""
        return self.definitions.get(step.sha256 or "")


Rule = Callable[[Scene], Iterator[Finding]]


def at(step: Step, path: str = "", of: str = "arguments") -> Place:
    """A place in a call."""
    return Place(step=step.number, call=step.call, path=path, of=of)


def history_of(
    steps: Iterable[Step], *, is_whole: bool = True, before: History = UNKNOWN
) -> History:
    """What is known of some calls, the latest last, and of the time before them."""
    names = set(before.tools)
    known = set(before.recipients)
    domains = set(before.domains)
    definitions = dict(before.definitions)
    count = before.calls
    for step in steps:
        count += 1
        if step.is_list:
            continue
        names.add(step.tool)
        if step.sha256:
            definitions[step.tool] = step.sha256
        for one in recipients(step.arguments):
            known.add(one.name)
            domains.add(one.domain)
    return History(
        calls=count,
        is_whole=is_whole and before.is_whole,
        tools=frozenset(names),
        recipients=frozenset(known),
        domains=frozenset(domains - {""}),
        definitions=definitions,
    )
