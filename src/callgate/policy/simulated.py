"""What came of a simulation, counted within bounds: what flips, what matters, what is not known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from callgate.model import Value
from callgate.policy.account import Account
from callgate.policy.cases import Ruling

MAX_EXAMPLES = 3  # of one kind
MAX_FLIPPED = 2_000  # kinds of flips; what is beyond is counted together
MAX_NAMED = 1_000  # principals, or tools, that are counted one by one
OTHERS = "(others)"


class Cause(Value):
    """What a policy, or the lack of one, did to a call."""

    what: str  # forbids | permits | fails | no longer permits | no longer forbids | …
    policy: str = ""  # its id; "": it is about no policy

    def __str__(self) -> str:
        return f"{self.policy} {self.what}" if self.policy else self.what


class Example(Value):
    """One call that stands for others."""

    call: str  # its id
    at: float
    principal: str
    reason: str = ""
    account: Account | None = None  # under the candidate


class Kind(Value):
    """Flips that belong together."""

    before: Ruling
    after: Ruling
    causes: tuple[Cause, ...]
    tool: str  # qualified

    @property
    def change(self) -> str:
        """`permit-to-refuse`."""
        return f"{self.before}-to-{self.after}"


@dataclass(slots=True)
class Tally:
    """How many, whose, and some of them."""

    count: int = 0
    principals: Counter[str] = field(default_factory=Counter)
    tools: Counter[str] = field(default_factory=Counter)
    first_at: float = float("inf")
    last_at: float = float("-inf")
    early: int = 0  # refused before interceptors saw them: decided on the arguments as given
    examples: list[Example] = field(default_factory=list)

    @property
    def wants_example(self) -> bool:
        """Whether another example is welcome."""
        return len(self.examples) < MAX_EXAMPLES

    def add(self, principal: str, tool: str, at: float) -> None:
        """Counts one in."""
        self.count += 1
        _count(self.principals, principal)
        _count(self.tools, tool)
        self.first_at = min(self.first_at, at)
        self.last_at = max(self.last_at, at)

    def merge(self, other: Tally) -> None:
        """Counts in what somebody else has counted."""
        self.count += other.count
        self.early += other.early
        for name, number in other.principals.items():
            _count(self.principals, name, number)
        for name, number in other.tools.items():
            _count(self.tools, name, number)
        self.first_at = min(self.first_at, other.first_at)
        self.last_at = max(self.last_at, other.last_at)
        self.examples += other.examples[: MAX_EXAMPLES - len(self.examples)]


def _count(counter: Counter[str], name: str, number: int = 1) -> None:
    counter[name if name in counter or len(counter) < MAX_NAMED else OTHERS] += number


class Use(Value):
    """How much one policy of the candidate mattered."""

    policy: str
    in_scope: int  # decisions that it was in scope of
    decided: int  # … that it determined, alone or with others
    alone: int  # … that no other policy determined


@dataclass(slots=True)
class Simulated:
    """Everything that is known after some decisions."""

    decided: int = 0  # that both policy sets say something of
    permitted: int = 0  # by the candidate
    checked: int = 0  # of which the recorded verdict was reproduced first
    flips: dict[Kind, Tally] = field(default_factory=dict)
    undecided: dict[str, Tally] = field(default_factory=dict)  # by reason: cannot be made again
    unreproducible: dict[str, Tally] = field(default_factory=dict)  # by what came out instead
    unchecked: Counter[str] = field(default_factory=Counter)  # by reason; decided all the same
    scopes: Counter[frozenset[str]] = field(default_factory=Counter)  # ids in scope → decisions
    deciders: Counter[str] = field(default_factory=Counter)
    alone: Counter[str] = field(default_factory=Counter)
    first_at: float = float("inf")
    last_at: float = float("-inf")

    @property
    def flipped(self) -> int:
        """How many decisions came out otherwise."""
        return sum(tally.count for tally in self.flips.values())

    @property
    def unknown(self) -> int:
        """How many decisions could not be made again, or not as they were."""
        both = (*self.undecided.values(), *self.unreproducible.values())
        return sum(tally.count for tally in both)

    @property
    def changes(self) -> Counter[str]:
        """Flips by what became of what: `permit-to-refuse`."""
        found: Counter[str] = Counter()
        for kind, tally in self.flips.items():
            found[kind.change] += tally.count
        return found

    def flip(self, kind: Kind) -> Tally:
        """Where flips of a kind are counted."""
        known = self.flips.get(kind)
        if known is None:
            if len(self.flips) >= MAX_FLIPPED:
                kind = Kind(before=kind.before, after=kind.after, causes=(), tool=OTHERS)
            known = self.flips.setdefault(kind, Tally())
        return known

    def uses(self, policies: Iterable[str]) -> Iterator[Use]:
        """How much each policy mattered, in the order given."""
        in_scope: Counter[str] = Counter()
        for scope, count in self.scopes.items():
            for policy in scope:
                in_scope[policy] += count
        for policy in policies:
            yield Use(
                policy=policy,
                in_scope=in_scope[policy],
                decided=self.deciders[policy],
                alone=self.alone[policy],
            )

    def merge(self, other: Simulated) -> None:
        """Counts in what another part of the record gave."""
        self.decided += other.decided
        self.permitted += other.permitted
        self.checked += other.checked
        for kind, tally in other.flips.items():
            self.flip(kind).merge(tally)
        for mine, theirs in (
            (self.undecided, other.undecided),
            (self.unreproducible, other.unreproducible),
        ):
            for reason, tally in theirs.items():
                mine.setdefault(reason, Tally()).merge(tally)
        self.unchecked += other.unchecked
        self.scopes += other.scopes
        self.deciders += other.deciders
        self.alone += other.alone
        self.first_at = min(self.first_at, other.first_at)
        self.last_at = max(self.last_at, other.last_at)
