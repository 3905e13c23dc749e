"""The decision: Cedar over the few policies that can matter; default refuse; any error refuses."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import cedarpy
from cedarpy import _internal

from callgate.model import Json, Principal, Tool, Value, Verdict
from callgate.policy.answers import NO_PERMIT, verdict_of
from callgate.policy.context import Unrepresentable, build
from callgate.policy.entities import Facts, facts_of
from callgate.policy.index import ScopeIndex
from callgate.policy.names import Names
from callgate.policy.preview import (
    Situation,
    could_be_permitted,
    is_satisfied,
    parsed,
    reads_arguments,
    timed,
    with_unknowns,
)
from callgate.policy.schema import Shape, cedar_schema, context_shape, cut, input_shape
from callgate.policy.source import Policy, version_of
from callgate.policy.validation import Validator
from callgate.protocol.jsonrpc import encode

MAX_PRINCIPALS = 4096
MAX_PLANS = 20_000
MAX_TOOLS = 10_000
MAX_HANDLES = 5000

_Key = tuple[str, str, str]  # target, method, digest of the definition


class Question(Value):
    """What is to be decided: may this principal call this tool with these arguments, now?"""

    principal: Principal
    tool: Tool
    arguments: dict[str, Json]
    enriched: Mapping[str, Mapping[str, Json]]
    now: float  # seconds since the epoch


@dataclass(frozen=True, slots=True)
class _Action:
    """One tool, as policy sees it."""

    action: dict[str, Json]  # uid
    input: Shape
    context: Shape
    policies: tuple[Policy, ...]
    invalid: frozenset[str]  # ids of policies that do not type-check for this tool
    slices: dict[frozenset[str], _Slice] = field(default_factory=dict)


@dataclass(slots=True)
class _Slice:
    """The policies that matter for some principals and one tool; and what they read."""

    key: frozenset[str]  # their ids
    policies: tuple[Policy, ...]
    others: frozenset[str]  # every action that they name
    context: Shape  # cut to what these policies can read
    reads_context: bool
    reads_time: bool
    reads_action: bool
    has_permit: bool
    problem: str | None
    handle: cedarpy.PolicySet | None = None  # this and the schema are made when first needed:
    schema: cedarpy.Schema | None = None  # a list of a thousand tools needs few of them


@dataclass(slots=True)
class _Plan:
    """One principal and one tool: everything that does not depend on the arguments."""

    known: _Known
    tool: Tool
    action: _Action
    slice: _Slice
    entities: cedarpy.Entities | None = None
    verdict: Verdict | None = None  # where no policy reads the context, Cedar is asked just once
    is_listed: bool | None = None
    is_forbidden: bool | None = None


@dataclass(frozen=True, slots=True)
class _Known:
    """A principal we have seen, and its plans."""

    principal: Principal
    facts: Facts
    plans: dict[_Key, _Plan] = field(default_factory=dict)
    # Policies in scope → when it was decided, and whether tools that they speak of are shown.
    listed: dict[frozenset[str], tuple[float, bool]] = field(default_factory=dict)


class Engine:
    """An immutable policy set. Safe to share; swap the whole engine to change policy.

    INVARIANT: only Cedar permits. Our own index may refuse (no permit policy in scope) and a
    verdict may be reused where no policy in scope reads the context; it is never computed here.
    """

    def __init__(
        self,
        policies: Iterable[Policy],
        names: Names,
        enrichments: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        self.policies = tuple(policies)
        self.version = version_of(self.policies)
        self.names = names
        self._enrichments = enrichments or {}
        self._index = ScopeIndex(self.policies, names)
        self._validator = Validator(names)
        self._resource = names.uid(names.GATEWAY, names.gateway)
        # Keyed by identity: the principal is held in the value, so its id cannot be reused.
        self._known: OrderedDict[int, _Known] = OrderedDict()
        self._plan_count = 0
        self._actions: OrderedDict[_Key, _Action] = OrderedDict()
        self._handles: OrderedDict[frozenset[str], cedarpy.PolicySet] = OrderedDict()

    def authorize(self, question: Question) -> Verdict:
        """The full decision, on the arguments exactly as they will be sent."""
        plan = self._plan(question.principal, question.tool)
        if plan.verdict is not None:
            return plan.verdict
        early = self._refused_by_scope(plan)
        if early is not None:
            plan.verdict = early
            return early
        part = plan.slice
        try:
            context = build(
                part.context, plan.action.input, question.arguments, question.enriched, question.now
            )
        except Unrepresentable as finding:
            return self._refused(f"policy cannot see the arguments exactly: {finding}")
        verdict = self._ask(plan, context)
        if not part.reads_context:
            plan.verdict = verdict
        return verdict

    def may_permit(self, principal: Principal, tool: Tool) -> Verdict:
        """The coarse boundary: could any arguments be permitted, as far as scopes tell?"""
        plan = self._plan(principal, tool)
        if plan.verdict is not None:
            return plan.verdict
        return self._refused_by_scope(plan) or Verdict(is_permitted=True, version=self.version)

    def is_listed(self, principal: Principal, tool: Tool, now: float) -> bool:
        """Whether some arguments could be permitted: scopes first, then partial evaluation."""
        plan = self._plan(principal, tool)
        if plan.is_listed is not None:
            return plan.is_listed
        is_listed = self._listed(plan, now)
        if not plan.slice.reads_time:
            plan.is_listed = is_listed
        return is_listed

    def is_usable(
        self, principal: Principal, tool: Tool, arguments: dict[str, Json], now: float
    ) -> bool:
        """Whether a call with just these arguments, and no facts of interceptors, is permitted."""
        question = Question(
            principal=principal, tool=tool, arguments=arguments, enriched={}, now=now
        )
        return self.authorize(question).is_permitted

    def could_be_used(
        self, principal: Principal, tool: Tool, known: dict[str, Json], now: float
    ) -> bool:
        """Whether a call could be permitted of which only some arguments are known."""
        if not self.is_listed(principal, tool, now):
            return False
        plan = self._plan(principal, tool)
        read = plan.slice.context.fields.get("input")
        if read is None:
            return True
        try:
            forms = with_unknowns(read.shape, known)
        except Unrepresentable:
            return False
        return forms is None or any(self._could_be_permitted(plan, now, form) for form in forms)

    def is_forbidden(self, principal: Principal, tool: Tool, now: float | None = None) -> bool:
        """Whether a forbid decides, whatever the arguments; the absence of permits does not count.

        Neither does a forbid that does not fit the tool, for it is about the arguments of others,
        nor one on the time where `now` is not given.
        """
        plan = self._plan(principal, tool)
        reads_time = plan.slice.reads_time
        if plan.is_forbidden is None or reads_time:
            forbids = [
                policy
                for policy in plan.slice.policies
                if policy.effect == "forbid"
                and policy.id not in plan.action.invalid
                and not (reads_arguments(policy) if now is not None else policy.chains)
            ]
            situation = self._situation(plan, now or 0.0)
            plan.is_forbidden = bool(forbids) and is_satisfied(
                forbids, self._entities(plan), situation
            )
        return plan.is_forbidden

    def varies_with_time(self, principal: Principal, tools: Iterable[Tool]) -> bool:
        """Whether a list for this principal may change without any change of policy or tools."""
        return any(self._plan(principal, tool).slice.reads_time for tool in tools)

    def _listed(self, plan: _Plan, now: float) -> bool:
        if self._refused_by_scope(plan) is not None:
            return False
        part, listed = plan.slice, plan.known.listed
        # Tools that the same policies speak of look alike, unless a condition looks at `action`.
        if part.reads_action:
            return self._is_possible(plan, now)
        found = listed.get(part.key)
        if found is None or (part.reads_time and found[0] != now):
            found = listed[part.key] = (now, self._is_possible(plan, now))
        return found[1]

    def _is_possible(self, plan: _Plan, now: float) -> bool:
        part = plan.slice
        if not part.reads_context:
            if plan.verdict is None:
                plan.verdict = self._ask(plan, {})
            return plan.verdict.is_permitted
        unconditional = {p.effect for p in part.policies if not p.has_conditions}
        if "forbid" in unconditional:
            return False
        if not any(p.effect == "forbid" for p in part.policies) and "permit" in unconditional:
            return True
        return self._could_be_permitted(plan, now)

    def _could_be_permitted(self, plan: _Plan, now: float, arguments: Json | None = None) -> bool:
        part = plan.slice
        handle = timed(part.policies, now) if part.reads_time else self._handle(part)
        situation = self._situation(plan, now)
        return could_be_permitted(handle, self._entities(plan), situation, arguments)

    def _situation(self, plan: _Plan, now: float) -> Situation:
        return Situation(
            principal=plan.known.facts.request_principal,
            action=plan.action.action,
            resource=self._resource,
            now=now,
        )

    def _refused_by_scope(self, plan: _Plan) -> Verdict | None:
        if plan.slice.problem is not None:
            return self._refused(plan.slice.problem)
        return None if plan.slice.has_permit else self._refused(NO_PERMIT)

    def _refused(self, reason: str) -> Verdict:
        return Verdict(is_permitted=False, reason=reason, version=self.version)

    def _ask(self, plan: _Plan, context: dict[str, Json]) -> Verdict:
        part = plan.slice
        request = {
            "principal": plan.known.facts.request_principal,
            "action": plan.action.action,
            "resource": self._resource,
            "context": encode(context).decode(),
        }
        # The wrapper around this call costs a fifth of the whole; the raw one is the same engine.
        raw = _internal.is_authorized(
            request,
            self._handle(part),
            self._entities(plan)._inner,
            self._schema(plan),
            False,
        )
        return verdict_of(raw, part.policies, self.version)

    def _entities(self, plan: _Plan) -> cedarpy.Entities:
        # INVARIANT: built with the schema, or action groups do not exist and forbids vanish.
        if plan.entities is None:
            plan.entities = cedarpy.Entities.from_json_str(
                plan.known.facts.entities, self._schema(plan)
            )
        return plan.entities

    def _schema(self, plan: _Plan) -> cedarpy.Schema:
        part = plan.slice
        if part.schema is None:
            schema = cedar_schema(self.names, [(plan.tool, part.context)], part.others)
            part.schema = cedarpy.Schema.from_json_str(encode(schema).decode())
        return part.schema

    def _handle(self, part: _Slice) -> cedarpy.PolicySet:
        if part.handle is None:
            part.handle = self._handles.get(part.key) or parsed(part.policies)
            self._handles[part.key] = part.handle
            while len(self._handles) > MAX_HANDLES:
                self._handles.popitem(last=False)
        return part.handle

    def _plan(self, principal: Principal, tool: Tool) -> _Plan:
        known = self._known.get(id(principal))
        if known is None:
            known = self._learn(principal)
        key = (tool.target, tool.method, tool.digest)
        plan = known.plans.get(key)
        if plan is None:
            action = self._action(tool)
            candidates = ScopeIndex.for_principal(action.policies, known.facts)
            part = self._slice(action, candidates)
            plan = known.plans[key] = _Plan(known=known, tool=tool, action=action, slice=part)
            self._plan_count += 1
        return plan

    def _learn(self, principal: Principal) -> _Known:
        while len(self._known) >= MAX_PRINCIPALS or self._plan_count >= MAX_PLANS:
            _, forgotten = self._known.popitem(last=False)
            self._plan_count -= len(forgotten.plans)
        known = _Known(principal, facts_of(principal, self.names))
        self._known[id(principal)] = known
        return known

    def _action(self, tool: Tool) -> _Action:
        key = (tool.target, tool.method, tool.digest)
        known = self._actions.get(key)
        if known is not None:
            return known
        arguments = input_shape(tool.input_schema)
        context = context_shape(arguments, self._enrichments)
        policies = self._index.for_tool(tool)
        made = _Action(
            action={"type": f"{self.names.namespace}::Action", "id": tool.qualified_name},
            input=arguments,
            context=context,
            policies=policies,
            invalid=frozenset(self._validator.invalid(tool, context, policies)),
        )
        self._actions[key] = made
        if len(self._actions) > MAX_TOOLS:
            self._actions.popitem(last=False)
        return made

    @staticmethod
    def _slice(action: _Action, policies: tuple[Policy, ...]) -> _Slice:
        key = frozenset(policy.id for policy in policies)
        known = action.slices.get(key)
        if known is not None:
            return known
        chains = {chain for policy in policies for chain in policy.chains}
        broken = sorted(key & action.invalid)
        problem = f"policy {', '.join(broken)} does not fit the tool's schema" if broken else None
        made = _Slice(
            key=key,
            policies=policies,
            others=frozenset(name for policy in policies for name in policy.actions),
            context=cut(action.context, chains),
            reads_context=bool(chains),
            reads_time=any(not chain or chain[0] == "system" for chain in chains),
            reads_action=any(policy.reads_action for policy in policies),
            has_permit=any(policy.effect == "permit" for policy in policies),
            problem=problem,
        )
        action.slices[key] = made
        return made
