"""Ties the unknowns of the analysis to one concrete request, as the engine would build it."""

from __future__ import annotations

from typing import Any

from callgate.model import Json
from callgate.policy.analysis.extensions import known_address
from callgate.policy.analysis.literals import address, decimal, instant
from callgate.policy.analysis.symbols import Symbols
from callgate.policy.analysis.terms import Truth, conj, disj, implies, same
from callgate.policy.analysis.texts import same_text
from callgate.policy.analysis.values import Address, Scalar, Set, Sort, Value, alike
from callgate.policy.context import build
from callgate.policy.engine import Question
from callgate.policy.entities import tag_text


def pinned(symbols: Symbols, question: Question) -> list[Truth]:
    """All rules, and what makes the unknowns that request. In the place of `symbols.settled()`."""
    context = build(
        symbols.shape, symbols.input, question.arguments, question.enriched, question.now
    )
    for path, (_, value) in list(symbols.fields.items()):
        parent = _parent(context, path)
        if isinstance(value, Set) and isinstance(parent, dict):
            ((_, members),) = value.unknown
            for item in parent.get(path[-1], ()):
                members.has(_scalar(members.sort, item))
    symbols.settled()  # what is asked now is asked of all that it brings in
    pins = [*_principal(symbols, question), *_context(symbols, context)]
    return [truth for truth in (*symbols.settled(), *pins) if truth is not True]


def _principal(symbols: Symbols, question: Question) -> list[Truth]:
    principal = question.principal
    of_type = symbols.names.ANONYMOUS if principal.kind == "anonymous" else symbols.names.USER
    found = [same(truth, name == of_type) for name, truth in symbols.types.items()]
    found.append(same_text(symbols.id, principal.id))
    found += [same(truth, name in principal.groups) for name, truth in symbols.groups.items()]
    for name, (is_there, value) in symbols.attributes().items():
        given = getattr(principal, name)
        found.append(same(is_there, given is not None))
        if given is not None and isinstance(value, Scalar):
            found.append(alike(value.sort, value.term, given))
    claims = {k: tag_text(v) for k, v in principal.claims.items() if v is not None}
    for key, is_there, text in symbols.tags:
        found.append(same(is_there, disj(*(same_text(key, claim) for claim in claims))))
        found += [implies(same_text(key, k), same_text(text, v)) for k, v in claims.items()]
    return found


def _context(symbols: Symbols, context: Json) -> list[Truth]:
    found: list[Truth] = []
    for path, (is_there, value) in symbols.fields.items():
        parent = _parent(context, path)
        if isinstance(parent, dict):
            found.append(same(is_there, path[-1] in parent))
            if path[-1] in parent:
                found.append(_value(value, parent[path[-1]]))
    return found


def _parent(context: Json, path: tuple[str, ...]) -> Json:
    for name in path[:-1]:
        context = context.get(name) if isinstance(context, dict) else None
    return context


def _value(value: Value, given: Any) -> Truth:
    match value:
        case Scalar():
            return alike(value.sort, value.term, _scalar(value.sort, given))
        case Address():
            known = known_address(*address(given))
            names = ("is_v6", "number", "prefix", "low", "high")
            return conj(*(same(getattr(value, n), getattr(known, n)) for n in names))
        case Set(unknown=((_, members),)):
            items = [_scalar(members.sort, item) for item in given]
            return conj(
                *(
                    same(truth, disj(*(alike(members.sort, element, item) for item in items)))
                    for element, truth in members.asked
                )
            )
    return True


def _scalar(sort: Sort, given: Any) -> Any:
    match sort:
        case Sort.DECIMAL:
            return decimal(given)
        case Sort.DATETIME:
            return instant(given)
    return given
