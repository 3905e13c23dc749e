"""Two policy sets at one tool: which requests does one permit and the other refuse?"""

from __future__ import annotations

from callgate.policy.analysis.asking import Asked, permitted
from callgate.policy.analysis.checked import Compared, Differing
from callgate.policy.analysis.compare import Relation
from callgate.policy.analysis.environments import Environment
from callgate.policy.analysis.findings import PRINCIPAL_KINDS, Example, Subject
from callgate.policy.analysis.replay import Replay
from callgate.policy.analysis.terms import Truth, negation
from callgate.policy.engine import Question
from callgate.policy.source import ACTIVE

_RELATIONS = {
    (False, False): Relation.EQUIVALENT,
    (True, False): Relation.MORE_PERMISSIVE,
    (False, True): Relation.LESS_PERMISSIVE,
    (True, True): Relation.INCOMPARABLE,
}


def compared(subject: Subject, environment: Environment, seconds: float) -> Compared:
    """How the verdicts of an environment's two sets differ, by type of principal."""
    return _Comparison(subject, environment, seconds).made()


class _Comparison:
    def __init__(self, subject: Subject, environment: Environment, seconds: float) -> None:
        before, after = environment.policies, environment.other
        self._tools = environment.tools
        self._asked = Asked(subject, environment.tool, (*before, *after), seconds)
        self._replay = Replay(subject)
        self._sets = [tuple(p for p in one if p.mode == ACTIVE) for one in (before, after)]
        meanings = self._asked.meanings
        halves = meanings[: len(before)], meanings[len(before) :]
        self._permitted = [
            permitted(one for one in half if one.policy.mode == ACTIVE) for half in halves
        ]

    def made(self) -> Compared:
        differing = tuple(
            found
            for name in PRINCIPAL_KINDS
            if (found := self._differing(name)).relation is not Relation.EQUIVALENT
        )
        return Compared(tools=self._tools, differing=differing, queries=self._asked.queries)

    def _differing(self, of_type: str) -> Differing:
        gained, lost = self._found(of_type, 1), self._found(of_type, 0)
        reasons = [one for one in (gained, lost) if isinstance(one, str)]
        relation = _RELATIONS[gained is not None, lost is not None]
        return Differing(
            principal_type=of_type,
            relation=Relation.UNDECIDED if reasons else relation,
            gained=gained if isinstance(gained, Example) else None,
            lost=lost if isinstance(lost, Example) else None,
            reason="; ".join(dict.fromkeys(reasons)),
        )

    def _found(self, of_type: str, number: int) -> Example | str | None:
        """A request that one set permits and the other refuses; why that is open; None: none."""
        truths: list[Truth] = [
            self._asked.symbols.types[of_type],
            self._permitted[number],
            negation(self._permitted[1 - number]),
        ]
        is_possible = self._asked.is_possible(lambda _: False, truths)
        if is_possible is None:
            return self._asked.late
        if not is_possible:
            return None
        return self._asked.shown(truths, lambda question: self._outcome(question, number))

    def _outcome(self, question: Question, number: int) -> str | None:
        """What both sets say, in words; None where Cedar does not see the difference."""
        permits, refuses = (
            self._replay.verdict(self._sets[n], question) for n in (number, 1 - number)
        )
        if not permits.is_permitted or refuses.is_permitted:
            return None
        words = [f"{permits.reason} after", f"{refuses.reason} before"]
        if number == 0:
            words = [f"{permits.reason} before", f"{refuses.reason} after"]
        return "; ".join(words)
