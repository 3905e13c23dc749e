"""Cedar values of a request that is not known: what the compiler of conditions calculates with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from callgate.policy.analysis.terms import (
    Number,
    Term,
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
from callgate.policy.analysis.texts import Text, choose_text, same_text


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


def alike(sort: Sort, left: Term, right: Term) -> Truth:
    """Equality of two terms of a sort."""
    return same_text(left, right) if sort is Sort.STRING else same(left, right)


class Members:
    """The unknown members of one set of scalars, as far as anybody asked after them."""

    def __init__(
        self, name: str, sort: Sort, universe: Universe, rule: Callable[[Term], Truth]
    ) -> None:
        """`rule` holds for every possible member."""
        self.sort = sort
        self.asked: list[tuple[Term, Truth]] = []
        self.universe = universe
        self._name = name
        self._rule = rule

    def has(self, element: Term) -> Truth:
        """Whether the element is a member."""
        for known, truth in self.asked:
            if alike(self.sort, known, element) is True:
                return truth
        made = truth_variable(f"{self._name} has {len(self.asked)}")
        rules = self.universe.rules
        rules.append(implies(made, self._rule(element)))
        for known, truth in self.asked:
            rules.append(implies(alike(self.sort, known, element), same(made, truth)))
        self.asked.append((element, made))
        return made


@dataclass(frozen=True, slots=True)
class _Relation:
    """All members have a quality, which may be to be a member of other sets."""

    holds: Truth
    members: Members
    others: tuple[Members, ...]
    witness: Term  # a member without the quality, where it does not hold
    quality: Callable[[Term], Truth]


class Universe:
    """What relations between sets of unknown members mean, for every element that is asked after.

    They are settled last, over the elements asked after and one witness each. That is enough: a
    request that satisfies the conditions still does when each set keeps only those of its
    members, for no policy can see any other.
    """

    def __init__(self, variable: Callable[[Sort, str], Term]) -> None:
        self.rules: list[Truth] = []
        self._variable = variable
        self._relations: dict[object, _Relation] = {}
        self._settled = 0

    def all_are(
        self,
        members: Members,
        quality: Callable[[Term], Truth],
        others: tuple[Members, ...] = (),
        key: object = None,
    ) -> Truth:
        """Whether every member has a quality; one that has a key is told once only."""
        known = self._relations.get((members, others, key)) if key is not None else None
        if known is not None:
            return known.holds
        name = f"relation {len(self._relations)}"
        holds = truth_variable(name)
        witness = self._variable(members.sort, f"{name} witness")
        made = _Relation(holds, members, others, witness, quality)
        self._relations[(members, others, key) if key is not None else name] = made
        return holds

    def settle(self) -> None:
        """Says what the relations mean, after everything was asked. Once."""
        relations = list(self._relations.values())[self._settled :]
        self._settled = len(self._relations)
        for relation in relations:
            is_counterexample = conj(
                relation.members.has(relation.witness), negation(relation.quality(relation.witness))
            )
            self.rules.append(disj(relation.holds, is_counterexample))
        for group in _connected(relations):
            sets = list(dict.fromkeys(one for r in group for one in (r.members, *r.others)))
            elements = [element for one in sets for element, _ in one.asked]
            for relation in group:
                for element in elements:
                    case = implies(relation.members.has(element), relation.quality(element))
                    self.rules.append(implies(relation.holds, case))


def _connected(relations: list[_Relation]) -> list[list[_Relation]]:
    """The relations, grouped by the sets that they share, directly or not."""
    found: list[tuple[set[Members], list[_Relation]]] = []
    for relation in relations:
        sets, group = {relation.members, *relation.others}, [relation]
        apart = []
        for others, other_group in found:
            if others & sets:
                sets, group = sets | others, other_group + group
            else:
                apart.append((others, other_group))
        found = [*apart, (sets, group)]
    return [group for _, group in found]


def equal(left: Value, right: Value) -> Truth:
    """Cedar's `==` for two values of one type. Raises Unsayable."""
    match left, right:
        case Scalar(), Scalar() if left.sort is right.sort:
            return alike(left.sort, left.term, right.term)
        case Address(), Address():
            is_one = conj(same(left.is_v6, right.is_v6), same(left.number, right.number))
            return conj(same(left.prefix, right.prefix), is_one)
        case Entity(), Entity():
            return disj(
                *(
                    conj(one.guard, other.guard, same_text(one.id, other.id))
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
    others = tuple(other for _, other in whole.unknown)
    return members.universe.all_are(members, is_in, others, _key(whole))


def _key(whole: Set) -> object:
    """What tells a set of known members; None where some are not known."""
    known = [one.term for guard, one in whole.given if guard is True and isinstance(one, Scalar)]
    is_known = len(known) == len(whole.given) and not whole.unknown
    if is_known and all(isinstance(one, bool | int | str) for one in known):
        return "in", *sorted(known, key=str)
    return None


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
    def is_out(element: Term) -> Truth:
        return negation(right.has(element))

    return left.universe.all_are(left, is_out, (right,), "apart")


def choose(condition: Truth, then: Value, otherwise: Value) -> Value:
    """If-then-else over values of one type. Raises Unsayable."""
    if isinstance(condition, bool):
        return then if condition else otherwise
    match then, otherwise:
        case Scalar(), Scalar() if then.sort is otherwise.sort:
            join = choose_text if then.sort is Sort.STRING else pick
            return Scalar(then.sort, join(condition, then.term, otherwise.term))
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
