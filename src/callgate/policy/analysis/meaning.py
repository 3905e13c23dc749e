"""Policies → what they mean at one tool: when they match, are satisfied, or fail."""

from __future__ import annotations

from dataclasses import dataclass

from callgate.policy.analysis.expressions import Expressions, is_of
from callgate.policy.analysis.symbols import Symbols
from callgate.policy.analysis.terms import Truth, Unsayable, conj, disj, negation
from callgate.policy.analysis.values import Entity, equal
from callgate.policy.source import Policy, Scope


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a policy means at one tool. `problem` says why nothing more can be said of it."""

    policy: Policy
    in_scope: Truth
    is_satisfied: Truth
    is_failing: Truth
    clauses: tuple[Truth, ...] = ()  # whether each holds, in the order of the text
    problem: str = ""

    @property
    def stops(self) -> Truth:
        """Whether it refuses the call: a forbid that applies, and any policy that fails."""
        if self.policy.effect == "permit":
            return self.is_failing
        return disj(self.is_satisfied, self.is_failing)


class Compiler:
    """Compiles policies over the unknowns of one request."""

    def __init__(self, symbols: Symbols) -> None:
        self._symbols = symbols
        self._expressions = Expressions(symbols)

    def policy(self, policy: Policy, misfit: str | None = None) -> Meaning:
        """The meaning of a policy whose action and resource scopes match the tool.

        `misfit` is why it does not type-check there: the engine refuses what is in its scope.
        """
        in_scope = self._scope(policy.principal)
        if misfit is not None:
            return Meaning(policy, in_scope, False, in_scope, problem=f"does not fit: {misfit}")
        try:
            holds, fails, clauses = self._conditions(policy, in_scope)
        except Unsayable as problem:
            return self._open(policy, in_scope, str(problem))
        except RecursionError:
            return self._open(policy, in_scope, "it is nested too deep")
        return Meaning(policy, in_scope, holds, fails, tuple(clauses))

    def _open(self, policy: Policy, in_scope: Truth, problem: str) -> Meaning:
        """A policy of which only the scope is known: it may hold or fail wherever that matches."""
        holds, fails = self._symbols.doubt(policy)
        fails = conj(in_scope, fails)
        holds = conj(in_scope, holds, negation(fails))
        return Meaning(policy, in_scope, holds, fails, problem=problem)

    def _scope(self, scope: Scope) -> Truth:
        principal = self._expressions.principal
        is_in = self._expressions.is_in
        named = disj(*(is_in(principal, Entity.named(*uid)) for uid in scope.uids))
        match scope.op:
            case "All":
                return True
            case "==":
                return disj(*(equal(principal, Entity.named(*uid)) for uid in scope.uids))
            case "in":
                return named
        of_type = is_of(principal, scope.entity_type or "")
        return conj(of_type, named) if scope.uids else of_type

    def _conditions(self, policy: Policy, in_scope: Truth) -> tuple[Truth, Truth, list[Truth]]:
        """Whether all clauses hold, whether one fails, and whether each holds by itself."""
        holds, fails, each = in_scope, False, list[Truth]()
        for clause in policy.clauses:
            value, error = self._expressions.truth(clause.est)
            wanted = value if clause.kind == "when" else negation(value)
            each.append(conj(negation(error), wanted))
            fails = disj(fails, conj(holds, error))
            holds = conj(holds, each[-1])
            if holds is False:
                break  # Cedar goes no further either; the rest need not even have a type
        return holds, fails, each
