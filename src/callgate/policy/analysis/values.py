"""Cedar values of a request that is not known: what the compiler of conditions calculates with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from callgate.policy.analysis.terms import (
    Number,
    Term,
    Text,
    Truth,
    Unsayable,
    conj,
    disj,
    implies,
    negation,
    pick,
    same,
    truth_variable,
)


class Sort(StrEnum):
    """The types whose values are one term. Decimals count ten-thousandths, times milliseconds."""

    BOOL = "Bool"
    LONG = "Long"
    STRING = "String"
    DECIMAL = "decimal"
    DATETIME = "datetime"
    DURATION = "duration"


@dataclass(frozen=True, slots=True)
class Scalar:
    """A value that is one term."""

    sort: Sort
    term: Term


@dataclass(frozen=True, slots=True)
class Address:
    """An ipaddr: an address with a prefix, and the range that the two stand for."""

    is_v6: Truth
    number: Number
    prefix: Number  # 32 or 128: one address
    low: Number
    high: Number


@dataclass(frozen=True, slots=True)
class Option:
    """One entity that a value may be."""

    guard: Truth
    type: str
    id: Text
    is_principal: bool = False  # the principal of the request itself


@dataclass(frozen=True, slots=True)
class Entity:
    """An entity: exactly one of these options has a guard that holds."""

    options: tuple[Option, ...]

    @classmethod
    def named(cls, of_type: str, identifier: str) -> Entity:
        """A literal."""
        return cls((Option(True, of_type, identifier),))


@dataclass(frozen=True, slots=True)
class Set:
    """A set: elements that are in it where their guard holds, and sets of unknown members."""

    given: tuple[tuple[Truth, Value], ...] = ()
    unknown: tuple[tuple[Truth, Members], ...] = ()


@dataclass(frozen=True, slots=True)
class Record:
    """A record: the attributes that it may have, and how to get at each."""

    names: tuple[str, ...]
    field: Callable[[str], tuple[Truth, Value]]  # is it present, and its value if so


Value: TypeAlias = Scalar | Address | Entity | Set | Record

TRUE = Scalar(Sort.BOOL, True)
NO_MEMBERS = Set()


class Members:
    """The unknown members of one set of scalars, as far as anybody asked after them."""

    def __init__(
        self, name: str, sort: Sort, universe: Universe, rule: Callable[[Term], Truth]
    ) -> None:
        """`rule` holds for every possible member."""
        self.sort = sort
        self.asked: list[tuple[Term, Truth]] = []
        self._name = name
        self.universe = universe
        self._rule = rule

    def has(self, element: Term) -> Truth:
        """Whether the element is a member."""
        for known, truth in self.asked:
            if same(known, element) is True:
                return truth
        made = truth_variable(f"{self._name} has {len(self.asked)}")
        rules = self.universe.rules
        rules.append(implies(made, self._rule(element)))
        for known, truth in self.asked:
            rules.append(implies(same(known, element), same(made, truth)))
        self.asked.append((element, made))
        self.universe.mention(self.sort, element)
        return made


class Universe:
    """Every element that is asked of sets, and what relations between sets mean for each of them.

    Relations over unknown members are settled last, over the elements asked after and one witness
    each. That is enough: a request that satisfies the conditions still does when each set keeps
    only those of its members, for no policy can see any other.
    """

    def __init__(self, variable: Callable[[Sort, str], Term]) -> None:
        self.rules: list[Truth] = []
        self._variable = variable
        self._elements: dict[Sort, list[Term]] = {}
        self._relations: list[tuple[Truth, Members, Term, Callable[[Term], Truth]]] = []

    def mention(self, sort: Sort, element: Term) -> None:
        """Takes note of an element."""
        known = self._elements.setdefault(sort, [])
        if not any(same(element, one) is True for one in known):
            known.append(element)

    def all_are(self, members: Members, quality: Callable[[Term], Truth]) -> Truth:
        """Whether every member has a quality."""
        name = f"relation {len(self._relations)}"
        holds = truth_variable(name)
        witness = self._variable(members.sort, f"{name} witness")
        self.mention(members.sort, witness)
        self._relations.append((holds, members, witness, quality))
        return holds

    def settle(self) -> None:
        """Says what the relations mean. Once, after everything was asked."""
        for holds, members, witness, quality in self._relations:
            self.rules.append(disj(holds, conj(members.has(witness), negation(quality(witness)))))
            for element in self._elements[members.sort]:
                case = implies(members.has(element), quality(element))
                self.rules.append(implies(holds, case))


def equal(left: Value, right: Value) -> Truth:
    """Cedar's `==` for two values of one type. Raises Unsayable."""
    match left, right:
        case Scalar(), Scalar() if left.sort is right.sort:
            return same(left.term, right.term)
        case Address(), Address():
            alike = conj(same(left.is_v6, right.is_v6), same(left.number, right.number))
            return conj(same(left.prefix, right.prefix), alike)
        case Entity(), Entity():
            return disj(
                *(
                    conj(one.guard, other.guard, same(one.id, other.id))
                    for one in left.options
                    for other in right.options
                    if one.type == other.type
                )
            )
        case Set(), Set():
            return conj(is_subset(left, right), is_subset(right, left))
        case Record(), Record() if set(left.names) == set(right.names):
            return conj(*(_same_field(left.field(n), right.field(n)) for n in left.names))
    raise Unsayable("two values of different types are compared")


