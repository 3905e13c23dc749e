"""Formulas over the places of a context, and a bounded search for values that satisfy them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

from callgate.policy.domains import Domain
from callgate.policy.expressions import Chain
from callgate.policy.leaves import Leaf

MAX_STEPS = 4_000  # of one search: some 10 ms
LAST_LOOKED_AT = 8  # parts of an option, before it is chosen: what comes last is new in it


class Check(NamedTuple):
    """The value of one place passes a test."""

    leaf: Leaf
    start: Domain
    operator: str
    operand: Any


class Presence(NamedTuple):
    """A place is there, and all that it is in; or it is not there, in something that is."""

    gate: Chain
    outer: tuple[Chain, ...]
    is_there: bool


class All(NamedTuple):
    """Every part holds."""

    parts: tuple[Formula, ...]


class Some(NamedTuple):
    """A part holds."""

    options: tuple[Formula, ...]


Formula: TypeAlias = bool | Check | Presence | All | Some


def both(*parts: Formula) -> Formula:
    """All of them hold."""
    found: list[Formula] = []
    for part in parts:
        if part is False:
            return False
        if isinstance(part, All):
            found.extend(part.parts)
        elif part is not True:
            found.append(part)
    return found[0] if len(found) == 1 else All(tuple(found)) if found else True


def either(*parts: Formula) -> Formula:
    """One of them holds."""
    found: list[Formula] = []
    for part in parts:
        if part is True:
            return True
        if isinstance(part, Some):
            found.extend(part.options)
        elif part is not False:
            found.append(part)
    return found[0] if len(found) == 1 else Some(tuple(found)) if found else False


def checks_in(formula: Formula) -> Iterator[Check | Presence]:
    """Every test that occurs, each of the shared parts once."""
    open_ones, seen = [formula], set()
    while open_ones:
        one = open_ones.pop()
        if isinstance(one, Check | Presence):
            yield one
        elif isinstance(one, All | Some) and id(one) not in seen:
            seen.add(id(one))
            open_ones.extend(one[0])


class State:
    """What places can still be: the values of those tested so far, and which are there."""

    __slots__ = ("there", "values")

    def __init__(
        self, values: Mapping[Chain, Domain] = {}, there: Mapping[Chain, bool] = {}
    ) -> None:
        self.values = dict(values)
        self.there = dict(there)

    def copy(self) -> State:
        """One that can change by itself."""
        return State(self.values, self.there)

    def take(self, test: Check | Presence) -> bool:
        """Cuts itself down to what passes. False where nothing does: then it is of no more use."""
        if isinstance(test, Presence):
            return self._place(test)
        domain = self.values.get(test.leaf.path, test.start).met(test.operator, test.operand)
        if domain is None:
            return False
        self.values[test.leaf.path] = domain
        return True

    def allows(self, test: Formula) -> bool:
        """Whether a test, by itself, can still pass; of other formulas nothing is said."""
        if isinstance(test, Presence):
            there = self.there
            return there.get(test.gate, test.is_there) is test.is_there and all(
                there.get(gate, True) for gate in test.outer
            )
        if isinstance(test, Check):
            domain = self.values.get(test.leaf.path, test.start)
            return domain.met(test.operator, test.operand) is not None
        if isinstance(test, All):
            return all(map(self.allows, test.parts[-LAST_LOOKED_AT:]))
        return test is not False

    def _place(self, test: Presence) -> bool:
        if not self.allows(test):
            return False
        self.there[test.gate] = test.is_there
        for gate in test.outer:
            self.there[gate] = True
        return True

    @property
    def is_settled(self) -> bool:
        """Whether there are such values; also where that takes too long to find out."""
        return all(domain.is_settled for domain in self.values.values())


def is_satisfiable(
    goals: Iterable[Formula], start: State | None = None, steps: int = MAX_STEPS
) -> bool:
    """Whether all goals can hold at once. True, too, where that takes too long to find out.

    INVARIANT: False is a proof. Places are taken to be independent of each other, which can only
    make more satisfiable, never less.
    """
    open_ones = [(list(goals), State() if start is None else start)]
    while open_ones:
        todo, state = open_ones.pop()
        state = state.copy()
        choices: list[Some] | None = []
        while todo and choices is not None:
            steps -= 1
            choices = _taken(todo, choices, state)
            if choices and not todo:
                steps -= sum(len(choice.options) for choice in choices)
                choices = _fewest_first(choices, todo, state)
        if steps < 0:
            return True
        if choices is None:
            continue
        if not choices:
            if state.is_settled:
                return True
            continue
        first, *rest = choices
        open_ones.extend(([option, *rest], state) for option in reversed(first.options))
    return False


def _taken(todo: list[Formula], choices: list[Some], state: State) -> list[Some] | None:
    """The choices with those of one more formula, whose tests are taken; None: it cannot hold."""
    one = todo.pop()
    if isinstance(one, All):
        todo.extend(one.parts)
    elif isinstance(one, Some):
        choices.append(one)
    elif one is False or (one is not True and not state.take(one)):
        return None
    return choices


def _fewest_first(choices: list[Some], todo: list[Formula], state: State) -> list[Some] | None:
    """The choices without options that cannot hold; None where one has no other.

    Where only one option is left it is no choice any more, and goes to `todo`.
    """
    left: list[Some] = []
    for choice in choices:
        options = tuple(option for option in choice.options if state.allows(option))
        if not options:
            return None
        if len(options) == 1:
            todo.append(options[0])
        else:
            left.append(Some(options))
    left.sort(key=lambda choice: len(choice.options))
    return left
