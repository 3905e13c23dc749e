"""What a tool's input schema says of single arguments beyond their type: enums, bounds, lengths."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeAlias

from callgate.model import Json, Value
from callgate.policy.following import Document
from callgate.policy.schema import Kind, Shape

Number: TypeAlias = int | float


class Limits(Value):
    """Rules that every valid value keeps. What is not said here is not known, and not used."""

    options: tuple[Json, ...] | None = None  # enum, const
    minimum: Number | None = None
    above: Number | None = None  # exclusiveMinimum
    maximum: Number | None = None
    below: Number | None = None  # exclusiveMaximum
    step: int | None = None  # multipleOf, of whole numbers
    shortest: int | None = None  # code points
    longest: int | None = None
    fewest: int | None = None  # items
    kinds: tuple[str, ...] = ()  # JSON types; () where the schema names none


NONE = Limits()


class Node(Value):
    """A place in an input schema; `schema` is None where nothing is known of it."""

    document: Document
    schema: Mapping[str, Json] | None

    @classmethod
    def of(cls, schema: Mapping[str, Json]) -> Node:
        """The top of an input schema."""
        document = Document(schema)
        return cls(document=document, schema=document.top)

    def field(self, name: str) -> Node:
        """The place of a property."""
        return Node(document=self.document, schema=self.document.member(self.schema, name))

    def items(self) -> Node:
        """The place of the items of an array."""
        return Node(document=self.document, schema=self.document.items(self.schema))

    def required(self) -> frozenset[str]:
        """The properties that must be there."""
        needed = self.schema.get("required") if self.schema is not None else None
        names = needed if isinstance(needed, list) else []
        return frozenset(name for name in names if isinstance(name, str))

    def takes_undeclared(self) -> bool:
        """Whether an object may have properties that the schema does not declare."""
        schema = self.schema
        if schema is None or "patternProperties" in schema:
            return True
        return schema.get("additionalProperties") is not False

    def limits(self) -> Limits:
        """What the schema says of the values at this place."""
        return NONE if self.schema is None else _limits(self.schema)


NOWHERE = Node(document=Document(None), schema=None)
"""A place of which no schema says anything."""


def limits_along(shape: Shape, node: Node) -> Iterator[tuple[tuple[str, ...], Limits]]:
    """All limits of a shape's places, with their paths: two tools alike in these are alike."""
    found = node.limits()
    if found != NONE:
        yield (), found
    if shape.kind is Kind.RECORD:
        for name, field in shape.fields.items():
            for path, limits in limits_along(field.shape, node.field(name)):
                yield (name, *path), limits
    elif shape.kind is Kind.SET and shape.items is not None:
        for path, limits in limits_along(shape.items, node.items()):
            yield ("[]", *path), limits


def _limits(schema: Mapping[str, Json]) -> Limits:
    options = schema.get("enum", [schema["const"]] if "const" in schema else None)
    step = schema.get("multipleOf")
    kinds = schema.get("type", ())
    return Limits(
        options=tuple(options) if isinstance(options, list) else None,
        minimum=_number(schema.get("minimum")),
        above=_number(schema.get("exclusiveMinimum")),
        maximum=_number(schema.get("maximum")),
        below=_number(schema.get("exclusiveMaximum")),
        step=step if type(step) is int and step > 0 else None,
        shortest=_count(schema.get("minLength")),
        longest=_count(schema.get("maxLength")),
        fewest=_count(schema.get("minItems")),
        kinds=_kinds(kinds),
    )


def _kinds(named: Json) -> tuple[str, ...]:
    names = [named] if isinstance(named, str) else named
    if not isinstance(names, list):
        return ()
    return tuple(name for name in names if isinstance(name, str) and name != "null")


def _number(value: Json) -> Number | None:
    return value if type(value) is int or type(value) is float else None


def _count(value: Json) -> int | None:
    return value if type(value) is int and value > 0 else None
