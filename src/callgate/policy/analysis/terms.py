"""Solver terms that fold: Python's own bool and int where a value is known, else z3's."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import z3  # type: ignore[import-untyped]

Truth: TypeAlias = Any  # bool | z3.BoolRef
Number: TypeAlias = Any  # int | z3.ArithRef
Term: TypeAlias = Any  # any of them, and texts.Text


class Unsayable(Exception):  # noqa: N818 - a finding about a policy
    """The solver's language has no term for this. The message says what and why."""


def truth_variable(name: str) -> Truth:
    """An unknown that is true or false."""
    return z3.Bool(name)


def number_variable(name: str) -> Number:
    """An unknown whole number, without bounds of its own."""
    return z3.Int(name)


def conj(*truths: Truth) -> Truth:
    """All of them."""
    return _joined(truths, neutral=True, join=z3.And)


def disj(*truths: Truth) -> Truth:
    """Any of them."""
    return _joined(truths, neutral=False, join=z3.Or)


def _joined(truths: Iterable[Truth], *, neutral: bool, join: Callable[..., Any]) -> Truth:
    open_ones = []
    for truth in truths:
        if truth is neutral:
            continue
        if isinstance(truth, bool):
            return truth
        open_ones.append(truth)
    if not open_ones:
        return neutral
    return open_ones[0] if len(open_ones) == 1 else join(*open_ones)


def negation(truth: Truth) -> Truth:
    """Not."""
    return not truth if isinstance(truth, bool) else z3.Not(truth)


def implies(premise: Truth, conclusion: Truth) -> Truth:
    """The conclusion, wherever the premise holds."""
    return disj(negation(premise), conclusion)


def pick(condition: Truth, then: Term, otherwise: Term) -> Term:
    """If-then-else over terms of one sort."""
    if isinstance(condition, bool):
        return then if condition else otherwise
    if then is otherwise or (_is_known(then) and _is_known(otherwise) and then == otherwise):
        return then
    if isinstance(then, bool) and isinstance(otherwise, bool):
        return condition if then else z3.Not(condition)
    return z3.If(condition, lifted(then), lifted(otherwise))


def same(left: Term, right: Term) -> Truth:
    """Equality of two terms of one sort."""
    if _is_known(left) and _is_known(right):
        return left == right
    if isinstance(left, bool) or isinstance(right, bool):
        known, other = (left, right) if isinstance(left, bool) else (right, left)
        return other if known else z3.Not(other)
    if not _is_known(left) and not _is_known(right) and left.eq(right):
        return True
    return lifted(left) == lifted(right)


def less(left: Number, right: Number) -> Truth:
    """`left < right`."""
    return operator.lt(left, right)


def at_most(left: Number, right: Number) -> Truth:
    """`left <= right`."""
    return operator.le(left, right)


def between(low: int, number: Number, high: int) -> Truth:
    """`low <= number <= high`."""
    return conj(at_most(low, number), at_most(number, high))


def floor_divided(number: Number, by: int) -> Number:
    """Rounded towards minus infinity; `by` is positive."""
    return number // by if isinstance(number, int) else number / z3.IntVal(by)


def remainder(number: Number, by: int) -> Number:
    """What floor division leaves: never negative."""
    return number % by


def truncated(number: Number, by: int) -> Number:
    """Rounded towards zero, as machines divide; `by` is positive."""
    quotient = floor_divided(number, by)
    return pick(disj(at_most(0, number), same(remainder(number, by), 0)), quotient, quotient + 1)


def lifted(value: Term) -> Term:
    """A z3 term, also of what is known."""
    if isinstance(value, bool):
        return z3.BoolVal(value)
    if isinstance(value, int):
        return z3.IntVal(value)
    return value


def known(term: Term) -> bool | int:
    """The Python value of a solver's constant. Raises Unsayable."""
    if isinstance(term, bool | int):
        return term
    if z3.is_int_value(term):
        return int(term.as_long())
    if z3.is_true(term) or z3.is_false(term):
        return bool(z3.is_true(term))
    raise Unsayable(f"the solver left {term} open")


def _is_known(value: Term) -> bool:
    return isinstance(value, bool | int)
