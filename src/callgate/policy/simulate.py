"""Verdicts of two policy sets over recorded decisions, as a diff; what cannot be said is not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from msgspec.structs import replace

from callgate.model import Principal, Verdict
from callgate.policy.account import Account
from callgate.policy.answers import failing
from callgate.policy.cases import Fits, Ruling, ruling_of
from callgate.policy.decided import Decision, Left, is_hidden
from callgate.policy.decisions import verdict_on
from callgate.policy.engine import Engine, Question
from callgate.policy.parts import Choice
from callgate.policy.simulated import Cause, Example, Kind, Simulated, Tally
from callgate.policy.source import Policy
from callgate.protocol.methods import METHODS

MAX_KEPT = 100_000  # verdicts that may be asked for again
EARLY = "the call was refused before interceptors saw it, and these policies read their facts"
MASKED = "these policies read what is masked, erased or not kept in the record"
UNFIT = "the tool takes other arguments now, and not all of them are in the record"
CLAIMS = "these policies read claims, which the record does not have of this caller"


UNKNOWN_VERSION = "the record does not hold the policies that decided them"
UNKNOWN_TOOL = "the record does not hold the definition of the tool as it was"
TIMED = " (they read the time, which the record tells less exactly)"


class Undecidable(Exception):  # noqa: N818 - a finding about the record
    """The record does not hold what a policy set would read to decide. The message says what."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What the policies in scope of one principal at one tool are, and read."""

    choice: Choice
    policies: frozenset[str]  # digests
    reads_claims: bool
    reads_enriched: bool
    is_settled: bool  # it is refused, whatever they would read: none permits, or one does not fit

    @classmethod
    def of(cls, choice: Choice, is_settled: bool) -> Reading:
        """What some policies read."""
        return cls(
            choice=choice,
            policies=frozenset(policy.digest for policy in choice.policies),
            reads_claims=any(map(reads_claims, choice.policies)),
            reads_enriched=any(not chain or chain[0] == "enriched" for chain in choice.chains),
            is_settled=is_settled,
        )


class Ruled(NamedTuple):
    """How a decision comes out."""

    ruling: Ruling
    verdict: Verdict


_Key = tuple[int, str, str, str, str]


class Judge:
    """One policy set that decides again what was decided; alike decisions just once."""

    def __init__(self, engine: Engine, fits: Fits | None = None) -> None:
        """With `fits`, tools are as they are now, where a decision tells that."""
        self.engine = engine
        self._fits = fits
        self._readings: dict[tuple[frozenset[str], bool], Reading] = {}
        # With the principal, so that it lives, and its id stays its own.
        self._young: dict[_Key, tuple[Principal, Ruled]] = {}
        self._old: dict[_Key, tuple[Principal, Ruled]] = {}

    def question(self, decision: Decision) -> Question:
        """What this is asked."""
        if self._fits is None or decision.current is None:
            return decision.question
        return replace(decision.question, tool=decision.current)

    def reading(self, question: Question) -> Reading:
        """What decides of this, and what that reads."""
        part = self.engine.in_scope(question.principal, question.tool)
        is_settled = not part.has_permit or part.problem is not None
        known = self._readings.get((part.key, is_settled))
        if known is None:
            known = Reading.of(part.choice, is_settled)
            self._readings[part.key, is_settled] = known
        return known

    def rule(self, decision: Decision, question: Question, reading: Reading) -> Ruled:
        """How it comes out, on the facts as they were. Raises Undecidable: nothing is guessed."""
        choice = reading.choice
        if not reading.is_settled or METHODS[question.tool.method].is_list:
            _require(decision, reading)
        if choice.reads_time or not (choice.reads_context and decision.digest):
            return self._ruled(decision, question)
        tool = question.tool
        facts = repr(question.enriched) if question.enriched and reading.reads_enriched else ""
        key = (id(question.principal), tool.target, tool.digest, decision.digest, facts)
        known = self._young.get(key)
        if known is None:
            known = self._old.get(key) or (question.principal, self._ruled(decision, question))
            if len(self._young) >= MAX_KEPT // 2:
                self._old, self._young = self._young, {}
            self._young[key] = known
        return known[1]

    def _ruled(self, decision: Decision, question: Question) -> Ruled:
        tool = question.tool
        if self._fits is not None and tool.digest != decision.question.tool.digest:
            if decision.hidden:
                raise Undecidable(UNFIT)
            problem = self._fits(tool, question.arguments)
            if problem is not None:
                return Ruled(Ruling.INVALID, Verdict(is_permitted=False, reason=problem))
        verdict = verdict_on(self.engine, question)
        if METHODS[tool.method].is_list:
            return Ruled(Ruling.PERMIT if verdict.is_permitted else Ruling.REFUSE, verdict)
        return Ruled(ruling_of(verdict), verdict)

    def account(self, question: Question) -> Account | None:
        """Why; None of a list, which no policy need permit."""
        return None if METHODS[question.tool.method].is_list else self.engine.examine(question)


