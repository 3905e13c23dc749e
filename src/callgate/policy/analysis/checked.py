"""What was found out in one environment, as values that processes hand to each other."""

from __future__ import annotations

from callgate.model import Value
from callgate.policy.analysis.compare import Relation
from callgate.policy.analysis.findings import Example


class Standing(Value):
    """What one policy does in one environment. None: undecided."""

    policy: str
    matches: bool | None = None  # some request satisfies it
    because: tuple[int, ...] = ()  # where it never matches: clauses that rule that out, 0: scope
    is_idle: bool | None = False  # its conditions hold wherever its scope matches
    may_fail: bool | None = False
    covered_by: tuple[str, ...] = ()  # policies of its effect that together do all that it does
    covered_alone_by: tuple[str, ...] = ()  # those that do so alone
    stopped_by: tuple[str, ...] = ()  # what refuses every request that this permit satisfies
    mirrored_by: str = ""  # the one forbid that applies just where this permit does
    is_left_out: bool = False  # it does not fit the tools: checked elsewhere, nothing is said here
    matched: Example | None = None  # a request that satisfies it
    failed: Example | None = None  # a request on which it fails


class Doubt(Value):
    """A question that stayed open."""

    question: str
    reason: str
    policies: tuple[str, ...] = ()


class Checked(Value):
    """What was found out about one environment."""

    tools: tuple[str, ...]
    standings: tuple[Standing, ...] = ()
    is_closed: bool | None = False  # no request of anybody is permitted
    is_open: bool | None = False  # every request of everybody is
    opened: Example | None = None  # a request of a principal without identity, where it is open
    refused: Example | None = None  # a request that a permit is satisfied by, where it is closed
    doubts: tuple[Doubt, ...] = ()
    queries: int = 0


class Differing(Value):
    """How two policy sets differ for one type of principal."""

    principal_type: str
    relation: Relation
    gained: Example | None = None
    lost: Example | None = None
    reason: str = ""


class Compared(Value):
    """What was found out about one environment of two policy sets."""

    tools: tuple[str, ...]
    differing: tuple[Differing, ...] = ()
    queries: int = 0
