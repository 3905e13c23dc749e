"""What each policy of one environment does: does it match, is it covered, is it cancelled?"""

from __future__ import annotations

from collections.abc import Iterable

from callgate.policy.account import State
from callgate.policy.analysis.asking import Asked, Sighting, permitted
from callgate.policy.analysis.checked import Checked, Doubt, Standing
from callgate.policy.analysis.environments import Environment
from callgate.policy.analysis.findings import Example, Subject
from callgate.policy.analysis.replay import Replay
from callgate.policy.analysis.terms import Truth, negation
from callgate.policy.engine import Question
from callgate.policy.source import ACTIVE


def checked(subject: Subject, environment: Environment, seconds: float) -> Checked:
    """Everything about one environment; a question to the solver may take so many seconds."""
    return _Check(subject, environment, seconds).made()


class _Check:
    def __init__(self, subject: Subject, environment: Environment, seconds: float) -> None:
        self._environment = environment
        self._asked = Asked(subject, environment.tool, environment.policies, seconds)
        self._replay = Replay(subject)
        self._meanings = self._asked.meanings
        self._doubts: list[Doubt] = []
        self._active = [n for n, one in enumerate(self._meanings) if one.policy.mode == ACTIVE]
        self._ineffective: dict[int, Truth] = {}
        self._policies = tuple(self._meanings[n].policy for n in self._active)
        self._stops = {n: self._meanings[n].stops for n in self._active}
        self._goes_on = {n: negation(stop) for n, stop in self._stops.items()}
        self._forbids = frozenset(
            n for n in self._active if self._meanings[n].policy.effect == "forbid"
        )

    def made(self) -> Checked:
        standings = tuple(self._standing(n) for n in range(len(self._meanings)))
        is_closed, refused = self._closed()
        is_open, opened = self._open()
        return Checked(
            tools=self._environment.tools,
            standings=standings,
            is_closed=is_closed,
            is_open=is_open,
            opened=opened,
            refused=refused,
            doubts=tuple(self._doubts),
            queries=self._asked.queries,
        )

    # One policy.

    def _standing(self, number: int) -> Standing:
        meaning = self._meanings[number]
        policy = meaning.policy
        if policy.id in self._asked.misfits:
            return Standing(policy=policy.id, is_left_out=True)
        if meaning.problem:
            self._doubt("what it means", f"not analysable: {meaning.problem}", policy.id)
            return Standing(policy=policy.id)
        is_needed = number in self._stops and self._is_needed(number)
        matches = is_needed or self._may(number, "does it ever match?", [meaning.is_satisfied])
        if not matches:
            may_fail, failed = self._failure(number)
            return Standing(
                policy=policy.id,
                matches=matches,
                because=self._reasons(number) if matches is False else (),
                may_fail=may_fail,
                failed=failed,
            )
        return self._matching(number, is_needed)

    def _matching(self, number: int, is_needed: bool) -> Standing:
        meaning = self._meanings[number]
        covered: tuple[str, ...] = ()
        alone: tuple[str, ...] = ()
        stopped: tuple[str, ...] = ()
        mirrored = ""
        may_fail, failed = self._failure(number)
        if number in self._stops and not is_needed:
            if may_fail is False or meaning.policy.effect == "forbid":
                covered, alone = self._covered(number)
            if meaning.policy.effect == "permit":
                stopped, mirrored = self._stopped(number)
        is_idle = self._idle(number)
        others = self._with(alone[:1] or stopped[:1])
        is_shown = is_idle or covered or stopped
        return Standing(
            policy=meaning.policy.id,
            matches=True,
            is_idle=is_idle,
            may_fail=may_fail,
            covered_by=covered,
            covered_alone_by=alone,
            stopped_by=stopped,
            mirrored_by=mirrored,
            matched=self._match(number, others) if is_shown else None,
            failed=failed,
        )

    def _is_needed(self, number: int) -> bool:
        """Whether some verdict rests on this policy alone: then it is neither covered nor idle."""
        meaning = self._meanings[number]
        is_permit = meaning.policy.effect == "permit"
        peers = self._peers(number)
        truths = [meaning.is_satisfied, *map(self._without, peers)]
        if is_permit:
            truths += self._goes_on.values()

        def seen(sighting: Sighting) -> bool:
            effects = self._effects(sighting)
            if number not in sighting.satisfied or not effects.isdisjoint(peers):
                return False
            return not is_permit or not self._stopping(sighting)

        return self._asked.is_possible(seen, truths) is True

    def _peers(self, number: int) -> list[int]:
        """The other policies of its effect."""
        effect = self._meanings[number].policy.effect
        return [
            n for n in self._active if n != number and self._meanings[n].policy.effect == effect
        ]

    def _effect(self, number: int) -> Truth:
        """That a policy does what it is for: permits, or refuses."""
        meaning = self._meanings[number]
        return meaning.is_satisfied if meaning.policy.effect == "permit" else meaning.stops

    def _without(self, number: int) -> Truth:
        """That a policy does not do what it is for."""
        if number not in self._ineffective:
            self._ineffective[number] = negation(self._effect(number))
        return self._ineffective[number]

    def _effects(self, sighting: Sighting) -> frozenset[int]:
        return sighting.satisfied | (sighting.failing & self._forbids)

    def _stopping(self, sighting: Sighting) -> frozenset[int]:
        return (sighting.satisfied & self._forbids) | (sighting.failing & self._stops.keys())

    def _may(self, number: int, question: str, truths: list[Truth]) -> bool | None:
        found = self._asked.is_possible(lambda sighting: number in sighting.satisfied, truths)
        if found is None:
            self._doubt(question, self._asked.late, self._meanings[number].policy.id)
        return found

    def _reasons(self, number: int) -> tuple[int, ...]:
        """The clauses that cannot hold together, by number; 0 is the scope."""
        meaning = self._meanings[number]
        parts = {str(n): truth for n, truth in enumerate((meaning.in_scope, *meaning.clauses))}
        if self._asked.is_possible(lambda _: False, [], parts) is not False:
            return ()
        return tuple(sorted(int(name) for name in self._asked.core))

    def _failure(self, number: int) -> tuple[bool | None, Example | None]:
        """Whether its evaluation can fail, with a request on which it does."""
        meaning = self._meanings[number]
        question = "can its evaluation fail?"
        if meaning.is_failing is False:
            return False, None
        may = self._asked.is_possible(
            lambda sighting: number in sighting.failing, [meaning.is_failing]
        )
        if may is None:
            self._doubt(question, self._asked.late, meaning.policy.id)
        if not may:
            return may, None
        shown = self._asked.shown(
            [meaning.is_failing], lambda asked: self._state(number, asked, State.FAILED)
        )
        if isinstance(shown, str):
            self._doubt(question, shown, meaning.policy.id)
            return None, None
        return True, shown

    def _idle(self, number: int) -> bool | None:
        """Whether its conditions hold wherever its scope matches."""
        meaning = self._meanings[number]
        if not meaning.policy.has_conditions:
            return False
        differs = self._asked.is_possible(
            lambda sighting: number in sighting.in_scope - sighting.satisfied,
            [meaning.in_scope, negation(meaning.is_satisfied)],
        )
        if differs is None:
            self._doubt("does it always match?", self._asked.late, meaning.policy.id)
        return None if differs is None else not differs

    def _covered(self, number: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Which policies of its effect do all that it does: together, and alone."""
        effect, peers = self._effect(number), self._peers(number)
        differs = self._asked.is_possible(
            lambda s: number in self._effects(s) and self._effects(s).isdisjoint(peers),
            [effect],
            {str(peer): self._without(peer) for peer in peers},
        )
        if differs is None:
            self._doubt("is it covered?", self._asked.late, self._meanings[number].policy.id)
        if differs is not False:
            return (), ()
        core = sorted(int(name) for name in self._asked.core)
        alone = core if len(core) == 1 else [peer for peer in core if self._covers(peer, number)]
        return self._ids(core), self._ids(alone)

    def _covers(self, peer: int, number: int) -> bool:
        found = self._asked.is_possible(
            lambda s: number in self._effects(s) and peer not in self._effects(s),
            [self._effect(number), self._without(peer)],
        )
        return found is False

    def _stopped(self, number: int) -> tuple[tuple[str, ...], str]:
        """What refuses all that a permit permits; and a forbid that applies to just the same."""
        meaning = self._meanings[number]
        passes = self._asked.is_possible(
            lambda s: number in s.satisfied and not self._stopping(s),
            [meaning.is_satisfied],
            {str(n): truth for n, truth in self._goes_on.items()},
        )
        if passes is None:
            self._doubt("is it overridden?", self._asked.late, meaning.policy.id)
        if passes is not False:
            return (), ""
        core = sorted(int(name) for name in self._asked.core)
        if len(core) != 1 or core[0] not in self._forbids:
            return self._ids(core), ""
        (forbid,) = core
        beyond = self._asked.is_possible(
            lambda s: forbid in s.satisfied and number not in s.satisfied,
            [self._meanings[forbid].is_satisfied, negation(meaning.is_satisfied)],
        )
        return self._ids(core), self._ids(core)[0] if beyond is False else ""

    def _ids(self, numbers: Iterable[int]) -> tuple[str, ...]:
        return tuple(self._meanings[number].policy.id for number in numbers)

    def _with(self, policies: tuple[str, ...]) -> list[int]:
        return [n for n, one in enumerate(self._meanings) if one.policy.id in policies]

    # All policies together.

    def _closed(self) -> tuple[bool | None, Example | None]:
        """Whether nobody is ever permitted, and a request that a permit asks for in vain."""
        permits = frozenset(self._active) - self._forbids
        if not permits:
            return False, None
        may = self._asked.is_possible(
            lambda s: bool(s.satisfied & permits) and not self._stopping(s),
            [permitted(self._meanings[n] for n in self._active)],
        )
        if may is None:
            self._doubt("is anybody permitted?", self._asked.late)
        if may is not False:
            return (None if may is None else False), None
        for number in sorted(permits):
            if self._meanings[number].is_satisfied is not False:
                shown = self._asked.shown([self._meanings[number].is_satisfied], self._refused)
                if isinstance(shown, Example):
                    return True, shown
        return True, None

    def _open(self) -> tuple[bool | None, Example | None]:
        """Whether everybody is permitted everything, and a request without identity that is."""
        allowed = permitted(self._meanings[n] for n in self._active)
        if allowed is False:
            return False, None
        permits = frozenset(self._active) - self._forbids
        refuses = self._asked.is_possible(
            lambda s: not s.satisfied & permits or bool(self._stopping(s)), [negation(allowed)]
        )
        if refuses is None:
            self._doubt("is everybody permitted?", self._asked.late)
        if refuses is not False:
            return (None if refuses is None else False), None
        symbols = self._asked.symbols
        shown = self._asked.shown([symbols.types[symbols.names.ANONYMOUS]], self._permitted)
        if isinstance(shown, str):
            self._doubt("is everybody permitted?", shown)
            return None, None
        return True, shown

    # What Cedar says.

    def _state(self, number: int, question: Question, wanted: State) -> str | None:
        found = self._replay.state(self._meanings[number].policy, question)
        if found is not wanted:
            return None
        return "its evaluation fails" if wanted is State.FAILED else "it applies"

    def _match(self, number: int, others: list[int]) -> Example | None:
        """A request that a policy and others apply to."""
        numbers = [number, *others]
        truths = [self._meanings[n].is_satisfied for n in numbers]

        def confirm(question: Question) -> str | None:
            if any(self._state(n, question, State.SATISFIED) is None for n in numbers):
                return None
            return self._replay.verdict(self._policies, question).reason

        shown = self._asked.shown(truths, confirm)
        if isinstance(shown, Example):
            return shown
        self._doubt("which request does it apply to?", shown, self._meanings[number].policy.id)
        return None

    def _permitted(self, question: Question) -> str | None:
        verdict = self._replay.verdict(self._policies, question)
        return verdict.reason if verdict.is_permitted else None

    def _refused(self, question: Question) -> str | None:
        verdict = self._replay.verdict(self._policies, question)
        return None if verdict.is_permitted else verdict.reason

    def _doubt(self, question: str, reason: str, *policies: str) -> None:
        self._doubts.append(Doubt(question=question, reason=reason, policies=policies))
