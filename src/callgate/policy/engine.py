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
from callgate.policy.answers import NO_PERMIT, answer_of, verdict_of
from callgate.policy.context import Unrepresentable, build
from callgate.policy.explain import Inquiry, Scene, account
from callgate.policy.names import Names
from callgate.policy.plans import Part, Plan, Plans
from callgate.policy.preview import (
    Situation,
    could_be_permitted,
    is_satisfied,
    reads_arguments,
    timed,
    with_unknowns,
)
from callgate.policy.source import SHADOW, Policy, version_of
from callgate.policy.validation import Validator
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
    ) -> None:
        """`mode` "observe": verdicts are made and told, and nothing is refused because of them."""
        self.policies = tuple(policies)
        self.version = version_of(self.policies)
        self.names = names
        self.enrichments = enrichments or {}
        self.is_enforced = mode != OBSERVE
        self._plans = Plans(self.policies, names, self.enrichments, Validator(names))
        self._asked: OrderedDict[tuple[tuple[str, ...], ...], Inquiry] = OrderedDict()
        self._resource = names.uid(names.GATEWAY, names.gateway)

    def authorize(self, question: Question) -> Verdict:
        """The full decision, on the arguments exactly as they will be sent."""
        plan = self._plans.plan(question.principal, question.tool)
        if plan.verdict is not None:
            return plan.verdict
        verdict = self._decided(plan, plan.part, question)
        if plan.trials:
            flips = tuple(self._flips(plan, question, verdict))
            verdict = replace(verdict, flips=flips) if flips else verdict
        if not plan.part.reads_context and not any(p.reads_context for _, p in plan.trials):
            plan.verdict = verdict
        return verdict

    def may_permit(self, principal: Principal, tool: Tool) -> Verdict:
        """The coarse boundary: could any arguments be permitted, as far as scopes tell?"""
        plan = self._plans.plan(principal, tool)
        if plan.verdict is not None:
            return plan.verdict
        if plan.trials:
            return self._permitted()  # what would flip is only known with the arguments
        return self._refused_by_scope(plan.part) or self._permitted()

    def examine(self, question: Question) -> Account:
        """The verdict, and why: every policy in scope, clause by clause. Takes about 1 ms."""
        plan = self._plans.plan(question.principal, question.tool)
        verdict = self.authorize(question)
        for inquiry in self._inquiries(plan):
            part = self._plans.part(plan.action, inquiry.policies)
            context = self._context(plan, part, question)
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
        """Whether some arguments could be permitted: scopes first, then partial evaluation."""
        if not self.is_enforced:
            return True
        plan = self._plans.plan(principal, tool)
        if plan.is_listed is not None:
            return plan.is_listed
        is_listed = self._listed(plan, now)
        if not plan.part.reads_time:
            plan.is_listed = is_listed
        return is_listed

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
        plan = self._plans.plan(principal, tool)
        read = plan.part.context.fields.get("input")
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
            situation = self._situation(plan, now or 0.0)
            plan.is_forbidden = bool(forbids) and is_satisfied(
                forbids, self._plans.entities(plan), situation
            )
        return plan.is_forbidden

    def varies_with_time(self, principal: Principal, tools: Iterable[Tool]) -> bool:
        """Whether a list for this principal may change without any change of policy or tools."""
        plan = self._plans.plan
        return self.is_enforced and any(plan(principal, tool).part.reads_time for tool in tools)

    def _decided(self, plan: Plan, part: Part, question: Question) -> Verdict:
        """The verdict of some policies."""
        early = self._refused_by_scope(part)
        if early is not None:
            return early
        context = self._context(plan, part, question)
        if isinstance(context, Verdict):
            return context
        raw = self._raw(plan, part, self._plans.handle(part), context)
        verdict = verdict_of(raw, part.policies, self.version)
        return verdict if self.is_enforced else replace(verdict, is_enforced=False)

    def _flips(self, plan: Plan, question: Question, verdict: Verdict) -> Iterable[Flip]:
        """Which shadow policies would have turned the verdict, each beside all active ones."""
        for policy, part in plan.trials:
            would = self._decided(plan, part, question)
            if would.is_permitted != verdict.is_permitted:
                word = "permit" if would.is_permitted else "refuse"
                yield Flip(policy=policy.id, would=word, reason=would.reason)

    def _context(self, plan: Plan, part: Part, question: Question) -> dict[str, Json] | Verdict:
        """What these policies can read of the call; a refusal where that cannot be said exactly."""
        try:
            return build(
                part.context, plan.action.input, question.arguments, question.enriched, question.now
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

    def _listed(self, plan: Plan, now: float) -> bool:
        part = plan.part
        if self._refused_by_scope(part) is not None:
            return False
        # Tools that the same policies speak of look alike, unless a condition looks at `action`;
        # so do principals for whom the same policies are in scope, unless one looks at them.
        if part.reads_action:
            return self._is_possible(plan, now)
        known = plan.known
        listed = known.listed if part.reads_principal else known.standing.listed
        found = listed.get(part.key)
        if found is None or (part.reads_time and found[0] != now):
            found = listed[part.key] = (now, self._is_possible(plan, now))
        return found[1]

    def _is_possible(self, plan: Plan, now: float) -> bool:
        part = plan.part
        if not part.reads_context:
            raw = self._raw(plan, part, self._plans.handle(part), {})
            return verdict_of(raw, part.policies, self.version).is_permitted
        unconditional = {p.effect for p in part.policies if not p.has_conditions}
        if "forbid" in unconditional:
            return False
        if not any(p.effect == "forbid" for p in part.policies) and "permit" in unconditional:
            return True
        return self._could_be_permitted(plan, now)

    def _could_be_permitted(self, plan: Plan, now: float, arguments: Json | None = None) -> bool:
        part = plan.part
        handle = timed(part.policies, now) if part.reads_time else self._plans.handle(part)
        situation = self._situation(plan, now)
        return could_be_permitted(handle, self._plans.entities(plan), situation, arguments)

    def _situation(self, plan: Plan, now: float) -> Situation:
        return Situation(
            principal=plan.known.facts.request_principal,
            action=plan.action.uid,
            resource=self._resource,
            now=now,
        )

    def _refused_by_scope(self, part: Part) -> Verdict | None:
        if part.problem is not None:
            return self._refused(part.problem)
        return None if part.has_permit else self._refused(NO_PERMIT)

    def _refused(self, reason: str) -> Verdict:
        return Verdict(
            is_permitted=False, reason=reason, version=self.version, is_enforced=self.is_enforced
        )

    def _permitted(self) -> Verdict:
        return Verdict(is_permitted=True, version=self.version, is_enforced=self.is_enforced)

    def _raw(
        self, plan: Plan, part: Part, handle: cedarpy.PolicySet, context: dict[str, Json]
    ) -> str:
        """Cedar's answer. The schema stays on every request: it is what makes types hold."""
        request = {
            "principal": plan.known.facts.request_principal,
            "action": plan.action.uid,
            "resource": self._resource,
            "context": encode(context).decode(),
        }
        # The wrapper around this call costs a fifth of the whole; the raw one is the same engine.
        raw: str = _internal.is_authorized(
            request,
            handle,
            self._plans.entities(plan)._inner,
            self._plans.schema(plan.action, part),
            False,
        )
        return raw
