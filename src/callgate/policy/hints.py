"""What policies still permit of a tool's arguments, said as JSON Schema: proved, or not said."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

from callgate.model import Json, Value
from callgate.policy.domains import Domain, Numbers, Sets, Texts
from callgate.policy.expressions import Chain
from callgate.policy.formulas import (
    Check,
    Formula,
    Presence,
    State,
    both,
    checks_in,
    either,
    is_satisfiable,
)
from callgate.policy.leaves import SCALE, Leaf
from callgate.policy.residuals import Residual
from callgate.policy.shapes import Field, Kind, Shape
from callgate.policy.wildcards import Pattern, exactly, fits

MAX_SHOWN = 32  # values of an enum
MAX_PIECES = 64  # that the values of one place are taken apart into
MAX_QUESTIONS = 400  # of one tool; what is asked beyond is taken to be possible
STEPS = 1_000  # of one question


class Narrowing(Value):
    """What some arguments of a tool must be like for one principal now.

    Arguments that the tool's own schema allows and that do not fit `schema` are surely refused.
    Where `is_exact`, those that fit are permitted, as far as their numbers have an exact form for
    policy: 64 bits, four decimals.
    """

    schema: dict[str, Json]  # of an object; empty where nothing can be said
    is_exact: bool


def narrowing_of(
    goals: Sequence[Formula], residuals: Sequence[Residual], arguments: Shape
) -> Narrowing:
    """What is left by policies that some arguments could be permitted by."""
    box = _Box(_Asker(goals), arguments)
    for place in _places(goals, arguments):
        box.project(place)
    return Narrowing(schema=box.schema, is_exact=_is_exact(residuals, box.state))


def _is_exact(residuals: Sequence[Residual], box: State) -> bool:
    if not all(one.is_exact and _is_read_as_given(one) for one in residuals):
        return False
    passes = [one.passes for one in residuals if one.policy.effect == "permit"]
    applies = [one.applies for one in residuals if one.policy.effect != "permit"]
    return not is_satisfiable([either(both(*passes), *applies)], box)


def _is_read_as_given(residual: Residual) -> bool:
    """Facts that are made of arguments may be missing where the gateway cannot make them."""
    return all(chain[:1] != ("derived",) for chain in residual.policy.chains)


class _Place:
    """One place among the arguments that policies ask about."""

    def __init__(self, path: Chain, field: Field, outer: tuple[Chain, ...]) -> None:
        self.path = path
        self.field = field
        self.outer = outer  # the places that it is in and that need not be there
        self.tests: list[Check] = []

    @property
    def is_optional(self) -> bool:
        return not self.field.is_required


def _places(goals: Iterable[Formula], arguments: Shape) -> list[_Place]:
    """All of them, the outer before the inner."""
    found: dict[Chain, _Place] = {}
    for goal in goals:
        for test in checks_in(goal):
            path = test.gate if isinstance(test, Presence) else test.leaf.path
            field = _field(arguments, path)
            if field is None:
                continue
            if path not in found:
                gates = test.outer if isinstance(test, Presence) else test.leaf.gates
                found[path] = _Place(path, field, tuple(gate for gate in gates if gate != path))
            if isinstance(test, Check):
                found[path].tests.append(test)
    return [found[path] for path in sorted(found, key=lambda path: (len(path), path))]


def _field(arguments: Shape, path: Chain) -> Field | None:
    """The declared argument at a path; None where JSON Schema cannot say it in one way."""
    shape, field = arguments, None
    if path[:1] != ("input",) or len(path) < 2:
        return None
    for name in path[1:]:
        field = shape.fields.get(name) if shape.kind is Kind.RECORD else None
        if field is None:
            return None
        shape = field.shape
    return field


class _Asker:
    """Puts questions to the formula, up to a bound."""

    def __init__(self, goals: Sequence[Formula]) -> None:
        self._goals = goals
        self._left = MAX_QUESTIONS

    def may(
        self, there: Mapping[Chain, bool], path: Chain = (), values: Domain | None = None
    ) -> bool:
        """Whether a permitted call can be like this; True, too, where enough has been asked."""
        self._left -= 1
        state = State({} if values is None else {path: values}, there)
        return self._left < 0 or is_satisfiable(self._goals, state, STEPS)


class _Box:
    """What was found out about each place by itself, as a state and as a schema."""

    def __init__(self, asker: _Asker, arguments: Shape) -> None:
        self._asker = asker
        self._arguments = arguments
        self.state = State()
        self.schema: dict[str, Json] = {}

    def project(self, place: _Place) -> None:
        """Says what can be said about one place, whatever the others are."""
        path, may = place.path, self._asker.may
        there = dict.fromkeys(place.outer, True)
        with_it = {**there, path: True} if place.is_optional else there
        may_be = may(with_it)
        may_lack = place.is_optional and may({**there, path: False})
        if not may_be:
            if may_lack:
                self.state.there[path] = False
                self._say(path, {"type": "null"} if place.field.is_nullable else {"not": {}})
            return
        if place.is_optional and not may_lack:
            self._require(place)
        domain = _projected(place, lambda values: may(with_it, path, values))
        if domain is not None:
            self.state.values[path] = domain
            keywords = _said(domain, place.tests[0].leaf)
            if "enum" in keywords and place.field.is_nullable and may_lack:
                keywords["enum"].append(None)
            self._say(path, keywords)
        if place.field.is_nullable and not may_lack and not self._says_enum(path):
            self._say(path, _not_null(place.field.shape.kind))

    def _require(self, place: _Place) -> None:
        *outer, name = place.path[1:]
        node = self._node(outer)
        node.setdefault("required", []).append(name)
        if all(self.state.there.get(gate) for gate in place.outer):
            self.state.there[place.path] = True

    def _says_enum(self, path: Chain) -> bool:
        return "enum" in self._node(path[1:])

    def _say(self, path: Chain, keywords: dict[str, Json]) -> None:
        if keywords:
            self._node(path[1:]).update(keywords)

    def _node(self, names: Iterable[str]) -> dict[str, Json]:
        node = self.schema
        for name in names:
            node = node.setdefault("properties", {}).setdefault(name, {})
        return node


def _not_null(kind: Kind) -> dict[str, Json]:
    is_typed = kind not in (Kind.TEXT, Kind.UNION)
    return {"type": kind.value} if is_typed else {"not": {"type": "null"}}


def _projected(place: _Place, may: Callable[[Domain], bool]) -> Domain | None:
    """The values that a place can have; None where that is all, or cannot be said."""
    if not place.tests:
        return None
    start = place.tests[0].start
    if isinstance(start, Numbers):
        return _numbers(start, place.tests, may)
    if isinstance(start, Texts):
        return _texts(start, place.tests, may)
    return _sets(start, place.tests, may)


def _numbers(
    start: Numbers, tests: Sequence[Check], may: Callable[[Domain], bool]
) -> Domain | None:
    pieces = list(_pieces(start, tests))
    if len(pieces) > MAX_PIECES:
        return None
    alive = [piece for piece in pieces if may(piece)]
    if not alive or len(alive) == len(pieces):
        return None
    singles = frozenset(piece.low for piece in alive if piece.low == piece.high)
    if len(singles) == len(alive) <= MAX_SHOWN:
        return Numbers(min(singles), max(singles), singles)
    low, high = alive[0].low, alive[-1].high
    dead = (
        piece for piece in pieces if piece not in alive and low < piece.low == piece.high < high
    )
    return Numbers(low, high, None, frozenset(piece.low for piece in dead))


def _pieces(start: Numbers, tests: Iterable[Check]) -> Iterator[Numbers]:
    """Neighbouring ranges, of which each test holds for all of one or for none."""
    if start.options is not None:
        yield from (Numbers(n, n) for n in sorted(start.options))
        return
    cuts = {start.low, start.high + 1}
    for test in tests:
        match test.operator:
            case "<=":
                cuts.add(test.operand + 1)
            case ">=":
                cuts.add(test.operand)
            case _:
                cuts.update(number + more for number in test.operand for more in (0, 1))
    inside = sorted(cut for cut in cuts if start.low <= cut <= start.high + 1)
    yield from (Numbers(low, after - 1) for low, after in pairwise(inside))


def _texts(start: Texts, tests: Sequence[Check], may: Callable[[Domain], bool]) -> Domain | None:
    if start.options is not None:
        alive = frozenset(text for text in start.options if may(Texts(frozenset({text}))))
        is_less = alive and alive < start.options and len(alive) <= MAX_SHOWN
        return Texts(alive) if is_less else None
    named: set[str] = set()
    patterns: set[Pattern] = set()
    for test in tests:
        if test.operator in ("in", "not in"):
            named |= test.operand
        else:
            patterns.add(test.operand)
    if len(named) + len(patterns) > MAX_PIECES:
        return None
    alive = frozenset(text for text in named if may(Texts(frozenset({text}))))
    dead = frozenset(named) - alive
    others = Texts(None, frozenset(named))
    open_ones = frozenset(
        one for one in patterns if may(others._replace(fitting=(frozenset({one}),)))
    )
    if may(others._replace(missing=frozenset(patterns))):
        missing = frozenset(
            one for one in patterns - open_ones if not any(fits(text, one) for text in alive)
        )
        return Texts(None, dead, (), missing) if dead or missing else None
    if len(alive) + len(open_ones) > MAX_SHOWN or not (alive or open_ones):
        return None
    if not open_ones:
        return Texts(alive)
    return Texts(None, dead, (open_ones | {exactly(text) for text in alive},))


def _sets(start: Sets, tests: Sequence[Check], may: Callable[[Domain], bool]) -> Domain | None:
    named = {test.operand for test in tests if test.operator in ("holds", "lacks")}
    if len(named) > MAX_PIECES:
        return None
    lacks = frozenset(one for one in named if not _may(start, "holds", one, may))
    holds = frozenset(one for one in named - lacks if not _may(start, "lacks", one, may))
    is_empty = None
    if not _may(start, "empty", None, may):
        is_empty = False
    elif not _may(start, "filled", None, may):
        is_empty = True
    if not lacks and not holds and is_empty is None:
        return None
    return Sets(start.elements, holds, lacks, is_empty)


def _may(start: Sets, operator: str, operand: Json, may: Callable[[Domain], bool]) -> bool:
    cut = start.met(operator, operand)
    return cut is not None and may(cut)


def _said(domain: Domain, leaf: Leaf) -> dict[str, Json]:
    """A domain in the keywords of JSON Schema, as far as the tool's own schema does not say it."""
    kind = leaf.kind
    if isinstance(domain, Numbers):
        assert isinstance(leaf.start, Numbers)  # noqa: S101 - of the same kind
        return _of_numbers(domain, leaf.start, kind)
    if isinstance(domain, Texts):
        return _of_texts(domain)
    return _of_sets(domain, leaf.item_kind or Kind.STRING)


