"""The Cedar type of each place of a JSON document: shapes, and what of them policies reach."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum

import msgspec

from callgate.model import Value

RESERVED_KEYS = frozenset({"__entity", "__extn", "__expr"})  # Cedar's JSON escapes


class Kind(StrEnum):
    """What a JSON value is to policy."""

    STRING = "string"
    BOOL = "boolean"
    LONG = "integer"
    DECIMAL = "number"
    DATETIME = "datetime"
    IPADDR = "ipaddr"
    SET = "array"
    RECORD = "object"
    TEXT = "text"  # canonical JSON text and its JSON kind: what Cedar's types cannot hold
    UNION = "union"  # a record with one optional attribute per JSON kind


SCALARS = frozenset({Kind.STRING, Kind.BOOL, Kind.LONG, Kind.DECIMAL})
WITH_FIELDS = frozenset({Kind.RECORD, Kind.UNION})


class Shape(Value):
    """The Cedar type that one place of a JSON document has."""

    kind: Kind
    fields: dict[str, Field] = {}  # RECORD, UNION
    items: Shape | None = None  # SET; TEXT: what is in the array, where that is known
    is_partial: bool = False  # UNION: some alternatives were cut off; a value of them shows nothing


class Field(Value):
    """One attribute of a record."""

    shape: Shape
    is_required: bool = False
    is_nullable: bool = False


STRING = Shape(kind=Kind.STRING)
BOOL = Shape(kind=Kind.BOOL)
LONG = Shape(kind=Kind.LONG)
DECIMAL = Shape(kind=Kind.DECIMAL)
TEXT = Shape(kind=Kind.TEXT)
STRINGS = Shape(kind=Kind.SET, items=STRING)

FACT_SHAPES: Mapping[str, Shape] = {
    "string": STRING,
    "boolean": BOOL,
    "integer": LONG,
    "decimal": DECIMAL,
    "strings": STRINGS,
    "datetime": Shape(kind=Kind.DATETIME),
    "ip": Shape(kind=Kind.IPADDR),
}
"""The types that an interceptor may declare for the facts it adds."""


def record(**fields: Field) -> Shape:
    """A record shape."""
    return Shape(kind=Kind.RECORD, fields=fields)


def required(shape: Shape) -> Field:
    """A field that is always there."""
    return Field(shape=shape, is_required=True)


def optional(shape: Shape) -> Field:
    """A field that policies ask for with `has`."""
    return Field(shape=shape)


def cut(shape: Shape, chains: Iterable[tuple[str, ...]]) -> Shape:
    """The part of a record that attribute chains can reach; everything else is left out.

    Sound because a policy can only see what an attribute chain rooted at `context` names: a chain
    that ends at a record reads the whole of it (cedar.md §2.2 argues the same for scopes).
    """
    if shape.kind not in WITH_FIELDS:
        return shape
    heads: dict[str, list[tuple[str, ...]]] = {}
    for chain in chains:
        if not chain:
            return shape
        heads.setdefault(chain[0], []).append(chain[1:])
    fields = {
        name: msgspec.structs.replace(field, shape=cut(field.shape, heads[name]))
        for name, field in shape.fields.items()
        if name in heads
    }
    is_partial = shape.kind is Kind.UNION and len(fields) < len(shape.fields)
    return Shape(kind=shape.kind, fields=fields, is_partial=is_partial)
