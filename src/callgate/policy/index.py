"""Which policies can matter for a principal, action and resource: exact scope tests, no scan."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from callgate.model import Value
from callgate.policy.source import Policy, Scope

Uid = tuple[str, str]  # (type, id)
Key = Uid | None  # what a scope looks for; None where it looks for nothing
_IS = "\x00is"  # no entity can be called so: beside it stands a type


class Lineage(Value):
    """An entity and all that it is in, as of one moment."""

    own: Uid
    ancestors: frozenset[Uid]  # itself and all its ancestors

    @classmethod
    def of(cls, own: Uid, above: Iterable[Uid] = ()) -> Lineage:
        """The lineage of an entity with these ancestors."""
        return cls(own=own, ancestors=frozenset((own, *above)))

    def meets(self, scope: Scope) -> bool:
        """Exactly Cedar's scope test."""
        return scope.matches(self.own[0], self.ancestors, self.own)


class ScopeIndex:
    """Policies by what the scopes of action and principal look for.

    Dropping a policy whose scope is false leaves decision, reasons and errors unchanged: scope
    tests cannot err (cedar-spec, PolicySlice.lean; cedar.md §2.2).

    INVARIANT: a policy stands under every key under which its scopes could match, and each
    candidate is tested exactly; the lineages are those of the entities that the engine sees.
    """

    def __init__(self, policies: Iterable[Policy]) -> None:
        self._policies: dict[Key, dict[Key, list[Policy]]] = {}
        for policy in policies:
            for action in _keys(policy.action):
                by_principal = self._policies.setdefault(action, {})
                for principal in _keys(policy.principal):
                    by_principal.setdefault(principal, []).append(policy)
        self._principals = {key for found in self._policies.values() for key in found}

    def relevant(self, principal: Lineage) -> frozenset[Key]:
        """What policies look for in this principal: those alike in this meet the same policies.

        INVARIANT: the type is always in it, for `is T in E` is filed under E alone.
        """
        return frozenset(_sought(principal)) & self._principals | {(_IS, principal.own[0])}

    def candidates(
        self, relevant: Iterable[Key], principal: Lineage, action: Lineage, resource: Lineage
    ) -> tuple[Policy, ...]:
        """Every policy whose whole scope matches, by id. `relevant` is that of the principal."""
        found: dict[str, Policy] = {}
        for by_principal in self._by_action(action):
            _choose(found, by_principal, relevant, (principal, action, resource))
        return tuple(found[identifier] for identifier in sorted(found))

    def naming(
        self, relevant: Iterable[Key], principal: Lineage, action: Lineage, resource: Lineage
    ) -> tuple[Policy, ...]:
        """Of the candidates those that name this very action, in no order."""
        by_principal = self._policies.get(action.own)
        if by_principal is None:
            return ()
        found: dict[str, Policy] = {}
        _choose(found, by_principal, relevant, (principal, action, resource))
        return tuple(found.values())

    def for_action(self, action: Lineage, resource: Lineage) -> tuple[Policy, ...]:
        """Every policy that matches for some principal, by id."""
        found = {
            policy.id: policy
            for by_principal in self._by_action(action)
            for policies in by_principal.values()
            for policy in policies
            if action.meets(policy.action) and resource.meets(policy.resource)
        }
        return tuple(found[identifier] for identifier in sorted(found))

    def _by_action(self, action: Lineage) -> Iterator[dict[Key, list[Policy]]]:
        for key in _sought(action):
            by_principal = self._policies.get(key)
            if by_principal is not None:
                yield by_principal


def _choose(
    found: dict[str, Policy],
    by_principal: Mapping[Key, list[Policy]],
    relevant: Iterable[Key],
    lineages: tuple[Lineage, Lineage, Lineage],
) -> None:
    """Adds those whose scopes match, each tested exactly."""
    principal, action, resource = lineages
    for key in relevant:
        for policy in by_principal.get(key, ()):
            if (
                policy.id not in found
                and action.meets(policy.action)
                and principal.meets(policy.principal)
                and resource.meets(policy.resource)
            ):
                found[policy.id] = policy


def _keys(scope: Scope) -> tuple[Key, ...]:
    if scope.op == "All":
        return (None,)
    if scope.op == "is" and not scope.uids:
        return ((_IS, scope.entity_type or ""),)
    return scope.uids


def _sought(lineage: Lineage) -> tuple[Key, ...]:
    return (None, (_IS, lineage.own[0]), *lineage.ancestors)