def _of_numbers(domain: Numbers, start: Numbers, kind: Kind) -> dict[str, Json]:
    if domain.options is not None:
        return {"enum": [_json(n, kind) for n in sorted(domain.options)]}
    keywords: dict[str, Json] = {}
    if domain.low > start.low:
        keywords |= _bound("minimum", domain.low, kind, -1)
    if domain.high < start.high:
        keywords |= _bound("maximum", domain.high, kind, 1)
    if domain.excluded:
        keywords["not"] = {"enum": [_json(n, kind) for n in sorted(domain.excluded)]}
    return keywords


def _bound(keyword: str, number: int, kind: Kind, outwards: int) -> dict[str, Json]:
    """Of decimals the next one is named where it is shorter: below 9, not up to 8.9999."""
    beyond = number + outwards
    if kind is Kind.DECIMAL and number % 10 and beyond % 10 == 0:
        return {f"exclusive{keyword.capitalize()}": _json(beyond, kind)}
    return {keyword: _json(number, kind)}


def _of_texts(domain: Texts) -> dict[str, Json]:
    if domain.options is not None:
        return {"enum": sorted(domain.options)}
    keywords: dict[str, Json] = {}
    if domain.fitting:
        keywords["pattern"] = _regex(domain.fitting[0])
    refused: list[Json] = []
    if domain.excluded:
        refused.append({"enum": sorted(domain.excluded)})
    if domain.missing:
        refused.append({"pattern": _regex(domain.missing)})
    if refused:
        keywords["not"] = refused[0] if len(refused) == 1 else {"anyOf": refused}
    return keywords


