"""The places of a context that policies read, and the values that a tool's schema allows there."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from callgate.model import Json
from callgate.policy.domains import Domain, Numbers, Sets, Texts
from callgate.policy.exact import DECIMAL_DIGITS, LONG_MAX, LONG_MIN, Unrepresentable, convert
from callgate.policy.expressions import Chain
from callgate.policy.following import Document
from callgate.policy.shapes import DECIMAL, LONG, SCALARS, STRING, WITH_FIELDS, Kind, Shape

SCALE = 10**DECIMAL_DIGITS
MAX_OPTIONS = 256  # of an enum; longer ones are not used

_TEXT_FIELDS = ("json", "kind")
_SCALAR_STARTS: Mapping[Kind | None, Numbers | Texts] = {
    Kind.BOOL: Numbers(0, 1),
    Kind.LONG: Numbers(LONG_MIN, LONG_MAX),
    Kind.DECIMAL: Numbers(LONG_MIN, LONG_MAX),
    Kind.STRING: Texts(),
}


@dataclass(frozen=True, slots=True, eq=False)
class Leaf:
    """One place of the context. The same place of tools that look alike is one object."""

    path: Chain
    kind: Kind
    item_kind: Kind | None  # of a set
    gates: tuple[Chain, ...]  # the places on the way, this one included, that need not be there
    start: Domain | None  # None: its values are not told apart


class Leaves:
    """Makes the leaves of all tools, one object for all that are alike."""

    def __init__(self) -> None:
        self._known: dict[tuple[Json, ...], Leaf] = {}

    def of(self, context: Shape, limits: Limits, path: Chain) -> Leaf | None:
        """The place at a path; None where no context has it."""
        shape, gates, is_plain = context, [], path[:1] == ("input",)
        for depth, name in enumerate(path, 1):
            is_plain = is_plain and shape.kind is Kind.RECORD
            if shape.kind is Kind.TEXT and name in _TEXT_FIELDS:
                shape = STRING
                continue
            field = shape.fields.get(name) if shape.kind in WITH_FIELDS else None
            if field is None:
                return None
            shape = field.shape
            if not field.is_required:
                gates.append(path[:depth])
        item_kind = shape.items.kind if shape.kind is Kind.SET and shape.items else None
        start = _start(shape.kind, item_kind)
        if start is not None and is_plain:
            start = limits.cut(start, shape.kind, item_kind, path[1:])
        made = Leaf(
            path=path, kind=shape.kind, item_kind=item_kind, gates=tuple(gates), start=start
        )
        return self._known.setdefault((path, made.kind, item_kind, made.gates, start), made)


def _start(kind: Kind, item_kind: Kind | None) -> Domain | None:
    if kind is Kind.SET:
        return Sets(_SCALAR_STARTS[item_kind]) if item_kind in SCALARS else None
    return _SCALAR_STARTS.get(kind)


class Limits:
    """What a tool's input schema says of single arguments beyond their types.

    INVARIANT: a value that the gateway lets through keeps all that is said here: what may not hold
    in some draft, or behind a keyword that is not read here, is not used.
    """

    def __init__(self, schema: Json) -> None:
        self._document = Document(schema)

    def cut(self, start: Domain, kind: Kind, item_kind: Kind | None, path: Chain) -> Domain:
        """The values that the schema allows at a place; all of them where it allows none."""
        schema = self._document.top
        for name in path:
            schema = self._document.member(schema, name)
        if schema is None:
            return start
        if isinstance(start, Sets):
            items = self._document.items(schema)
            if items is None or item_kind is None:
                return start
            return start._replace(elements=_cut(start.elements, item_kind, items))
        return _cut(start, kind, schema)


def _cut(start: Numbers | Texts, kind: Kind, schema: Mapping[str, Json]) -> Numbers | Texts:
    """What is left; where that is nothing, all: a schema that nothing fits is no reason to hide."""
    found: Numbers | Texts | None = start
    for operator, operand in _tests(kind, schema):
        found = found.met(operator, operand) if found is not None else None
    return start if found is None else found


def _tests(kind: Kind, schema: Mapping[str, Json]) -> Iterable[tuple[str, object]]:
    options = schema.get("enum", [schema["const"]] if "const" in schema else None)
    if isinstance(options, list) and len(options) <= MAX_OPTIONS:
        yield "in", frozenset(_values(kind, options))
    if kind in (Kind.LONG, Kind.DECIMAL):
        yield from _bounds(kind, schema)


def _values(kind: Kind, options: Iterable[Json]) -> Iterable[int | str]:
    for option in options:
        value = scalar(kind, option)
        if value is not None:
            yield value


def scalar(kind: Kind, value: Json) -> int | str | None:
    """A JSON value as domains hold it; None where it has no exact form of this kind."""
    if kind is Kind.STRING:
        return value if isinstance(value, str) else None
    if kind is Kind.BOOL:
        return int(value) if isinstance(value, bool) else None
    try:
        made = convert(LONG if kind is Kind.LONG else DECIMAL, value, "")
    except Unrepresentable:
        return None
    return int(made) if kind is Kind.LONG else scaled(made)


def scaled(text: str) -> int:
    """Cedar's decimal in ten-thousandths."""
    return int(Decimal(text) * SCALE)


def _bounds(kind: Kind, schema: Mapping[str, Json]) -> Iterable[tuple[str, int]]:
    """Bounds in the units of the domain: rounded inwards, for nothing lies between."""
    unit = 1 if kind is Kind.LONG else SCALE
    for keyword in ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"):
        said = schema.get(keyword)
        if type(said) is not int and (type(said) is not float or not math.isfinite(said)):
            continue
        bound = Decimal(repr(said)) * unit
        if abs(bound) > LONG_MAX:
            continue
        is_low, is_open = keyword.endswith("inimum"), keyword.startswith("exclusive")
        whole = math.ceil(bound) if is_low else math.floor(bound)
        if is_open and whole == bound:
            whole += 1 if is_low else -1
        yield (">=" if is_low else "<="), whole