def _require(decision: Decision, reading: Reading) -> None:
    if decision.is_early and reading.reads_enriched:
        raise Undecidable(EARLY)
    if reading.reads_claims and not decision.knows_claims:
        raise Undecidable(CLAIMS)
    if decision.hidden and is_hidden(decision.hidden, reading.choice.chains):
        raise Undecidable(MASKED)


class Simulation:
    """Holds each decision against what a candidate policy set says of it."""

    def __init__(
        self,
        candidate: Judge,
        *,
        recorded: Callable[[str], Judge | None] | None = None,
        against: Judge | None = None,
    ) -> None:
        """`recorded`: the policies of a version, with which a recorded verdict must be reproduced
        before anything is made of it; None: they are not asked for. `against`: policies to
        compare with, in place of what was recorded.
        """
        self.found = Simulated()
        self._candidate = candidate
        self._recorded = recorded
        self._against = against

    def add(self, decision: Decision) -> None:
        """Decides once more."""
        self._seen(decision.question.now)
        candidate = self._candidate
        question = candidate.question(decision)
        reading = candidate.reading(question)
        try:
            before = self._before(decision)
            if before is None:
                return
            after = before.again
            if after is None or before.policies != reading.policies:
                after = candidate.rule(decision, question, reading)
        except Undecidable as gap:
            self._note(self.found.undecided, str(gap), decision)
            return
        self._count(reading.choice.key, after)
        if after.ruling is not before.ruling:
            self._flip(decision, question, before, after)

    def leave(self, left: Left) -> None:
        """Notes a decision that cannot be made again."""
        self._seen(left.at)
        tally = self.found.undecided.setdefault(left.reason, Tally())
        tally.add(left.principal, left.tool, left.at)
        if tally.wants_example:
            tally.examples.append(Example(call=left.call, at=left.at, principal=left.principal))

    def _seen(self, at: float) -> None:
        found = self.found
        found.first_at, found.last_at = min(found.first_at, at), max(found.last_at, at)

    def _count(self, scope: frozenset[str], after: Ruled) -> None:
        found, deciders = self.found, after.verdict.policies
        found.decided += 1
        found.permitted += after.verdict.is_permitted
        found.scopes[scope] += 1
        for policy in deciders:
            found.deciders[policy] += 1
        if len(deciders) == 1:
            found.alone[deciders[0]] += 1

    def _before(self, decision: Decision) -> _Before | None:
        """What it is held against; None where the record contradicts itself, which is noted."""
        against = self._against
        if against is not None:
            question = against.question(decision)
            reading = against.reading(question)
            ruled = against.rule(decision, question, reading)
            again = ruled if self._is_alike(against) else None
            return _Before(ruled.ruling, ruled.verdict.policies, again, reading.policies)
        told = _Before(decision.ruling, decision.policies)
        if self._recorded is None:
            return told
        judge = self._recorded(decision.version) if decision.knows_tool else None
        if judge is None:
            reason = UNKNOWN_VERSION if decision.knows_tool else UNKNOWN_TOOL
            self.found.unchecked[reason] += 1
            return told
        return self._checked(decision, judge, told)

    def _checked(self, decision: Decision, judge: Judge, told: _Before) -> _Before | None:
        """The same, once the recorded verdict is reproduced."""
        reading = judge.reading(decision.question)
        try:
            ruled = judge.rule(decision, decision.question, reading)
        except Undecidable as gap:
            self.found.unchecked[str(gap)] += 1
            return told
        problem = _contradiction(decision, ruled)
        if problem is not None:
            problem += TIMED if reading.choice.reads_time else ""
            self._note(self.found.unreproducible, problem, decision)
            return None
        self.found.checked += 1
        again = ruled if self._is_alike(judge) and decision.current is None else None
        return _Before(decision.ruling, decision.policies, again, reading.policies)

    def _is_alike(self, judge: Judge) -> bool:
        """Whether the same policies in scope say the same here and there."""
        engine = self._candidate.engine
        return judge.engine.tooling.fits(engine.names, engine.enrichments)

    def _flip(self, decision: Decision, question: Question, before: _Before, after: Ruled) -> None:
        tool = question.tool.qualified_name
        kind = Kind(
            before=before.ruling,
            after=after.ruling,
            causes=_causes(before, after),
            tool=tool,
        )
        tally = self.found.flip(kind)
        tally.add(question.principal.id, tool, question.now)
        tally.early += decision.is_early
        if tally.wants_example:
            is_asked = after.ruling is not Ruling.INVALID
            account = self._candidate.account(question) if is_asked else None
            tally.examples.append(_example(decision, after.verdict.reason, account))

    @staticmethod
    def _note(tallies: dict[str, Tally], reason: str, decision: Decision) -> None:
        question = decision.question
        tally = tallies.setdefault(reason, Tally())
        tally.add(question.principal.id, question.tool.qualified_name, question.now)
        if tally.wants_example:
            tally.examples.append(_example(decision, decision.reason))


