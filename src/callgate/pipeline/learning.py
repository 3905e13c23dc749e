"""The record read twice: to learn what is permitted and runs, then to try what was made of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from callgate.model import Json, Value
from callgate.pipeline.replay import Recall
from callgate.policy.answers import NO_PERMIT
from callgate.policy.cases import Ruling
from callgate.policy.decided import ARGUMENTS, Decision, Left
from callgate.policy.engine import Engine
from callgate.policy.learning.observing import Ledger
from callgate.policy.simulate import Simulation
from callgate.protocol.methods import METHODS

MAX_REFUSED = 12  # calls that are kept, of those that a draft refuses
NOT_RUN = "they were permitted and did not run"
NO_ARGUMENTS = "their arguments are not in the record"
NO_CLAIMS = "claims of their callers, which policies read, are not in the record"
NOT_PERMITTED = "they ran although no policy permitted them: --observed learns from them"
OTHER_DEFINITION = "their tools had another definition than when they were used last"


class Lesson(Value):
    """Which calls to learn from. What is None does not matter."""

    principal: str | None = None
    agent: str | None = None
    target: str | None = None
    tool: str | None = None  # as its target names it, or qualified
    observed: bool = False  # also calls that ran without a permit, because nothing was enforced
    claims: frozenset[str] = frozenset()  # that policies read: who had them must still have them

    def is_about(self, decision: Decision) -> bool:
        """Whether it is one of those calls, however it ended."""
        question = decision.question
        tool = question.tool
        return all(
            wanted is None or wanted in told
            for wanted, told in (
                (self.principal, (question.principal.id,)),
                (self.agent, (question.principal.agent,)),
                (self.target, (tool.target,)),
                (self.tool, (tool.name, tool.qualified_name)),
            )
        )

    def why_not(self, decision: Decision, call: Mapping[str, Json]) -> str | None:
        """Why nothing is learnt from a call; "": that needs no word. None: something is."""
        if METHODS[decision.question.tool.method].is_list:
            return ""  # needs no permit
        has_run = call.get("ran") == "yes"
        if decision.ruling is not Ruling.PERMIT:
            if not has_run or decision.reason != NO_PERMIT:
                return ""
            if not self.observed:
                return NOT_PERMITTED
        if not has_run:
            return NOT_RUN
        if self.claims and not decision.knows_claims:
            return NO_CLAIMS
        return NO_ARGUMENTS if ARGUMENTS in decision.hidden else None


@dataclass(slots=True)
class Learnt:
    """What the first reading gave."""

    ledger: Ledger = field(default_factory=Ledger)
    first_at: float = float("inf")
    last_at: float = float("-inf")
    left: Counter[str] = field(default_factory=Counter)  # why nothing was learnt from a call

    @property
    def digests(self) -> frozenset[str]:
        """The definitions of tools that count."""
        return frozenset(used.tool.digest for used in self.ledger.latest()[0])


@dataclass(slots=True)
class Tried:
    """What the second reading gave."""

    broken: list[str] = field(default_factory=list)  # calls that were learnt from, and are refused
    refused: list[Decision] = field(default_factory=list)  # some of all that are


def learn(calls: Iterable[Mapping[str, Json]], recall: Recall, lesson: Lesson) -> Learnt:
    """Takes in every call that ended. Raises StoreError."""
    learnt = Learnt(ledger=Ledger(claims=lesson.claims))
    for decision, call in _decisions(calls, recall):
        if isinstance(decision, Left):
            learnt.left[decision.reason] += 1
            continue
        learnt.ledger.meet(decision.question.principal)
        if not lesson.is_about(decision):
            continue
        why = lesson.why_not(decision, call)
        if why is None:
            learnt.ledger.add(decision)
            learnt.first_at = min(learnt.first_at, decision.question.now)
            learnt.last_at = max(learnt.last_at, decision.question.now)
        elif why:
            learnt.left[why] += 1
    _, older = learnt.ledger.latest()
    if older:
        learnt.left[OTHER_DEFINITION] += older
    return learnt


@dataclass(frozen=True, slots=True)
class Attempt:
    """What is tried, and what it came from."""

    draft: Engine  # the drafted policies alone
    simulation: Simulation  # … as they would be in force
    lesson: Lesson
    digests: frozenset[str]

    def run(self, calls: Iterable[Mapping[str, Json]], recall: Recall) -> Tried:
        """Puts every call that ended to it, by whomever. Raises StoreError."""
        tried = Tried()
        for decision, call in _decisions(calls, recall):
            if isinstance(decision, Left):
                self.simulation.leave(decision)
                continue
            self.simulation.add(decision)
            if METHODS[decision.question.tool.method].is_list:
                continue
            if not self.draft.authorize(decision.question).is_permitted:
                self._note(decision, call, tried)
        return tried

    def _note(self, decision: Decision, call: Mapping[str, Json], tried: Tried) -> None:
        is_learnt = (
            self.lesson.is_about(decision)
            and self.lesson.why_not(decision, call) is None
            and decision.question.tool.digest in self.digests
        )
        if is_learnt:
            tried.broken.append(decision.call)
        elif not decision.hidden and len(tried.refused) < MAX_REFUSED:
            tried.refused.append(decision)


def _decisions(
    calls: Iterable[Mapping[str, Json]], recall: Recall
) -> Iterator[tuple[Decision | Left, Mapping[str, Json]]]:
    for call in calls:
        decision = recall.call(call)
        if isinstance(decision, Decision | Left):
            yield decision, call
