"""Which policies and clauses a set of cases has seen at work, and which it never has."""

from __future__ import annotations

from collections.abc import Iterable

from callgate.model import Value
from callgate.policy.account import Account, Clause, State
from callgate.policy.source import Policy


class ClauseCoverage(Value):
    """One clause: whether it was seen to hold, and seen not to."""

    clause: Clause
    has_held: bool = False
    has_failed_to_hold: bool = False

    @property
    def missing(self) -> str | None:
        """What no case has shown, in words."""
        if self.has_held:
            return None if self.has_failed_to_hold else "never seen false"
        return "never seen true" if self.has_failed_to_hold else "never reached"


class PolicyCoverage(Value):
    """One policy: whether it ever applied, and its clauses."""

    policy: str
    source: str
    line: int
    is_in_scope: bool  # of some case
    has_applied: bool  # satisfied in some case
    clauses: tuple[ClauseCoverage, ...]

    @property
    def total(self) -> int:
        """What there is to see: that it applies, and each clause both ways."""
        return 1 + 2 * len(self.clauses)

    @property
    def seen(self) -> int:
        """What of it was seen."""
        clauses = sum(one.has_held + one.has_failed_to_hold for one in self.clauses)
        return int(self.has_applied) + clauses


class Coverage(Value):
    """All policies of a set, in the order of their files."""

    policies: tuple[PolicyCoverage, ...]

    @property
    def percent(self) -> float:
        """How much was seen of what there is to see; 100 where there is nothing."""
        total = sum(policy.total for policy in self.policies)
        return 100.0 * sum(policy.seen for policy in self.policies) / total if total else 100.0

    @property
    def applied(self) -> int:
        """How many policies ever applied."""
        return sum(policy.has_applied for policy in self.policies)


def coverage(policies: Iterable[Policy], accounts: Iterable[Account]) -> Coverage:
    """What the accounts of all cases have shown of each policy.

    A clause counts where it was evaluated: Cedar leaves out what stands behind a false one.
    """
    in_scope: set[str] = set()
    applied: set[str] = set()
    outcomes: set[tuple[str, int, bool]] = set()
    for account in accounts:
        for one in account.policies:
            in_scope.add(one.policy)
            if one.state is State.SATISFIED:
                applied.add(one.policy)
            outcomes |= {
                (one.policy, clause.clause.number, clause.holds)
                for clause in one.clauses
                if clause.holds is not None
            }
    return Coverage(
        policies=tuple(
            PolicyCoverage(
                policy=policy.id,
                source=policy.source,
                line=policy.line,
                is_in_scope=policy.id in in_scope,
                has_applied=policy.id in applied,
                clauses=tuple(
                    ClauseCoverage(
                        clause=clause,
                        has_held=(policy.id, clause.number, True) in outcomes,
                        has_failed_to_hold=(policy.id, clause.number, False) in outcomes,
                    )
                    for clause in policy.clauses
                ),
            )
            for policy in policies
        )
    )
