"""What policies read of the context without its levels: Cedar takes a flat record in sooner."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from msgspec import UNSET

from callgate.model import Json
from callgate.policy.context import Unrepresentable, build
from callgate.policy.exact import LONG_MAX, LONG_MIN, convert
from callgate.policy.expressions import Chain, Expression, chain_of, operands_of, rebuilt
from callgate.policy.shapes import Field, Kind, Shape

_PLAIN = {Kind.STRING: str, Kind.BOOL: bool, Kind.LONG: int}  # what policies see as it came


class Attribute(NamedTuple):
    """One attribute of a record that is gone."""

    name: str
    at: str  # its name at the top
    plain: type[Any] | None
    shape: Shape
    is_nullable: bool
    is_required: bool


@dataclass(frozen=True, slots=True)
class Level:
    """A record that is always there and never read whole: what is in it stands at the top."""

    attributes: tuple[Attribute, ...]
    levels: tuple[tuple[str, Level], ...]

    def lift(self, record: Json, into: dict[str, Json]) -> bool:
        """Puts a record, as it is converted, at the top. False where it is not there."""
        if type(record) is not dict:
            return False
        for one in self.attributes:
            if one.name in record:
                into[one.at] = record[one.name]
        return all(level.lift(record.get(name), into) for name, level in self.levels)

    def read(self, record: Json, into: dict[str, Json]) -> bool:
        """Converts a record on its way to the top, as `convert` does. False where it is not there,
        or not whole. Raises Unrepresentable.
        """
        if type(record) is not dict:
            return False
        for name, at, plain, shape, is_nullable, is_required in self.attributes:
            value = record.get(name, UNSET)
            if type(value) is plain and (plain is not int or LONG_MIN <= value <= LONG_MAX):
                into[at] = value
            elif value is not UNSET and not (value is None and is_nullable):
                into[at] = convert(shape, value, name)
            elif is_required:
                return False
        levels = self.levels
        return not levels or all(level.read(record.get(name), into) for name, level in levels)

    @property
    def is_plain(self) -> bool:
        """Whether all that can be in it is read as it came."""
        return all(one.plain is not None for one in self.attributes) and all(
            level.is_plain for _, level in self.levels
        )


class Flattening:
    """A context without its levels, from a call."""

    def __init__(self, context: Shape, records: frozenset[Chain]) -> None:
        self._is_flat = () in records
        levels = dict(level(context, records).levels)
        self._input = levels.pop("input", None)
        self._enriched = levels.pop("enriched", None)
        known = {"input": self._input, "enriched": self._enriched}
        fields = {name: of for name, of in context.fields.items() if known.get(name) is None}
        self._rest = Shape(kind=context.kind, fields=fields)
        self._lifting = level(self._rest, records)
        self.is_plain = not fields and self._enriched is None and self._is_plain_input()
        """Whether what is read holds texts, integers and truth values alone, of the types and under
        the names that the schema has, and all that it requires."""

    def read(
        self,
        full_input: Shape,
        arguments: dict[str, Json],
        enriched: Mapping[str, Mapping[str, Json]],
        now: float,
    ) -> dict[str, Json] | None:
        """What `build` makes of the same, without levels; None where that is for `build` to say."""
        if not self._is_flat:
            return None
        into: dict[str, Json] = {}
        try:
            if self._input is not None and not self._input.read(arguments, into):
                return None
            if self._enriched is not None and not self._read(self._enriched, enriched, into):
                return None
            if self._rest.fields:
                built = build(self._rest, full_input, arguments, enriched, now)
                if not self._lifting.lift(built, into):
                    return None
        except Unrepresentable:
            return None
        return into

    def _is_plain_input(self) -> bool:
        return self._is_flat and (self._input is None or self._input.is_plain)

    def _read(
        self, level: Level, enriched: Mapping[str, Mapping[str, Json]], into: dict[str, Json]
    ) -> bool:
        """Of what no interceptor said anything, nothing is known."""
        for one in level.attributes:
            into[one.at] = convert(one.shape, enriched.get(one.name, {}), one.name)
        return all(of.read(enriched.get(name, {}), into) for name, of in level.levels)


def hoisted(context: Shape, chains: Collection[Chain]) -> frozenset[Chain]:
    """The records of a context that can go: required, and of which chains read attributes only.

    INVARIANT: what is in a record that goes is read by its whole path or not at all.
    """
    return frozenset(() if () in chains else _hoisted(context, frozenset(chains), ()))


def _hoisted(shape: Shape, chains: frozenset[Chain], path: Chain) -> Iterator[Chain]:
    yield path
    for name, field in shape.fields.items():
        below = (*path, name)
        if field.is_required and field.shape.kind is Kind.RECORD and below not in chains:
            yield from _hoisted(field.shape, chains, below)


def level(context: Shape, records: frozenset[Chain], path: Chain = ()) -> Level:
    """Where everything in a context goes."""
    levels = {name: (*path, name) for name in context.fields if (*path, name) in records}
    return Level(
        attributes=tuple(
            Attribute(
                name=name,
                at=_name((*path, name)),
                plain=_PLAIN.get(field.shape.kind),
                shape=field.shape,
                is_nullable=field.is_nullable,
                is_required=field.is_required,
            )
            for name, field in context.fields.items()
            if name not in levels
        ),
        levels=tuple(
            (name, level(context.fields[name].shape, records, below))
            for name, below in levels.items()
        ),
    )


def flat(context: Shape, records: frozenset[Chain]) -> Shape:
    """The shape of a context without these records."""
    return Shape(kind=Kind.RECORD, fields=dict(_fields(context, records, ())))


def _fields(shape: Shape, records: frozenset[Chain], path: Chain) -> Iterator[tuple[str, Field]]:
    for name, field in shape.fields.items():
        below = (*path, name)
        if below in records:
            yield from _fields(field.shape, records, below)
        else:
            yield _name(below), field


def raised(expression: Expression, records: frozenset[Chain]) -> Expression:
    """The same of a context without these records."""

    def change(one: Expression) -> Expression | None:
        chain = chain_of(one)
        if not chain or chain[:-1] not in records:
            return None
        return {next(iter(one)): {"left": {"Var": "context"}, "attr": _name(chain)}}

    return rebuilt(expression, operands_of, change)


def _name(chain: Chain) -> str:
    """Another one for every chain, whatever its attributes are called."""
    return ".".join(name.replace("\\", "\\\\").replace(".", "\\.") for name in chain)
