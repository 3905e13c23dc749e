"""Unknown texts: which `like` and `==` hold of them together, and texts of which they all hold.

No policy can look into a text but by comparing it with patterns and with other texts. So an unknown
text is the truths of those comparisons, and the rules say which of them go together: the solver
needs no theory of strings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations

from callgate.policy.analysis.globs import (
    ANYTHING,
    Case,
    Pattern,
    TooMany,
    cases,
    fits,
    is_literal,
    pattern_of,
    sketch,
    texts_like,
)
from callgate.policy.analysis.terms import (
    Number,
    Truth,
    at_most,
    conj,
    disj,
    implies,
    negation,
    number_variable,
    pick,
    same,
    truth_variable,
)

_SPARE = "text"


class Unknown:
    """One unknown text."""

    def __init__(self, name: str, texts: Texts, plain: str) -> None:
        self.name, self.texts = name, texts
        self.plain = plain  # what it is where nothing else is asked
        self.truths: dict[Pattern, Truth] = {}
        self.size: Number | None = None

    def fits(self, pattern: Pattern) -> Truth:
        """Whether it is like a pattern, or is a text."""
        if pattern == ANYTHING:
            return True
        if pattern not in self.truths:
            self.truths[pattern] = truth_variable(f"{self.name} like {pattern}")
        return self.truths[pattern]

    def length(self) -> Number:
        """The number of its code points."""
        if self.size is None:
            self.size = number_variable(f"length of {self.name}")
        return self.size


@dataclass(frozen=True, slots=True)
class Choice:
    """A text that depends: the first whose guard holds; exactly one does."""

    options: tuple[tuple[Truth, str | Unknown], ...]


Text = str | Unknown | Choice


class Texts:
    """All unknown texts of one request."""

    def __init__(self) -> None:
        self.inexact = False  # some rules are left out: there were too many
        self._unknowns: list[Unknown] = []
        self._relations: dict[frozenset[Unknown], Truth] = {}

    def unknown(self, name: str, plain: str = _SPARE) -> Unknown:
        """A new one."""
        made = Unknown(name, self, plain)
        self._unknowns.append(made)
        return made

    def related(self, left: Unknown, right: Unknown) -> Truth:
        """Whether two unknown texts are one."""
        if left is right:
            return True
        key = frozenset((left, right))
        if key not in self._relations:
            self._relations[key] = truth_variable(f"{left.name} is {right.name}")
        return self._relations[key]

    def rules(self) -> Iterator[Truth]:
        """Which truths go together, as far as anything was asked up to now."""
        for group in self._groups():
            patterns = {pattern for one in group for pattern in one.truths}
            few = self._few(frozenset(p for p in patterns if not is_literal(p)))
            patterns |= few
            for one in group:
                yield from self._of_one(one, patterns)
            yield from self._of_pairs(group, patterns)

    def _groups(self) -> list[list[Unknown]]:
        """Those that are compared with each other, directly or not; each related to each."""
        groups = {one: [one] for one in self._unknowns}
        for left, right in (tuple(pair) for pair in list(self._relations)):
            if groups[left] is not groups[right]:
                groups[left].extend(groups[right])
                for one in groups[right]:
                    groups[one] = groups[left]
        found = list({id(group): group for group in groups.values()}.values())
        for group in found:
            for left, right in combinations(group, 2):
                self.related(left, right)
        return found

    def _cases(self, globs: frozenset[Pattern]) -> tuple[Case, ...]:
        try:
            return cases(globs)
        except TooMany:
            self.inexact = True
            return ()

    def _few(self, globs: frozenset[Pattern]) -> set[Pattern]:
        """Texts of cases that have few: each is told by itself."""
        found = self._cases(globs)
        return {pattern_of([text]) for case in found if not case.has_plenty for text in case.texts}

    def _of_one(self, one: Unknown, patterns: set[Pattern]) -> Iterator[Truth]:
        literals = [pattern for pattern in patterns if is_literal(pattern)]
        globs = frozenset(patterns.difference(literals))
        for literal in literals:
            text = str(literal[0])
            agreed = (same(one.fits(glob), fits(glob, text)) for glob in globs)
            size = same(one.size, len(text)) if one.size is not None else True
            yield implies(one.fits(literal), conj(size, *agreed))
        for left, right in combinations(literals, 2):
            yield negation(conj(one.fits(left), one.fits(right)))
        if one.size is not None:
            yield at_most(0, one.size)
        if globs and (found := self._cases(globs)):
            yield disj(*(self._case(one, case, globs) for case in found))

    @staticmethod
    def _case(one: Unknown, case: Case, globs: frozenset[Pattern]) -> Truth:
        truths = (same(one.fits(glob), glob in case.fitting) for glob in globs)
        size = at_most(len(case.shortest), one.size) if one.size is not None else True
        few = True
        if not case.has_plenty:
            few = disj(*(one.fits(pattern_of([text])) for text in case.texts))
        return conj(size, few, *truths)

    def _of_pairs(self, group: list[Unknown], patterns: set[Pattern]) -> Iterator[Truth]:
        for left, right in combinations(group, 2):
            is_one = self.related(left, right)
            for pattern in patterns:
                yield implies(is_one, same(left.fits(pattern), right.fits(pattern)))
                if is_literal(pattern):
                    yield implies(conj(left.fits(pattern), right.fits(pattern)), is_one)
            if left.size is not None and right.size is not None:
                yield implies(is_one, same(left.size, right.size))
        for first, second, third in combinations(group, 3):
            pairs = ((first, second), (second, third), (first, third))
            one, two, three = (self.related(*pair) for pair in pairs)
            for left, right, last in ((one, two, three), (one, three, two), (two, three, one)):
                yield implies(conj(left, right), last)

    def chosen(self, holds: Callable[[Truth], bool]) -> dict[Unknown, str]:
        """A text for each unknown, as the truths demand; `holds` tells them."""
        made: dict[Unknown, str] = {}
        for group in self._groups():
            taken: dict[str, Unknown] = {}
            for one in group:
                twin = next((t for t in made if t in group and holds(self.related(t, one))), None)
                made[one] = made[twin] if twin is not None else _text_for(one, holds, taken)
                taken.setdefault(made[one], one)
        return made


def _text_for(one: Unknown, holds: Callable[[Truth], bool], taken: dict[str, Unknown]) -> str:
    """A text that is as asked, and none of those taken by others."""
    fitting = [pattern for pattern, truth in one.truths.items() if holds(truth)]
    literal = next((pattern for pattern in fitting if is_literal(pattern)), None)
    if literal is not None:
        return str(literal[0])
    for text in _guesses(one, fitting):
        if text not in taken and agrees(one, text, holds):
            return text
    return one.plain


def _guesses(one: Unknown, fitting: list[Pattern]) -> Iterator[str]:
    yield one.plain
    yield from (f"{one.plain}{number}" for number in range(2, 9))
    for filler in ("", "x", "y", "xx", "xy", "x y z"):
        yield sketch(fitting, filler)
    globs = frozenset(pattern for pattern in one.truths if not is_literal(pattern))
    try:
        known = cases(globs)
    except TooMany:
        return
    case = next((case for case in known if case.fitting == frozenset(fitting)), None)
    if case is None:
        return
    yield from (case.shortest, *case.texts)
    for number in range(200):  # longer ones: the filler goes wherever it does no harm
        for at in range(len(case.shortest) + 1):
            yield f"{case.shortest[:at]}{'x' * (number + 1)}{case.shortest[at:]}"
    yield from texts_like(globs, case.fitting)


def agrees(one: Unknown, text: str, holds: Callable[[Truth], bool]) -> bool:
    """Whether a text is to every policy as the unknown one."""
    return all(fits(pattern, text) == holds(truth) for pattern, truth in one.truths.items())


def same_text(left: Text, right: Text) -> Truth:
    """Equality."""
    return disj(
        *(
            conj(guard, other_guard, _is_one(one, other))
            for guard, one in _options(left)
            for other_guard, other in _options(right)
        )
    )


def _is_one(left: str | Unknown, right: str | Unknown) -> Truth:
    if isinstance(left, str):
        return left == right if isinstance(right, str) else right.fits(pattern_of([left]))
    if isinstance(right, str):
        return left.fits(pattern_of([right]))
    return left.texts.related(left, right)


def is_like(text: Text, pieces: list[str | None]) -> Truth:
    """Cedar's `like`; None is a wildcard."""
    pattern = pattern_of(pieces)
    return disj(
        *(
            conj(guard, fits(pattern, one) if isinstance(one, str) else one.fits(pattern))
            for guard, one in _options(text)
        )
    )


def choose_text(condition: Truth, then: Text, otherwise: Text) -> Text:
    """If-then-else."""
    if isinstance(condition, bool):
        return then if condition else otherwise
    if then is otherwise:
        return then
    yes = ((conj(condition, guard), one) for guard, one in _options(then))
    no = ((conj(negation(condition), guard), one) for guard, one in _options(otherwise))
    return Choice((*yes, *no))


def length(text: Text) -> Number:
    """The number of code points."""
    *others, last = _options(text)
    size: Number = _size(last[1])
    for guard, one in others:
        size = pick(guard, _size(one), size)
    return size


def _size(text: str | Unknown) -> Number:
    return len(text) if isinstance(text, str) else text.length()


def _options(text: Text) -> tuple[tuple[Truth, str | Unknown], ...]:
    return text.options if isinstance(text, Choice) else ((True, text),)