def _of_sets(domain: Sets, item_kind: Kind) -> dict[str, Json]:
    keywords: dict[str, Json] = {}
    held = [{"contains": {"const": _json(one, item_kind)}} for one in sorted(domain.holds)]
    if len(held) == 1:
        keywords |= held[0]
    elif held:
        keywords["allOf"] = held
    elif domain.is_empty is False:
        keywords["minItems"] = 1
    if domain.is_empty:
        keywords["maxItems"] = 0
    elif domain.lacks:
        lacking = [_json(one, item_kind) for one in sorted(domain.lacks)]
        keywords["items"] = {"not": {"enum": lacking}}
    return keywords


def _json(value: int | str, kind: Kind) -> Json:
    if kind is Kind.BOOL:
        return bool(value)
    if kind is Kind.DECIMAL and isinstance(value, int):
        return value // SCALE if value % SCALE == 0 else value / SCALE
    return value


def _regex(patterns: Iterable[Pattern]) -> str:
    """One expression, in the common tongue of JSON Schema's readers (ECMA-262)."""
    parts = sorted(
        "".join("[\\s\\S]*" if piece is None else _escaped(piece) for piece in pattern)
        for pattern in patterns
    )
    body = parts[0] if len(parts) == 1 else f"(?:{'|'.join(parts)})"
    return f"^{body}$".removesuffix("[\\s\\S]*$")


def _escaped(character: str) -> str:
    return re.sub(r"[\^$\\.*+?()\[\]{}|]", r"\\\g<0>", character)
