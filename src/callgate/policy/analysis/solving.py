"""Questions to the solver: yes with a request, no with what rules it out, or no answer in time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum

import z3  # type: ignore[import-untyped]

from callgate.policy.analysis.terms import Term, Truth, Unsayable, known

MAX_TRIES = 4  # to leave out wishes that cannot all come true


class Answer(Enum):
    """Whether some request is as asked."""

    YES = "yes"
    NO = "no"
    OPEN = "open"  # the solver gave up


class Assignment:
    """One request that the solver found: what every unknown is in it."""

    def __init__(self, model: z3.ModelRef) -> None:
        self._model = model

    def holds(self, truth: Truth) -> bool:
        """Whether a truth holds in it. Raises Unsayable."""
        if isinstance(truth, bool):
            return truth
        found = self._model.eval(truth, model_completion=True)
        value = z3.Z3_get_bool_value(found.ctx_ref(), found.as_ast())  # this is asked very often
        if value == z3.Z3_L_UNDEF:
            raise Unsayable(f"the solver left {found} open")
        return bool(value == z3.Z3_L_TRUE)

    def value(self, term: Term) -> bool | int:
        """What a truth or a number is in it. Raises Unsayable."""
        if isinstance(term, bool | int):
            return term
        return known(self._model.eval(term, model_completion=True))


class Solver:
    """One set of rules, and questions about the requests that keep them."""

    def __init__(self, rules: Iterable[Truth], seconds: float) -> None:
        """`seconds` is what one question may take."""
        self._solver = z3.Solver()
        self._solver.set("timeout", max(1, int(seconds * 1000)))
        self._solver.set("core.minimize", True)
        self._solver.add(*rules)
        self._labels: dict[int, tuple[z3.BoolRef, Truth]] = {}  # by the term, which is kept alive
        self.queries = 0
        self.core: frozenset[str] = frozenset()  # of the last NO: names of what ruled it out

    def ask(self, truths: Iterable[Truth], named: Mapping[str, Truth] | None = None) -> Answer:
        """Whether all of these can hold together; `named` ones may show up in the core."""
        self.core = frozenset()
        labels: list[z3.BoolRef] = []
        for truth in truths:
            if truth is False:
                return Answer.NO
            if truth is not True:
                labels.append(self._label(truth))
        names: dict[int, str] = {}
        for name, truth in (named or {}).items():
            if truth is False:
                self.core = frozenset({name})
                return Answer.NO
            if truth is not True:
                label = self._label(truth)
                names[label.get_id()] = name
                labels.append(label)
        self.queries += 1
        found = self._solver.check(*labels)
        if found == z3.unsat:
            core = (label.get_id() for label in self._solver.unsat_core())
            self.core = frozenset(names[label] for label in core if label in names)
            return Answer.NO
        return Answer.YES if found == z3.sat else Answer.OPEN

    def found(self) -> Assignment:
        """The request of the last YES."""
        return Assignment(self._solver.model())

    def plainest(self, truths: Iterable[Truth], wishes: Iterable[Truth]) -> Assignment | None:
        """A request as asked that also fulfils most wishes; None where there is none in time."""
        asked = list(truths)
        left = {str(number): wish for number, wish in enumerate(wishes)}
        for _ in range(MAX_TRIES):
            answer = self.ask(asked, left)
            if answer is Answer.YES:
                return self.found()
            if answer is Answer.OPEN or not self.core:
                break
            left = {name: wish for name, wish in left.items() if name not in self.core}
        return self.found() if self.ask(asked) is Answer.YES else None

    def _label(self, truth: Truth) -> z3.BoolRef:
        key = truth.get_id()
        if key not in self._labels:
            label = z3.Bool(f"? {key}")
            self._solver.add(z3.Implies(label, truth))
            self._labels[key] = label, truth
        return self._labels[key][0]