@dataclass(frozen=True, slots=True)
class _Before:
    """What a decision is held against."""

    ruling: Ruling
    deciders: tuple[str, ...]
    again: Ruled | None = None  # how it comes out of these policies: of the candidate too, if …
    policies: frozenset[str] = frozenset()  # … it has just these in scope: their digests


def _example(decision: Decision, reason: str, account: Account | None = None) -> Example:
    question = decision.question
    return Example(
        call=decision.call,
        at=question.now,
        principal=question.principal.id,
        reason=reason,
        account=account,
    )


def _contradiction(decision: Decision, ruled: Ruled) -> str | None:
    """How the policies that decided now say something else than was recorded; None: they do not."""
    ruling = ruled.ruling
    if ruling is not decision.ruling:
        return f"recorded: {decision.ruling}; the same policies say now: {ruling}"
    if decision.is_early or set(ruled.verdict.policies) == set(decision.policies):
        return None
    return f"recorded: {ruling} by other policies than those that say so now"


def _causes(before: _Before, after: Ruled) -> tuple[Cause, ...]:
    """Which policies make the difference."""
    verdict = after.verdict
    match after.ruling:
        case Ruling.PERMIT:
            given = [Cause(what="permits", policy=policy) for policy in verdict.policies]
            gone = [Cause(what="no longer forbids", policy=policy) for policy in before.deciders]
            return (*given, *(gone if before.ruling is Ruling.REFUSE else ()))
        case Ruling.INVALID:
            return (Cause(what="the arguments no longer fit the tool"),)
        case Ruling.ERROR:
            failed = [Cause(what="fails", policy=policy) for policy in failing(verdict)]
            return tuple(failed) or (Cause(what=verdict.reason.partition(":")[0]),)
    if verdict.policies:
        return tuple(Cause(what="forbids", policy=policy) for policy in verdict.policies)
    if before.ruling is Ruling.PERMIT and before.deciders:
        return tuple(Cause(what="no longer permits", policy=one) for one in before.deciders)
    return (Cause(what=verdict.reason),)


def reads_claims(policy: Policy) -> bool:
    """Whether a condition looks at a tag of an entity: at a claim."""
    open_ones: list[object] = [policy.est["conditions"]]
    while open_ones:
        one = open_ones.pop()
        if isinstance(one, list):
            open_ones.extend(one)
        elif isinstance(one, dict):
            if "getTag" in one or "hasTag" in one:
                return True
            open_ones.extend(one.values())
    return False
