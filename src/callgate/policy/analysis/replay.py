"""Puts a request that the solver found to Cedar itself: nothing is reported that it denies."""

from __future__ import annotations

from msgspec.structs import replace

from callgate.model import Verdict
from callgate.policy.account import State
from callgate.policy.analysis.findings import Example, Subject
from callgate.policy.engine import Engine, Question
from callgate.policy.names import Names
from callgate.policy.source import ACTIVE, Policy


class Replay:
    """The real engine over parts of one policy set."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._engines: dict[tuple[str, ...], Engine] = {}

    def verdict(self, policies: tuple[Policy, ...], question: Question) -> Verdict:
        """What these policies together say."""
        return self._engine(policies).authorize(question)

    def state(self, policy: Policy, question: Question) -> State:
        """What one policy comes to: it is asked alone, as if it were an active permit."""
        verdict = self._engine((_as_permit(policy),)).authorize(question)
        if verdict.errors:
            return State.FAILED
        return State.SATISFIED if verdict.is_permitted else State.UNSATISFIED

    def _engine(self, policies: tuple[Policy, ...]) -> Engine:
        key = tuple(f"{policy.effect} {policy.digest}" for policy in policies)
        engine = self._engines.get(key)
        if engine is None:
            subject = self._subject
            engine = Engine(policies, subject.names, subject.enrichments)
            self._engines[key] = engine
        return engine


def _as_permit(policy: Policy) -> Policy:
    est = {**policy.est, "effect": "permit"}
    return replace(policy, effect="permit", mode=ACTIVE, est=est)


def example(question: Question, outcome: str) -> Example:
    """A request as a report shows it."""
    principal = question.principal
    return Example(
        principal=principal,
        principal_type=Names.ANONYMOUS if principal.kind == "anonymous" else Names.USER,
        tool=question.tool.qualified_name,
        arguments=question.arguments,
        enriched={name: dict(facts) for name, facts in question.enriched.items()},
        now=question.now,
        outcome=outcome,
    )
