"""What a comparison of two policy sets says: who may use which tool more, or less, than before."""

from __future__ import annotations

from enum import StrEnum

from callgate.model import Value
from callgate.policy.analysis.findings import HIERARCHY, Example, Undecided


class Relation(StrEnum):
    """How the second policy set stands to the first, for one tool and one type of principal."""

    EQUIVALENT = "equivalent"
    MORE_PERMISSIVE = "more permissive"
    LESS_PERMISSIVE = "less permissive"
    INCOMPARABLE = "incomparable"  # more permissive for some requests, less for others
    UNDECIDED = "undecided"


class Difference(Value):
    """One tool and one type of principal for which the two sets do not decide alike."""

    tool: str  # qualified name
    principal_type: str  # OAuthUser | UnauthenticatedUser
    relation: Relation  # never EQUIVALENT
    gained: Example | None = None  # refused by the first set, permitted by the second
    lost: Example | None = None  # permitted by the first set, refused by the second
    reason: str = ""  # why it is undecided


class Comparison(Value):
    """Everything in which two policy sets differ; what is not listed is proven equivalent."""

    differences: tuple[Difference, ...]  # by tool, then by type of principal
    undecided: tuple[Undecided, ...]  # the same questions as the UNDECIDED differences, in words
    changed_policies: tuple[str, ...]  # ids of policies that only one set has, or that differ
    tools: int  # how many were looked at
    compared: int  # how many of them are named by policies that changed
    queries: int
    hierarchy: str = HIERARCHY

    @property
    def is_equivalent(self) -> bool:
        """Whether both sets were proven to decide every request alike."""
        return not self.differences

    def relation(self) -> Relation:
        """The two sets as wholes."""
        found = {difference.relation for difference in self.differences}
        if not found:
            return Relation.EQUIVALENT
        if len(found) == 1:
            return found.pop()
        decided = found - {Relation.UNDECIDED}
        both = {Relation.MORE_PERMISSIVE, Relation.LESS_PERMISSIVE}
        if Relation.INCOMPARABLE in decided or both <= decided:
            return Relation.INCOMPARABLE
        return Relation.UNDECIDED
