"""Solver terms that fold: Python's own bool, int and str where a value is known, else z3's."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import z3  # type: ignore[import-untyped]

Truth: TypeAlias = Any  # bool | z3.BoolRef
Number: TypeAlias = Any  # int | z3.ArithRef
Text: TypeAlias = Any  # str | z3.SeqRef
Term: TypeAlias = Any  # any of them

MAX_CODE_POINT = 0x2FFFF  # of SMT-LIB's strings
_ESCAPE = re.compile(r"\\u\{([0-9a-fA-F]+)\}")


class Unsayable(Exception):  # noqa: N818 - a finding about a policy
    """The solver's language has no term for this. The message says what and why."""


def truth_variable(name: str) -> Truth:
    """An unknown that is true or false."""
    return z3.Bool(name)


def number_variable(name: str) -> Number:
    """An unknown whole number, without bounds of its own."""
    return z3.Int(name)


def text_variable(name: str) -> Text:
    """An unknown text."""
    return z3.String(name)


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


def length(text: Text) -> Number:
    """The number of code points."""
    return len(text) if isinstance(text, str) else z3.Length(text)


def is_like(text: Text, pieces: list[str | None]) -> Truth:
    """Whether a text fits a pattern of literal pieces and wildcards (None)."""
    pieces = _squeezed(pieces)
    if isinstance(text, str):
        pattern = "".join(".*" if piece is None else re.escape(piece) for piece in pieces)
        return re.fullmatch(pattern, text, re.DOTALL) is not None
    match pieces:
        case []:
            return same(text, "")
        case [None]:
            return True
        case [str(whole)]:
            return same(text, whole)
        case [str(start), None]:
            return z3.PrefixOf(lifted(start), text)
        case [None, str(end)]:
            return z3.SuffixOf(lifted(end), text)
        case [None, str(middle), None]:
            return z3.Contains(text, lifted(middle))
    anything = z3.Full(z3.ReSort(z3.StringSort()))
    parts = [anything if piece is None else z3.Re(lifted(piece)) for piece in pieces]
    return z3.InRe(text, z3.Concat(*parts))


def ends_with(text: Text, end: Text) -> Truth:
    """Whether a text ends so."""
    if isinstance(text, str) and isinstance(end, str):
        return text.endswith(end)
    return z3.SuffixOf(lifted(end), lifted(text))


def is_plain(text: Text) -> Truth:
    """Whether a text is of printable ASCII, without quotes and backslashes."""
    ranges = (" ", "!"), ("#", "["), ("]", "~")
    return z3.InRe(text, z3.Star(z3.Union(*(z3.Range(low, high) for low, high in ranges))))


def joined(*texts: Text) -> Text:
    """Texts, one after the other."""
    if all(isinstance(text, str) for text in texts):
        return "".join(texts)
    return z3.Concat(*(lifted(text) for text in texts))


def _squeezed(pieces: list[str | None]) -> list[str | None]:
    """Neighbouring literals joined, neighbouring wildcards as one."""
    found: list[str | None] = []
    for piece in pieces:
        last = found[-1] if found else ""
        if piece is None:
            if not found or last is not None:
                found.append(None)
        elif found and last is not None:
            found[-1] = last + piece
        elif piece:
            found.append(piece)
    return found


def lifted(value: Term) -> Term:
    """A z3 term, also of what is known. Raises Unsayable."""
    if isinstance(value, bool):
        return z3.BoolVal(value)
    if isinstance(value, int):
        return z3.IntVal(value)
    if isinstance(value, str):
        if value and ord(max(value)) > MAX_CODE_POINT:
            raise Unsayable("a text has characters beyond U+2FFFF")
        # The solver reads \u{…} in a text: what is written so must stay as it is.
        return z3.StringVal(value.replace("\\", "\\u{5c}"))
    return value


def known(term: Term) -> bool | int | str:
    """The Python value of a solver's constant."""
    if isinstance(term, bool | int | str):
        return term
    if z3.is_string_value(term):
        return _ESCAPE.sub(lambda match: chr(int(match[1], 16)), term.as_string())
    if z3.is_int_value(term):
        return int(term.as_long())
    if z3.is_true(term) or z3.is_false(term):
        return bool(z3.is_true(term))
    raise Unsayable(f"the solver left {term} open")


def _is_known(value: Term) -> bool:
    return isinstance(value, bool | int | str)