def _same_field(left: tuple[Truth, Value], right: tuple[Truth, Value]) -> Truth:
    is_there = conj(left[0], right[0])
    if is_there is False:
        return same(left[0], right[0])
    return conj(same(left[0], right[0]), implies(is_there, equal(left[1], right[1])))


def contains(whole: Set, element: Value) -> Truth:
    """Whether a set has an element."""
    truths = [conj(guard, equal(one, element)) for guard, one in whole.given]
    for guard, members in whole.unknown:
        if not isinstance(element, Scalar) or element.sort is not members.sort:
            raise Unsayable("a set is asked for an element of another type")
        truths.append(conj(guard, members.has(element.term)))
    return disj(*truths)


def is_subset(part: Set, whole: Set) -> Truth:
    """Whether every element of one set is in the other."""
    truths = [implies(guard, contains(whole, one)) for guard, one in part.given]
    for guard, members in part.unknown:
        truths.append(implies(guard, _all_in(members, whole)))
    return conj(*truths)


def _all_in(members: Members, whole: Set) -> Truth:
    def is_in(element: Term) -> Truth:
        return contains(whole, Scalar(members.sort, element))

    if any(guard is True and other is members for guard, other in whole.unknown):
        return True
    return members.universe.all_are(members, is_in)


def is_empty(whole: Set) -> Truth:
    """Whether a set has no element."""
    return is_subset(whole, NO_MEMBERS)


def overlap(left: Set, right: Set) -> Truth:
    """Whether two sets share an element."""
    hidden = Set(unknown=left.unknown)
    truths = [conj(guard, contains(right, one)) for guard, one in left.given]
    truths += [conj(guard, contains(hidden, one)) for guard, one in right.given]
    for guard, members in left.unknown:
        for other_guard, other in right.unknown:
            truths.append(conj(guard, other_guard, negation(_are_apart(members, other))))
    return disj(*truths)


def _are_apart(left: Members, right: Members) -> Truth:
    return left.universe.all_are(left, lambda element: negation(right.has(element)))


def choose(condition: Truth, then: Value, otherwise: Value) -> Value:
    """If-then-else over values of one type. Raises Unsayable."""
    if isinstance(condition, bool):
        return then if condition else otherwise
    match then, otherwise:
        case Scalar(), Scalar() if then.sort is otherwise.sort:
            return Scalar(then.sort, pick(condition, then.term, otherwise.term))
        case Address(), Address():
            return Address(
                is_v6=pick(condition, then.is_v6, otherwise.is_v6),
                number=pick(condition, then.number, otherwise.number),
                prefix=pick(condition, then.prefix, otherwise.prefix),
                low=pick(condition, then.low, otherwise.low),
                high=pick(condition, then.high, otherwise.high),
            )
        case Entity(), Entity():
            return Entity(_guarded(condition, then) + _guarded(negation(condition), otherwise))
        case Set(), Set():
            yes, no = _part(condition, then), _part(negation(condition), otherwise)
            return Set(given=yes.given + no.given, unknown=yes.unknown + no.unknown)
        case Record(), Record():
            return _either(condition, then, otherwise)
    raise Unsayable("an if-then-else has branches of different types")


def _guarded(condition: Truth, entity: Entity) -> tuple[Option, ...]:
    return tuple(
        Option(conj(condition, one.guard), one.type, one.id, one.is_principal)
        for one in entity.options
    )


def _part(condition: Truth, whole: Set) -> Set:
    return Set(
        given=tuple((conj(condition, guard), one) for guard, one in whole.given),
        unknown=tuple((conj(condition, guard), one) for guard, one in whole.unknown),
    )


def _either(condition: Truth, then: Record, otherwise: Record) -> Record:
    def field(name: str) -> tuple[Truth, Value]:
        if name not in otherwise.names:
            yes, value = then.field(name)
            return conj(condition, yes), value
        no, other = otherwise.field(name)
        if name not in then.names:
            return conj(negation(condition), no), other
        yes, value = then.field(name)
        return pick(condition, yes, no), choose(condition, value, other)

    return Record(tuple(dict.fromkeys(then.names + otherwise.names)), field)
