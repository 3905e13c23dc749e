"""One argument as it could really be given → what is then known of it and of its derived facts."""

from __future__ import annotations

from collections.abc import Iterator

from callgate.model import Json
from callgate.policy.analysis import literals
from callgate.policy.analysis.extensions import known_address
from callgate.policy.analysis.globs import fits
from callgate.policy.analysis.symbols import Path, Slot, Symbols
from callgate.policy.analysis.terms import Truth, conj, same
from callgate.policy.analysis.texts import Text, Unknown
from callgate.policy.analysis.values import Address, Record, Scalar, Set, Sort, Value
from callgate.policy.derived import derive
from callgate.policy.exact import canonical, kind_of
from callgate.policy.schema import Kind, Shape


def real_facts(symbols: Symbols, path: Path, shape: Shape, value: Json) -> dict[str, Json]:
    """The facts that policies read of an argument, as the engine derives them."""
    facts = facts_read(symbols, path)
    if not facts:
        return {}
    known = symbols.shape.fields["derived"].shape
    for name in path[1:]:
        known = known.fields[name].shape
    wanted = Shape(kind=Kind.RECORD, fields={name: known.fields[name] for name in facts})
    return derive(wanted, shape, value, "")


def facts_read(symbols: Symbols, path: Path) -> dict[str, Slot]:
    """The facts that policies read of an argument, unknown as they are."""
    return symbols.facts(("derived", *path[1:])) if path[0] == "input" else {}


def pins(symbols: Symbols, path: Path, shape: Shape, value: Json) -> Iterator[Truth]:
    """That an argument is this one, as far as policies can tell."""
    unknown = symbols.fields[path][1]
    if isinstance(unknown, Record):
        for name, text in (("json", canonical(value).decode()), ("kind", kind_of(value))):
            yield is_as(unknown.field(name)[1], text)
    else:
        yield is_as(unknown, value)
    real = real_facts(symbols, path, shape, value)
    for name, (is_there, fact) in facts_read(symbols, path).items():
        yield same(is_there, name in real)
        if name in real:
            yield is_as(fact, real[name])


def is_as(unknown: Value, real: Json) -> Truth:
    """That an unknown value is, to all policies, as a real one in Cedar's JSON."""
    match unknown:
        case Scalar(sort=Sort.STRING, term=term):
            return _is_text(term, real)
        case Scalar(sort=Sort.DATETIME, term=term):
            return same(term, literals.instant(real))
        case Scalar(sort=Sort.DECIMAL, term=term):
            return same(term, literals.decimal(real))
        case Scalar(term=term):
            return same(term, real)
        case Address():
            known = known_address(*literals.address(real))
            parts = ("is_v6", "number", "prefix", "low", "high")
            return conj(*(same(getattr(unknown, one), getattr(known, one)) for one in parts))
        case Set(unknown=((_, members),)) if members.sort is Sort.STRING:
            return conj(*(_is_member(element, is_in, real) for element, is_in in members.asked))
    return True


def _is_text(term: Text, real: str) -> Truth:
    """Only what was asked of it counts: nothing more is asked here, for the rules are made."""
    if not isinstance(term, Unknown):
        return True
    size = same(term.size, len(real)) if term.size is not None else True
    return conj(size, *(same(t, fits(pattern, real)) for pattern, t in term.truths.items()))


def _is_member(element: Text, is_in: Truth, real: list[Json]) -> Truth:
    return same(is_in, element in real) if isinstance(element, str) else True
