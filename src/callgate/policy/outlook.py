"""What could be permitted while arguments are open: lists and hints. It permits no call."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import cedarpy
import msgspec

from callgate.model import Json
from callgate.policy.expressions import Chain, Expression
from callgate.policy.formulas import Formula, either, is_satisfiable
from callgate.policy.ground import NOTHING_GIVEN, Given, Ground, given_of
from callgate.policy.hints import Narrowing, narrowing_of
from callgate.policy.leaves import Leaf, Leaves
from callgate.policy.parts import Action, Choice, View
from callgate.policy.plans import Known, Plan, Plans
from callgate.policy.preview import Situation, holds, probe
from callgate.policy.residuals import FAILS, Reader, Residual, Truth
from callgate.policy.shapes import WITH_FIELDS, Kind, cut
from callgate.policy.source import Policy, Scope
from callgate.policy.validation import Validator
from callgate.protocol.jsonrpc import encode

MAX_REMEMBERED = 50_000  # policies at tools that differ to them, and sets of those
MAX_PROBES = 2_000
NO_ENTITIES = cedarpy.Entities.from_json_str("[]")


@dataclass(slots=True)
class _Bound:
    """What was found out for one principal at one time: kept while it is the latest."""

    known: Known
    now: float
    attributes: Mapping[str, str]
    tags: Mapping[str, str]
    entities: cedarpy.Entities | None = None  # without a schema, and so without action groups
    residuals: dict[View, Residual] = field(default_factory=dict)
    found: dict[frozenset[View], bool] = field(default_factory=dict)


class Outlook:
    """Decides whether some arguments could be permitted.

    INVARIANT: no is a proof. What cannot be read, or takes too long to find out, is possible.
    """

    def __init__(self, plans: Plans, validator: Validator) -> None:
        self._plans = plans
        self._validator = validator
        names = plans.names
        self._resource = names.uid(names.GATEWAY, names.gateway)
        kinds = (*names.PRINCIPALS, names.GROUP)
        self._kinds = frozenset(names.uid(kind, "")["type"] for kind in kinds)
        self._leaves = Leaves()
        self._views: dict[tuple[Json, ...], View] = {}
        self._residuals: dict[View, Residual] = {}  # of policies that read the context alone
        self._found: dict[frozenset[View], bool] = {}
        self._probes: OrderedDict[int, tuple[Expression, cedarpy.PolicySet]] = OrderedDict()
        self._bound: _Bound | None = None

    def is_possible(self, known: Known, action: Action, choice: Choice) -> bool:
        """Whether some arguments could be permitted; of policies that read the context alone."""
        views = frozenset([self._view(action, policy) for policy in choice.policies])
        found = self._found.get(views)
        if found is None:
            if len(self._found) >= MAX_REMEMBERED:
                self._found.clear()
            residuals = [self._of_context(known, action, view) for view in views]
            found = self._found[views] = self._decided(action, residuals)
        return found

    def is_possible_for(self, plan: Plan, now: float) -> bool:
        """The same of any policies."""
        action, choice, bound = plan.action, plan.part.choice, self._bind(plan.known, now)
        if choice.reads_action:
            return self._decided(action, self.residuals(plan, now))
        views = frozenset([self._view(action, policy) for policy in choice.policies])
        found = bound.found.get(views)
        if found is None:
            found = bound.found[views] = self._decided(action, self.residuals(plan, now))
        return found

    def could_be(self, plan: Plan, arguments: Mapping[str, Json], now: float) -> bool:
        """Whether it is possible with these arguments, and others. Raises Unrepresentable."""
        read = plan.part.context.fields.get("input")
        given = given_of(arguments, None if read is None else read.shape)
        return self._decided(plan.action, self.residuals(plan, now, given))

    def narrowing(self, plan: Plan, now: float) -> Narrowing:
        """What some arguments must be like, of a tool that is possible."""
        choice, part = plan.part.choice, plan.part
        kept = plan.narrowing if choice.reads_facts else part.narrowing
        if kept is not None and not choice.reads_time:
            return kept
        residuals = self.residuals(plan, now)
        found = narrowing_of(goals(residuals), residuals, plan.action.input)
        if choice.reads_facts:
            plan.narrowing = found
        else:
            part.narrowing = found
        return found

    def residuals(self, plan: Plan, now: float, given: Given = NOTHING_GIVEN) -> list[Residual]:
        """What is open in each policy in scope."""
        action, policies = plan.action, plan.part.policies
        return [self._residual(plan, self._view(action, policy), now, given) for policy in policies]

    def fits(self, action: Action, residuals: Iterable[Residual]) -> bool:
        """Whether Cedar's validator takes all of these policies for a tool."""
        invalid, tool, context = self._validator.invalid, action.tool, action.context
        return all(one.is_plain or not invalid(tool, context, [one.policy]) for one in residuals)

    def _decided(self, action: Action, residuals: list[Residual]) -> bool:
        return self.fits(action, residuals) and is_satisfiable(goals(residuals))

    def _view(self, action: Action, policy: Policy) -> View:
        view = action.views.get(policy.id)
        if view is None:
            if len(self._views) >= MAX_REMEMBERED:
                self._forget()
            key = (policy.id, *(self._trace(action, chain) for chain in policy.chains))
            view = action.views[policy.id] = self._views.setdefault(key, View(policy))
        return view

    def _forget(self) -> None:
        """A target makes up schemas without end: nothing is lost that cannot be found again."""
        self._views.clear()
        self._residuals.clear()
        self._found.clear()
        self._leaves = Leaves()

    def _trace(self, action: Action, chain: Chain) -> Json:
        """All that a policy's reading of a place depends on."""
        leaf = self._leaf(action, chain)
        if leaf is not None and leaf.kind in (*WITH_FIELDS, Kind.TEXT):
            return leaf, encode(cut(action.context, [chain]))
        while leaf is None and chain:
            chain = chain[:-1]
            leaf = self._leaf(action, chain)
        return leaf

    def _leaf(self, action: Action, chain: Chain) -> Leaf | None:
        if chain not in action.places:
            action.places[chain] = self._leaves.of(action.context, action.limits, chain)
        return action.places[chain]

    def _of_context(self, known: Known, action: Action, view: View) -> Residual:
        residual = self._residuals.get(view)
        if residual is None:
            ground = self._ground(known, action)
            closed = self._asking(known, action, lambda: NO_ENTITIES)
            residual = self._residuals[view] = self._read(view.policy, ground, closed)
        return residual

    def _residual(self, plan: Plan, view: View, now: float, given: Given) -> Residual:
        policy, action = view.policy, plan.action
        is_open = given is NOTHING_GIVEN or not any(map(given.touches, policy.chains))
        if is_open and not policy.reads_facts:
            return self._of_context(plan.known, action, view)
        bound = self._bind(plan.known, now)
        is_kept = is_open and not policy.reads_action
        residual = bound.residuals.get(view) if is_kept else None
        if residual is None:
            ground = self._ground(plan.known, action)._replace(
                attributes=bound.attributes, tags=bound.tags, given=given
            )
            closed = self._asking(
                plan.known, action, lambda: self._entities(plan, policy, bound), now, given
            )
            residual = self._read(policy, ground, closed)
            if is_kept:
                bound.residuals[view] = residual
        return residual

    def _read(
        self, policy: Policy, ground: Ground, closed: Callable[[Expression], Truth]
    ) -> Residual:
        is_plain = self._kinds.issuperset(_kinds_of(policy.principal)) and (
            _kinds_of(policy.resource) <= {self._resource["type"]}
        )
        return Reader(ground, closed, is_plain=is_plain).read(policy)

    def _ground(self, known: Known, action: Action) -> Ground:
        return Ground(
            principal=known.facts.lineage,
            attributes={},
            tags={},
            action=action.lineage,
            resource=self._plans.names.resource,
            leaf=lambda chain: self._leaf(action, chain),
        )

    def _bind(self, known: Known, now: float) -> _Bound:
        bound = self._bound
        if bound is None or bound.known is not known or bound.now != now:
            entity = msgspec.json.decode(known.facts.entities)[0]
            bound = self._bound = _Bound(known, now, entity["attrs"], entity["tags"])
        return bound

    def _entities(self, plan: Plan, policy: Policy, bound: _Bound) -> cedarpy.Entities:
        if policy.reads_action:
            return self._plans.entities(plan)  # only with a schema is an action in its groups
        if bound.entities is None:
            bound.entities = cedarpy.Entities.from_json_str(plan.known.facts.entities)
        return bound.entities

    def _asking(
        self,
        known: Known,
        action: Action,
        entities: Callable[[], cedarpy.Entities],
        now: float = 0.0,
        given: Given = NOTHING_GIVEN,
    ) -> Callable[[Expression], Truth]:
        """Puts to Cedar what nothing unknown is in."""

        def closed(expression: Expression) -> Truth:
            situation = Situation(
                principal=known.facts.request_principal,
                action=action.uid,
                resource=self._resource,
                now=now,
                arguments=given.explicit,
            )
            answer = holds(self._probe(expression), entities(), situation)
            return FAILS if answer is None else Truth(answer, not answer)

        return closed

    def _probe(self, expression: Expression) -> cedarpy.PolicySet:
        """Keyed by identity: the expression is held in the value."""
        known = self._probes.get(id(expression))
        if known is None:
            known = self._probes[id(expression)] = (expression, probe(expression))
            if len(self._probes) > MAX_PROBES:
                self._probes.popitem(last=False)
        return known[1]


def _kinds_of(scope: Scope) -> set[str]:
    """The entity types that a scope names."""
    own = set() if scope.entity_type is None else {scope.entity_type}
    return own | {kind for kind, _ in scope.uids}


def goals(residuals: Iterable[Residual]) -> list[Formula]:
    """What holds together where a call is permitted: a permit applies, no forbid, nothing fails."""
    permits = [one for one in residuals if one.policy.effect == "permit"]
    forbids = [one.passes for one in residuals if one.policy.effect != "permit"]
    failing = [either(one.applies, one.passes) for one in permits if not one.is_exact]
    return [either(*(one.applies for one in permits)), *forbids, *failing]
