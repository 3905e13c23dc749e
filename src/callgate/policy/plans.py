"""What does not depend on the arguments of a call, made once: policies in scope, their handles."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import cedarpy

from callgate.model import Json, Principal, Tool, Verdict
from callgate.policy.entities import Facts, facts_of
from callgate.policy.index import Key, Lineage, ScopeIndex
from callgate.policy.names import Names
from callgate.policy.preview import parsed
from callgate.policy.schema import Shape, cedar_schema, context_shape, cut, input_shape
from callgate.policy.source import SHADOW, Policy
from callgate.policy.validation import Validator
from callgate.protocol.jsonrpc import encode

MAX_PRINCIPALS = 4096
MAX_PLANS = 20_000
MAX_TOOLS = 10_000
MAX_HANDLED = 20_000  # policies in all handles together, of 6 to 9 kB each (cedar.md §2.1)

ToolKey = tuple[str, str, str]  # target, method, digest of the definition


@dataclass(slots=True)
class Part:
    """Some policies that matter at one tool, and what they read."""

    key: frozenset[str]  # their ids
    policies: tuple[Policy, ...]
    others: frozenset[str]  # every action that they name
    context: Shape  # cut to what these policies can read
    reads_context: bool
    reads_time: bool
    reads_action: bool
    reads_principal: bool
    has_permit: bool
    invalid: frozenset[str]  # ids of those that do not type-check for this tool
    problem: str | None
    schema: cedarpy.Schema | None = None  # made when first needed: a long list needs few of them


@dataclass(frozen=True, slots=True)
class Action:
    """One tool, as policy sees it."""

    tool: Tool
    uid: dict[str, Json]
    lineage: Lineage
    input: Shape
    context: Shape
    parts: dict[frozenset[str], Part] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Meeting:
    """Which policies decide about a tool, and which only watch, for principals alike in policy."""

    action: Action
    part: Part
    trials: tuple[tuple[Policy, Part], ...]  # each shadow policy, and all active ones with it


@dataclass(slots=True)
class Standing:
    """Principals in whom policies find the same: their meetings with tools."""

    relevant: frozenset[Key]
    meetings: dict[ToolKey, Meeting] = field(default_factory=dict)
    # Policies in scope → when it was decided, and whether tools that they speak of are shown.
    listed: dict[frozenset[str], tuple[float, bool]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Known:
    """A principal we have seen, and its plans."""

    principal: Principal
    facts: Facts
    standing: Standing
    plans: dict[ToolKey, Plan] = field(default_factory=dict)
    listed: dict[frozenset[str], tuple[float, bool]] = field(default_factory=dict)


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
    is_forbidden: bool | None = None


class Plans:
    """Plans of one policy set, kept within bounds."""

    def __init__(
        self,
        policies: Iterable[Policy],
        names: Names,
        enrichments: Mapping[str, Mapping[str, str]],
        validator: Validator,
    ) -> None:
        self.names = names
        self.index = ScopeIndex(policies)
        self._enrichments = enrichments
        self._validator = validator
        # Keyed by identity: the principal is held in the value, so its id cannot be reused.
        self._known: OrderedDict[int, Known] = OrderedDict()
        self._plan_count = 0
        self._standings: dict[frozenset[Key], Standing] = {}
        self._actions: OrderedDict[ToolKey, Action] = OrderedDict()
        self._handles: OrderedDict[frozenset[str], cedarpy.PolicySet] = OrderedDict()
        self._handled = 0

    def plan(self, principal: Principal, tool: Tool) -> Plan:
        """The plan of a principal at a tool."""
        known = self._known.get(id(principal))
        if known is None:
            known = self._learn(principal)
        key = (tool.target, tool.method, tool.digest)
        plan = known.plans.get(key)
        if plan is None:
            meeting = self._meet(known, key, tool)
            plan = known.plans[key] = Plan(known, meeting.action, meeting.part, meeting.trials)
            self._plan_count += 1
        return plan

    def part(self, action: Action, policies: tuple[Policy, ...]) -> Part:
        """Some policies at a tool. Only those that matter there."""
        key = frozenset(policy.id for policy in policies)
        known = action.parts.get(key)
        if known is None:
            known = action.parts[key] = self._part(key, action, policies)
        return known

    def schema(self, action: Action, part: Part) -> cedarpy.Schema:
        """The schema of one tool, cut to what these policies can read."""
        if part.schema is None:
            schema = cedar_schema(self.names, [(action.tool, part.context)], part.others)
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

    def handle(self, part: Part) -> cedarpy.PolicySet:
        """Cedar's own form of the policies, parsed once and kept while it is used."""
        handle = self._handles.get(part.key)
        if handle is not None:
            self._handles.move_to_end(part.key)
            return handle
        handle = self._handles[part.key] = parsed(part.policies)
        self._handled += len(part.key)
        while self._handled > MAX_HANDLED and len(self._handles) > 1:
            forgotten, _ = self._handles.popitem(last=False)
            self._handled -= len(forgotten)
        return handle

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

    def _meet(self, known: Known, key: ToolKey, tool: Tool) -> Meeting:
        meeting = known.standing.meetings.get(key)
        if meeting is not None:
            return meeting
        action = self._action(key, tool)
        lineage, names = known.facts.lineage, self.names
        found = self.index.candidates(
            known.standing.relevant, lineage, action.lineage, names.resource
        )
        active = tuple(policy for policy in found if policy.mode != SHADOW)
        trials = tuple(
            (policy, self.part(action, (*active, policy)))
            for policy in found
            if policy.mode == SHADOW
        )
        meeting = Meeting(action, self.part(action, active), trials)
        known.standing.meetings[key] = meeting
        return meeting

    def _action(self, key: ToolKey, tool: Tool) -> Action:
        known = self._actions.get(key)
        if known is not None:
            return known
        arguments = input_shape(tool.input_schema)
        lineage = self.names.action_of(tool)
        made = self._actions[key] = Action(
            tool=tool,
            uid={"type": lineage.own[0], "id": lineage.own[1]},
            lineage=lineage,
            input=arguments,
            context=context_shape(arguments, self._enrichments),
        )
        if len(self._actions) > MAX_TOOLS:
            self._actions.popitem(last=False)
        return made

    def _part(self, key: frozenset[str], action: Action, policies: tuple[Policy, ...]) -> Part:
        invalid = frozenset(self._validator.invalid(action.tool, action.context, policies))
        broken = sorted(invalid)
        problem = f"policy {', '.join(broken)} does not fit the tool's schema" if broken else None
        chains = {chain for policy in policies for chain in policy.chains}
        return Part(
            key=key,
            policies=policies,
            others=frozenset(name for policy in policies for name in policy.actions),
            context=cut(action.context, chains),
            reads_context=bool(chains),
            reads_time=any(not chain or chain[0] == "system" for chain in chains),
            reads_action=any(policy.reads_action for policy in policies),
            reads_principal=any(policy.reads_principal for policy in policies),
            has_permit=any(policy.effect == "permit" for policy in policies),
            invalid=invalid,
            problem=problem,
        )
