"""The decision: Cedar over the few policies that can matter; default refuse; any error refuses."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping

import cedarpy
import msgspec
from cedarpy import _internal
from msgspec.structs import replace

from callgate.model import Flip, Json, Principal, Tool, Value, Verdict
from callgate.policy.account import Account
from callgate.policy.answers import NO_PERMIT, answer_of
from callgate.policy.context import Unrepresentable, build
from callgate.policy.explain import Inquiry, Scene, account
from callgate.policy.hints import Narrowing
from callgate.policy.names import Names
from callgate.policy.outlook import Outlook
from callgate.policy.parts import Deciders, Part
from callgate.policy.plans import Known, Plan, Plans
from callgate.policy.preview import is_satisfied, reads_arguments
from callgate.policy.shapes import Shape
from callgate.policy.source import SHADOW, Policy, version_of
from callgate.policy.tooling import Tooling, ToolKey
from callgate.protocol.jsonrpc import encode

ENFORCE, OBSERVE = "enforce", "observe"
MAX_OTHERS = 8  # permits for other principals that an account looks at
MAX_INQUIRIES = 256


class Question(Value):
    """What is to be decided: may this principal call this tool with these arguments, now?"""

    principal: Principal
    tool: Tool
    arguments: dict[str, Json]
    enriched: Mapping[str, Mapping[str, Json]]
    now: float  # seconds since the epoch


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
        *,
        mode: str = ENFORCE,
        tooling: Tooling | None = None,
    ) -> None:
        """`mode` "observe": verdicts are made and told, and nothing is refused because of them.

        `tooling` is that of an engine before; where it does not fit, a new one is made.
        """
        self.policies = tuple(policies)
        self.version = version_of(self.policies)
        self.names = names
        self.enrichments = enrichments or {}
        self.is_enforced = mode != OBSERVE
        if tooling is None or not tooling.fits(names, self.enrichments):
            tooling = Tooling(names, self.enrichments)
        self.tooling = tooling
        self._plans = Plans(self.policies, names, tooling)
        self._outlook = Outlook(self._plans, tooling.validator)
        self._asked: OrderedDict[tuple[tuple[str, ...], ...], Inquiry] = OrderedDict()
        self._resource = names.uid(names.GATEWAY, names.gateway)
        self._permitted = Verdict(
            is_permitted=True, version=self.version, is_enforced=self.is_enforced
        )

    @property
    def plans(self) -> Plans:
        """What it remembers, for those who put another engine in its place."""
        return self._plans

    def authorize(self, question: Question) -> Verdict:
        """The full decision, on the arguments exactly as they will be sent."""
        plan = self._plans.plan(question.principal, question.tool)
        if plan.verdict is not None:
            return plan.verdict
        verdict = self._decided(plan, plan.part, question)
        if plan.trials:
            flips = tuple(self._flips(plan, question, verdict))
            verdict = replace(verdict, flips=flips) if flips else verdict
        if not plan.reads_context:
            plan.verdict = verdict
        return verdict

    def may_permit(self, principal: Principal, tool: Tool) -> Verdict:
        """The coarse boundary: could any arguments be permitted, as far as scopes tell?"""
        plan = self._plans.plan(principal, tool)
        if plan.verdict is not None:
            return plan.verdict
        if plan.trials or plan.part.key in plan.scoped:
            return self._permitted  # what trials would flip is only known with the arguments
        return self._refused_by_scope(plan.part) or self._permitted

    def in_scope(self, principal: Principal, tool: Tool) -> Part:
        """The policies that decide of this principal at this tool, and what they read."""
        return self._plans.plan(principal, tool).part

    def examine(self, question: Question) -> Account:
        """The verdict, and why: every policy in scope, clause by clause. Takes about 1 ms."""
        plan = self._plans.plan(question.principal, question.tool)
        verdict = self.authorize(question)
        for inquiry in self._inquiries(plan):
            part = self._plans.part(plan.action, inquiry.policies)
            context = self._context(plan, part.context, question)
            if isinstance(context, Verdict):
                continue  # shadows and others may read what those that decide do not
            scene = Scene(
                verdict=verdict,
                answer=answer_of(self._raw(plan, part, inquiry.handle, context)),
                context=context,
                principal=msgspec.json.decode(plan.known.facts.entities)[0],
            )
            return account(inquiry, scene)
        return Account(verdict=verdict, policies=())

    def _inquiries(self, plan: Plan) -> Iterator[Inquiry]:
        """Into all policies that are worth a look; then into those alone that decide."""
        shadows = tuple(policy for policy, _ in plan.trials)
        others = self._for_others(plan)
        yield self._inquiry(plan.part.policies, shadows, others)
        if shadows or others:
            yield self._inquiry(plan.part.policies, (), ())

    def _inquiry(self, *policies: tuple[Policy, ...]) -> Inquiry:
        key = tuple(tuple(policy.id for policy in some) for some in policies)
        known = self._asked.get(key)
        if known is None:
            known = self._asked[key] = Inquiry.into(*policies)
            if len(self._asked) > MAX_INQUIRIES:
                self._asked.popitem(last=False)
        return known

    def is_listed(self, principal: Principal, tool: Tool, now: float) -> bool:
        """Whether some arguments could be permitted: scopes first, then what conditions leave."""
        return bool(self.listed(principal, (tool,), now)[0])

    def listed(
        self, principal: Principal, tools: Iterable[Tool], now: float
    ) -> tuple[list[Tool], bool]:
        """The tools that some arguments could be permitted of, and whether time may change that."""
        if not self.is_enforced:
            return list(tools), False
        known = self._plans.known(principal)
        shown, found, varies = known.standing.shown, [], False
        for tool in tools:
            key = (tool.target, tool.method, tool.digest)
            is_shown = shown.get(key)
            if is_shown is None:
                is_shown, is_timed = self._is_shown(known, key, tool, now)
                varies = varies or is_timed
            if is_shown:
                found.append(tool)
        return found, varies

    def narrowing(self, principal: Principal, tool: Tool, now: float) -> Narrowing | None:
        """What arguments must be like; None where nothing is permitted, or all goes through."""
        if not self.is_enforced or not self.is_listed(principal, tool, now):
            return None
        return self._outlook.narrowing(self._plans.plan(principal, tool), now)

    def is_usable(
        self, principal: Principal, tool: Tool, arguments: dict[str, Json], now: float
    ) -> bool:
        """Whether a call with just these arguments, and no facts of interceptors, goes through."""
        question = Question(
            principal=principal, tool=tool, arguments=arguments, enriched={}, now=now
        )
        return self.authorize(question).lets_through

    def could_be_used(
        self, principal: Principal, tool: Tool, known: dict[str, Json], now: float
    ) -> bool:
        """Whether a call could go through of which only some arguments are known."""
        if not self.is_enforced:
            return True
        if not self.is_listed(principal, tool, now):
            return False
        try:
            return self._outlook.could_be(self._plans.plan(principal, tool), known, now)
        except Unrepresentable:
            return False

    def is_forbidden(self, principal: Principal, tool: Tool, now: float | None = None) -> bool:
        """Whether a forbid decides, whatever the arguments; the absence of permits does not count.

        Neither does a forbid that does not fit the tool, for it is about the arguments of others,
        nor one on the time where `now` is not given.
        """
        if not self.is_enforced:
            return False
        plan = self._plans.plan(principal, tool)
        part = plan.part
        if plan.is_forbidden is None or part.reads_time:
            forbids = [
                policy
                for policy in part.policies
                if policy.effect == "forbid"
                and policy.id not in part.invalid
                and not (reads_arguments(policy) if now is not None else policy.chains)
            ]
            situation = self._plans.situation(plan, now or 0.0)
            key = frozenset(policy.id for policy in forbids)
            plan.is_forbidden = bool(forbids) and is_satisfied(
                self._plans.handle_of(key, forbids), self._plans.entities(plan), situation
            )
        return plan.is_forbidden

    def varies_with_time(self, principal: Principal, tools: Iterable[Tool]) -> bool:
        """Whether what some tools may be used for can change without any change of policy."""
        plan = self._plans.plan
        return self.is_enforced and any(plan(principal, tool).part.reads_time for tool in tools)

    def _decided(self, plan: Plan, part: Part, question: Question) -> Verdict:
        """The verdict of some policies."""
        if part.key not in plan.scoped:
            early = self._refused_by_scope(part)
            if early is not None:
                return early
            if not self._plans.are_in_scope(plan, part):
                reason = "the engine and its index do not agree on the scopes of policies"
                return self._refused(reason)
        verdict = self._evaluated(plan, part, question)
        return verdict if self.is_enforced else replace(verdict, is_enforced=False)

    def _evaluated(self, plan: Plan, part: Part, question: Question) -> Verdict:
        """Cedar's verdict on a context without levels, which is the same sooner.

        Where something fails, it is asked about the context as it is, and says what failed there.
        """
        deciders, flat = part.deciders, part.deciders.flat
        lifted = flat.flattening.read(
            plan.action.input, question.arguments, question.enriched, question.now
        )
        if lifted is not None:
            has_types = plan.has_fitted and flat.flattening.is_plain
            verdict = self._verdict(plan, part, flat.deciders, lifted, has_types=has_types)
            if not verdict.errors:
                plan.has_fitted = True
                return verdict
        context = self._context(plan, deciders.context, question)
        if isinstance(context, Verdict):
            return context
        return self._verdict(plan, part, deciders, context)

    def _verdict(
        self,
        plan: Plan,
        part: Part,
        deciders: Deciders,
        context: dict[str, Json],
        *,
        has_types: bool = False,
    ) -> Verdict:
        raw = self._raw(plan, deciders, self._plans.handle(deciders), context, has_types=has_types)
        return part.verdicts.of(raw, self.version)

    def _flips(self, plan: Plan, question: Question, verdict: Verdict) -> Iterable[Flip]:
        """Which shadow policies would have turned the verdict, each beside all active ones."""
        for policy, part in plan.trials:
            would = self._decided(plan, part, question)
            if would.is_permitted != verdict.is_permitted:
                word = "permit" if would.is_permitted else "refuse"
                yield Flip(policy=policy.id, would=word, reason=would.reason)

    def _context(self, plan: Plan, shape: Shape, question: Question) -> dict[str, Json] | Verdict:
        """What policies can read of the call; a refusal where that cannot be said exactly."""
        try:
            return build(
                shape, plan.action.input, question.arguments, question.enriched, question.now
            )
        except Unrepresentable as finding:
            return self._refused(f"policy cannot see the arguments exactly: {finding}")

    def _for_others(self, plan: Plan) -> tuple[Policy, ...]:
        """Some permits for this tool whose principal scope does not match."""
        lineage = plan.known.facts.lineage
        found = (
            policy
            for policy in self._plans.index.for_action(plan.action.lineage, self.names.resource)
            if policy.effect == "permit"
            and policy.mode != SHADOW
            and not lineage.meets(policy.principal)
        )
        return tuple(policy for policy, _ in zip(found, range(MAX_OTHERS), strict=False))

    def _is_shown(self, known: Known, key: ToolKey, tool: Tool, now: float) -> tuple[bool, bool]:
        """Whether a tool is in a list, and whether time may change that."""
        plan = known.plans.get(key)
        if plan is not None and plan.is_listed is not None and not plan.part.reads_time:
            return plan.is_listed, False
        plans = self._plans
        action = plans.action(key, tool)
        meeting = plans.meet(known, action)
        choice = meeting.choice
        if choice.has_permit and choice.reads_facts:
            plan = plans.plan_of(known, key, action, meeting)
            plan.is_listed = self._outlook.is_possible_for(plan, now)
            return plan.is_listed, choice.reads_time
        is_shown = choice.has_permit and self._outlook.is_possible(known, action, choice)
        plans.remember(known.standing, key, is_shown)
        return is_shown, False

    def _refused_by_scope(self, part: Part) -> Verdict | None:
        if part.problem is not None:
            return self._refused(part.problem)
        return None if part.has_permit else self._refused(NO_PERMIT)

    def _refused(self, reason: str) -> Verdict:
        return Verdict(
            is_permitted=False, reason=reason, version=self.version, is_enforced=self.is_enforced
        )

    def _raw(
        self,
        plan: Plan,
        part: Part | Deciders,
        handle: cedarpy.PolicySet,
        context: dict[str, Json],
        *,
        has_types: bool = False,
    ) -> str:
        """Cedar's answer.

        INVARIANT: the schema goes with the request, for it is what makes types hold; but where what
        was read `has_types` that need no schema (`Flattening.is_plain`), and a request of this plan
        has been held against it.
        """
        request = {
            "principal": plan.known.facts.request_principal,
            "action": plan.action.uid,
            "resource": self._resource,
            "context": encode(context).decode(),
        }
        entities = plan.entities
        if entities is None:
            entities = self._plans.entities(plan)
        schema = None if has_types else self._plans.schema(plan.action, part)
        # The wrapper around this call costs a fifth of the whole; the raw one is the same engine.
        raw: str = _internal.is_authorized(request, handle, entities._inner, schema, False)
        return raw
