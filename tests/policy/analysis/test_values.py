"""Values of an unknown request: sets, entities and records are compared as Cedar compares them."""

import pytest

from callgate.policy.analysis.solving import Answer, Solver
from callgate.policy.analysis.terms import Unsayable, negation, number_variable, truth_variable
from callgate.policy.analysis.values import (
    Entity,
    Members,
    Record,
    Scalar,
    Set,
    Sort,
    Universe,
    choose,
    contains,
    equal,
    is_empty,
    is_subset,
    overlap,
)

CONDITION = truth_variable("condition")


def a_universe() -> Universe:
    return Universe(lambda _, name: number_variable(name))


def an_unknown(universe: Universe, name: str) -> Set:
    members = Members(name, Sort.LONG, universe, lambda element: element > 0)
    return Set(unknown=((True, members),))


def numbers(*values: int) -> Set:
    return Set(given=tuple((True, Scalar(Sort.LONG, value)) for value in values))


def test_relations_of_unknown_sets_hold_of_all_members() -> None:
    universe = a_universe()
    one, other = an_unknown(universe, "one"), an_unknown(universe, "other")
    has_five = contains(one, Scalar(Sort.LONG, 5))
    is_below, is_bare = is_subset(one, other), is_empty(one)
    meets, is_small = overlap(one, other), is_subset(one, numbers(1, 2))
    lacks_five = negation(contains(other, Scalar(Sort.LONG, 5)))
    universe.settle()
    solver = Solver(universe.rules, 5.0)

    assert solver.ask([has_five, is_bare]) is Answer.NO
    assert solver.ask([has_five, is_below, lacks_five]) is Answer.NO
    assert solver.ask([has_five, negation(is_below), meets]) is Answer.YES
    assert solver.ask([is_bare, meets]) is Answer.NO
    assert solver.ask([is_bare, negation(is_below)]) is Answer.NO
    assert solver.ask([has_five, is_small]) is Answer.NO
    assert solver.ask([negation(is_bare), is_small, negation(has_five)]) is Answer.YES


def test_a_member_keeps_the_rule_of_its_set() -> None:
    universe = a_universe()
    one = an_unknown(universe, "one")
    has_none = contains(one, Scalar(Sort.LONG, 0))

    assert Solver(universe.rules, 5.0).ask([has_none]) is Answer.NO


def test_an_element_is_asked_for_once() -> None:
    universe = a_universe()
    one = an_unknown(universe, "one")

    assert contains(one, Scalar(Sort.LONG, 5)) is contains(one, Scalar(Sort.LONG, 5))
    assert is_empty(one) is is_empty(one)
    assert is_subset(one, one) is True


def test_known_sets_fold() -> None:
    assert equal(numbers(1, 2, 1), numbers(2, 1)) is True
    assert equal(numbers(1), numbers(2)) is False
    assert overlap(numbers(1, 2), numbers(2, 3)) is True
    assert is_empty(numbers()) is True


def test_entities_are_equal_by_type_and_id() -> None:
    ada, eve = Entity.named("User", "ada"), Entity.named("User", "eve")

    assert equal(ada, Entity.named("User", "ada")) is True
    assert equal(ada, eve) is False
    assert equal(ada, Entity.named("Group", "ada")) is False
    assert equal(choose(CONDITION, ada, eve), ada) is CONDITION


def test_records_are_equal_where_all_attributes_are() -> None:
    def a_record(**values: int) -> Record:
        found = {name: (True, Scalar(Sort.LONG, value)) for name, value in values.items()}
        return Record(tuple(found), found.__getitem__)

    assert equal(a_record(a=1, b=2), a_record(b=2, a=1)) is True
    assert equal(a_record(a=1), a_record(a=2)) is False
    chosen = choose(CONDITION, a_record(a=1), a_record(a=2))
    assert isinstance(chosen, Record)
    assert equal(chosen, a_record(a=1)) is not False
    partly = choose(CONDITION, a_record(a=1, b=2), a_record(a=1))
    assert isinstance(partly, Record)
    assert partly.field("b") == (CONDITION, Scalar(Sort.LONG, 2))


def test_values_of_different_types_are_not_compared() -> None:
    with pytest.raises(Unsayable):
        equal(Scalar(Sort.LONG, 1), Scalar(Sort.STRING, "1"))
    with pytest.raises(Unsayable):
        choose(CONDITION, Scalar(Sort.LONG, 1), numbers(1))
    with pytest.raises(Unsayable):
        contains(an_unknown(a_universe(), "one"), Scalar(Sort.STRING, "x"))
