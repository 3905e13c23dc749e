"""One tool before the solver: policies compiled, questions asked, examples confirmed by Cedar."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from callgate.model import Json, Tool
from callgate.policy.analysis.decoding import Decoded, decoded
from callgate.policy.analysis.findings import Example, Subject
from callgate.policy.analysis.meaning import Compiler, Meaning
from callgate.policy.analysis.pinning import pins
from callgate.policy.analysis.replay import example
from callgate.policy.analysis.solving import Answer, Assignment, Solver
from callgate.policy.analysis.symbols import Path, Symbols
from callgate.policy.analysis.terms import Truth, Unsayable, conj, disj, negation
from callgate.policy.engine import Question
from callgate.policy.exact import Unrepresentable
from callgate.policy.source import Policy
from callgate.policy.validation import Validator

MAX_TRIED = 40  # obvious arguments in the place of one
UNCONFIRMED = "internal error: Cedar does not confirm what the solver found"

Confirm: TypeAlias = Callable[[Question], str | None]
"""Puts a request to Cedar: its outcome in words, or None where that is not as expected."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """One request that the solver found, as the policies see it: by their numbers."""

    in_scope: frozenset[int]
    satisfied: frozenset[int]
    failing: frozenset[int]


class Asked:
    """The policies that can match one tool, compiled, and the requests found so far.

    Each request is kept as the truths that it makes of all policies: most questions are answered
    by a request that is known already.
    """

    def __init__(
        self, subject: Subject, tool: Tool, policies: Sequence[Policy], seconds: float
    ) -> None:
        self.symbols = Symbols(tool, subject.names, subject.enrichments, subject.since)
        validator, compiler = Validator(subject.names), Compiler(self.symbols)
        self.meanings: list[Meaning] = []
        self.misfits: set[str] = set()  # ids of policies that do not fit the tool
        for policy in policies:  # one by one: two sets may use one id
            misfits = validator.invalid(tool, self.symbols.shape, [policy])
            self.misfits |= misfits.keys()
            self.meanings.append(compiler.policy(policy, misfits.get(policy.id)))
        self._solver = Solver(self.symbols.settled(), seconds)
        self._seconds = seconds
        self._sightings: list[Sighting] = []

    @property
    def queries(self) -> int:
        """How often the solver was asked."""
        return self._solver.queries

    @property
    def core(self) -> frozenset[str]:
        """Names of what ruled out the request that was asked for last."""
        return self._solver.core

    @property
    def late(self) -> str:
        """Why a question stays open."""
        return f"the solver gave up after {self._seconds:g} s"

    def is_possible(
        self,
        seen: Callable[[Sighting], bool],
        truths: Iterable[Truth],
        named: Mapping[str, Truth] | None = None,
    ) -> bool | None:
        """Whether some request is as asked. None: the solver gave up.

        `seen` asks the same of a request that is known.
        """
        if any(seen(sighting) for sighting in self._sightings):
            return True
        answer = self._solver.ask(truths, named)
        if answer is Answer.YES:
            self._keep(self._solver.found())
        return None if answer is Answer.OPEN else answer is Answer.YES

    def _keep(self, found: Assignment) -> None:
        in_scope = {n for n, one in enumerate(self.meanings) if found.holds(one.in_scope)}
        try:
            sighting = Sighting(
                in_scope=frozenset(in_scope),
                satisfied=frozenset(
                    n for n in in_scope if found.holds(self.meanings[n].is_satisfied)
                ),
                failing=frozenset(n for n in in_scope if found.holds(self.meanings[n].is_failing)),
            )
        except Unsayable:
            return  # it answers this question, and no other
        self._sightings.append(sighting)

    def shown(self, truths: Sequence[Truth], confirm: Confirm) -> Example | str:
        """A request as asked that Cedar confirmed, or why there is none."""
        found_any = False
        for wishes in (self.symbols.wishes, []):
            found = self._solver.plainest(truths, wishes)
            if found is None:
                continue
            found_any = True
            shown = self._confirmed(found, truths, confirm)
            if shown is not None:
                return shown
        return self._reason() if found_any else self.late

    def _confirmed(
        self, found: Assignment, truths: Sequence[Truth], confirm: Confirm
    ) -> Example | None:
        """What was found as an example, or one with another argument, if Cedar confirms it."""
        try:
            first = decoded(self.symbols, found)
            for made in (first, *self._others(first.loose, truths)):
                outcome = confirm(made.question)
                if outcome is not None:
                    return example(made.question, outcome)
        except (Unsayable, Unrepresentable, UnicodeError):
            pass  # there are no such arguments
        return None

    def _others(
        self, loose: Mapping[Path, tuple[Json, ...]], truths: Sequence[Truth]
    ) -> Iterator[Decoded]:
        """The same with obvious arguments in the place of one that has not the facts it should."""
        for path, values in loose.items():
            shape = self.symbols.shape
            for name in path:
                shape = shape.fields[name].shape
            for value in values[:MAX_TRIED]:
                pinned = [*truths, *pins(self.symbols, path, shape, value)]
                found = self._solver.plainest(pinned, self.symbols.wishes)
                if found is not None:
                    yield decoded(self.symbols, found, {path: value})

    def _reason(self) -> str:
        if not self.symbols.inexact:
            return UNCONFIRMED
        parts = ", ".join(sorted(self.symbols.inexact))
        return f"no example could be confirmed: the analysis knows only roughly {parts}"


def permitted(meanings: Iterable[Meaning]) -> Truth:
    """That these policies permit: a permit is satisfied, nothing forbids, and nothing fails."""
    all_of_them = list(meanings)
    permits = (one.is_satisfied for one in all_of_them if one.policy.effect == "permit")
    return conj(disj(*permits), *(negation(one.stops) for one in all_of_them))
