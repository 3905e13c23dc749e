"""What does not depend on the arguments of a call, made once: policies in scope, their handles."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import cedarpy

from callgate.model import Principal, Tool, Verdict
from callgate.policy.deciding import DecidingKey, scopes_of
from callgate.policy.entities import Facts, facts_of
from callgate.policy.hints import Narrowing
from callgate.policy.index import Key, Lineage, ScopeIndex, Uid
from callgate.policy.names import Names
from callgate.policy.parts import Action, Choice, Deciders, Part
from callgate.policy.preview import Situation, documented, parsed, satisfied
from callgate.policy.schema import cedar_schema
from callgate.policy.source import SHADOW, Policy
from callgate.policy.tooling import MAX_TOOLS, Tooling, ToolKey
from callgate.protocol.jsonrpc import encode

MAX_PRINCIPALS = 4096
MAX_PLANS = 20_000
MAX_CHOICES = 20_000
MAX_PARTS = 5_000  # of one tool
MAX_SHOWN = 500_000  # places in lists, of some 100 bytes each
MAX_HANDLED = 20_000  # policies in all handles together, of 6 to 9 kB each (cedar.md §2.1)

Handled = frozenset[str] | frozenset[DecidingKey]

NO_NAME = "\udc00"  # half a character: no policy can say it


@dataclass(frozen=True, slots=True)
class Meeting:
    """Which policies are in scope: those that decide, and those that only watch."""

    choice: Choice
    shadows: tuple[Policy, ...]
    every: tuple[Policy, ...]  # both, by id


@dataclass(slots=True)
class Standing:
    """Principals in whom policies find the same: they meet the same policies everywhere.

    INVARIANT: what is kept here is said of every principal of the same `relevant` keys.
    """

    relevant: frozenset[Key]
    meetings: dict[frozenset[Uid], Meeting] = field(default_factory=dict)  # through groups alone
    shown: dict[ToolKey, bool] = field(default_factory=dict)  # where no condition looks further


@dataclass(frozen=True, slots=True)
class Known:
    """A principal we have seen, and its plans."""

    principal: Principal
    facts: Facts
    standing: Standing
    plans: dict[ToolKey, Plan] = field(default_factory=dict)


@dataclass(slots=True)
class Plan:
    """One principal and one tool: everything that does not depend on the arguments."""

    known: Known
    action: Action
    part: Part
    trials: tuple[tuple[Policy, Part], ...]
    entities: cedarpy.Entities | None = None
    verdict: Verdict | None = None  # where no policy reads the context, Cedar is asked just once
    is_listed: bool | None = None
    narrowing: Narrowing | None = None
    is_forbidden: bool | None = None
    is_constant: bool | None = None
    has_fitted: bool = False  # Cedar took a request of it with the schema
    scoped: set[frozenset[str]] = field(default_factory=set)
    """Keys of the parts that Cedar decides on: nothing else refuses first, see `are_in_scope`."""

    @property
    def reads_context(self) -> bool:
        """Whether anything that decides, or that would with a shadow policy, reads the context."""
        if self.is_constant is None:
            parts = (self.part, *(part for _, part in self.trials))
            self.is_constant = not any(part.deciders.reads_context for part in parts)
        return not self.is_constant


class Plans:
    """Plans of one policy set, kept within bounds."""

    def __init__(
        self,
        policies: Iterable[Policy],
        names: Names,
        tooling: Tooling,
    ) -> None:
        self.names = names
        self.index = ScopeIndex(policies)
        self._resource = names.resource
        self._tooling = tooling
        self._validator = tooling.validator
        # Keyed by identity: the principal is held in the value, so its id cannot be reused.
        self._known: OrderedDict[int, Known] = OrderedDict()
        self._plan_count = 0
        self._standings: dict[frozenset[Key], Standing] = {}
        self._shown_count = 0
        self._choices: dict[frozenset[str], Choice] = {}
        self._actions: OrderedDict[ToolKey, Action] = OrderedDict()
        self._resource_uid = names.uid(names.GATEWAY, names.gateway)
        self._handles: OrderedDict[Handled, cedarpy.PolicySet] = OrderedDict()
        self._handled = 0

    def known(self, principal: Principal) -> Known:
        """What is remembered of a principal."""
        return self._known.get(id(principal)) or self._learn(principal)

    def plan(self, principal: Principal, tool: Tool) -> Plan:
        """The plan of a principal at a tool."""
        known = self._known.get(id(principal)) or self._learn(principal)
        key = (tool.target, tool.method, tool.digest)
        plan = known.plans.get(key)
        if plan is None:
            action = self.action(key, tool)
            plan = self.plan_of(known, key, action, self.meet(known, action))
        return plan

    def plan_of(self, known: Known, key: ToolKey, action: Action, meeting: Meeting) -> Plan:
        """The same, of a principal and a tool that have met."""
        plan = known.plans.get(key)
        if plan is None:
            active = meeting.choice.policies
            trials = tuple(
                (policy, self.part(action, (*active, policy))) for policy in meeting.shadows
            )
            part = self._part(action, meeting.choice)
            plan = known.plans[key] = Plan(known, action, part, trials)
            self._plan_count += 1
        return plan

    def meet(self, known: Known, action: Action) -> Meeting:
        """Which policies are in scope. Found through the groups of an action once for all in them;
        then only those are looked for that name the action itself.
        """
        standing, lineage, index = known.standing, known.facts.lineage, self.index
        groups = action.above.ancestors
        meeting = standing.meetings.get(groups)
        if meeting is None:
            found = index.candidates(standing.relevant, lineage, action.above, self._resource)
            meeting = standing.meetings[groups] = self._met(found)
        named = index.naming(standing.relevant, lineage, action.lineage, self._resource)
        if not named:
            return meeting
        together = {policy.id: policy for policy in (*meeting.every, *named)}
        return self._met(tuple(together[identifier] for identifier in sorted(together)))

    def remember(self, standing: Standing, key: ToolKey, is_shown: bool) -> None:
        """Keeps what lists show to all of one standing, within bounds."""
        if self._shown_count >= MAX_SHOWN:
            for known in self._known.values():
                known.standing.shown.clear()
            for other in self._standings.values():
                other.shown.clear()
            self._shown_count = 0
        standing.shown[key] = is_shown
        self._shown_count += 1

    def part(self, action: Action, policies: tuple[Policy, ...]) -> Part:
        """Some policies at a tool. Only those that matter there."""
        return self._part(action, self._choice(policies))

    def schema(self, action: Action, part: Part | Deciders) -> cedarpy.Schema:
        """The schema of one tool, cut to what these policies can read."""
        if part.schema is None:
            schema = cedar_schema(self.names, [(action.tool, part.context)])
            part.schema = cedarpy.Schema.from_json_str(encode(schema).decode())
        return part.schema

    def entities(self, plan: Plan) -> cedarpy.Entities:
        """The principal, its groups and the gateway.

        INVARIANT: built with the schema, or action groups do not exist and forbids vanish.
        """
        if plan.entities is None:
            schema = self.schema(plan.action, plan.part)
            plan.entities = cedarpy.Entities.from_json_str(plan.known.facts.entities, schema)
        return plan.entities

    def handle(self, deciders: Deciders) -> cedarpy.PolicySet:
        """Cedar's own form of what is left of some policies, parsed once and kept while used."""
        handle = self._handles.get(deciders.key)
        if handle is not None:
            self._handles.move_to_end(deciders.key)
            return handle
        made = documented({one.policy.id: one.est for one in deciders.left})
        return self._kept(deciders.key, made)

    def handle_of(self, key: frozenset[str], policies: Iterable[Policy]) -> cedarpy.PolicySet:
        """The same of whole policies, by their ids."""
        return self._handles.get(key) or self._kept(key, parsed(policies))

    def are_in_scope(self, plan: Plan, part: Part) -> bool:
        """Whether Cedar, too, finds that the scopes of the policies match. Asked once for a plan.

        INVARIANT: only such policies are decided on without their scopes.
        """
        permits = documented(scopes_of(part.policies))
        if satisfied(permits, self.entities(plan), self.situation(plan)) != part.key:
            return False
        plan.scoped.add(part.key)
        return True

    def situation(self, plan: Plan, now: float = 0.0) -> Situation:
        """A call of which only the principal, the tool and the time are known."""
        return Situation(
            principal=plan.known.facts.request_principal,
            action=plan.action.uid,
            resource=self._resource_uid,
            now=now,
        )

    def _kept(self, key: Handled, handle: cedarpy.PolicySet) -> cedarpy.PolicySet:
        self._handles[key] = handle
        self._handled += len(key)
        while self._handled > MAX_HANDLED and len(self._handles) > 1:
            forgotten, _ = self._handles.popitem(last=False)
            self._handled -= len(forgotten)
        return handle

    def asked(self) -> Iterator[tuple[Principal, Tool]]:
        """Who was asked about, and at which tools; those asked about last come first."""
        for known in reversed(self._known.values()):
            for plan in known.plans.values():
                yield known.principal, plan.action.tool

    def prepare(self, principal: Principal, tool: Tool) -> None:
        """Makes what the first call would wait for."""
        plan = self.plan(principal, tool)
        part = plan.part
        if part.problem is None and part.has_permit:
            self.schema(plan.action, part.deciders.flat.deciders)
            self.handle(part.deciders.flat.deciders)
            self.are_in_scope(plan, part)

    def let_go(self) -> None:
        """Forgets all plans: principals and plans refer to each other."""
        for known in self._known.values():
            known.plans.clear()

    def _learn(self, principal: Principal) -> Known:
        while len(self._known) >= MAX_PRINCIPALS or self._plan_count >= MAX_PLANS:
            _, forgotten = self._known.popitem(last=False)
            self._plan_count -= len(forgotten.plans)
        facts = facts_of(principal, self.names)
        relevant = self.index.relevant(facts.lineage)
        if len(self._standings) > MAX_PRINCIPALS:
            self._standings.clear()
        standing = self._standings.setdefault(relevant, Standing(relevant))
        known = self._known[id(principal)] = Known(principal, facts, standing)
        return known

    def _met(self, found: tuple[Policy, ...]) -> Meeting:
        shadows = tuple(policy for policy in found if policy.mode == SHADOW)
        active = tuple(policy for policy in found if policy.mode != SHADOW) if shadows else found
        return Meeting(self._choice(active), shadows, found)

    def _choice(self, policies: tuple[Policy, ...]) -> Choice:
        key = frozenset(policy.id for policy in policies)
        known = self._choices.get(key)
        if known is None:
            if len(self._choices) >= MAX_CHOICES:
                self._choices.clear()
            known = self._choices[key] = Choice(key, policies)
        return known

    def _part(self, action: Action, choice: Choice) -> Part:
        known = action.parts.get(choice.key)
        if known is None:
            if len(action.parts) >= MAX_PARTS:
                action.parts.clear()
            known = action.parts[choice.key] = Part(action, choice, self._validator)
        return known

    def action(self, key: ToolKey, tool: Tool) -> Action:
        """A tool as policy sees it."""
        known = self._actions.get(key)
        if known is not None:
            return known
        typed = self._tooling.typed(key, tool)
        lineage = self.names.action_of(tool)
        made = self._actions[key] = Action(
            tool=tool,
            uid={"type": lineage.own[0], "id": lineage.own[1]},
            lineage=lineage,
            above=Lineage(
                own=(lineage.own[0], NO_NAME), ancestors=lineage.ancestors - {lineage.own}
            ),
            input=typed.input,
            context=typed.context,
            limits=typed.limits,
        )
        if len(self._actions) > MAX_TOOLS:
            self._actions.popitem(last=False)
        return made
