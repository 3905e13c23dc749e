"""JSON Schema → the shape of the values that it lets through, in bounded time for any schema."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from callgate.model import Json
from callgate.policy.possible import (
    ANYTHING,
    KINDS_OF,
    NOTHING,
    Possible,
    all_of,
    any_of,
    sometimes,
)
from callgate.policy.shapes import RESERVED_KEYS, SCALARS, STRING, TEXT, Field, Kind, Shape
from callgate.protocol.references import References, Unresolved

MAX_NESTING = 16  # deeper levels of a value are canonical JSON text
MAX_STEPS = 48  # from the root to a subschema: deeper ones tell no more than their type
MAX_NODES = 5_000  # subschemas, each as often as it is referred to: later ones tell no more either

_BEFORE_2019 = ("draft-03", "draft-04", "draft-06", "draft-07")  # nothing holds beside `$ref`
_OF_INNER = frozenset(
    {"properties", "required", "additionalProperties", "unevaluatedProperties"}
    | {"items", "prefixItems"}
)
_OF_PARTS = frozenset(
    {"$ref", "allOf", "anyOf", "oneOf", "then", "else", "dependentSchemas", "dependencies"}
)
_LIST_PER_NODE = 16  # items of a list that cost as much as a subschema
_MAX_SHALLOW_ITEMS = 64

_SCALAR_OF = {
    "string": STRING,
    "boolean": Shape(kind=Kind.BOOL),
    "integer": Shape(kind=Kind.LONG),
    "number": Shape(kind=Kind.DECIMAL),
}
_IN_ORDER = ("string", "boolean", "integer", "number", "array", "object")


def input_shape(schema: Mapping[str, Json]) -> Shape:
    """The shape of a tool's arguments. Always a record; what cannot be typed is TEXT."""
    possible = _Reader(dict(schema)).read()
    return _record_of(possible, frozenset((possible.fields or {}).keys() - RESERVED_KEYS))


class _Reader:
    """Reads one schema document, following its references."""

    def __init__(self, root: dict[str, Json]) -> None:
        self._root = root
        self._references = References(root)
        self._is_ref_alone = any(draft in str(root.get("$schema"))[:80] for draft in _BEFORE_2019)
        self._left = MAX_NODES
        self._open: set[int] = set()  # targets of references that lead here

    def read(self) -> Possible:
        return self._possible(self._root, 0, 0)

    def _possible(self, schema: Json, level: int, steps: int) -> Possible:
        """`level` counts how deep inside the value, `steps` how deep inside the schema."""
        if not isinstance(schema, dict):
            return NOTHING if schema is False else ANYTHING
        self._left -= 1
        if level > MAX_NESTING or steps > MAX_STEPS or self._left < 0:
            return _shallow(schema)
        if "$ref" in schema and self._is_ref_alone:
            return self._target(schema["$ref"], level, steps)
        own = self._own(schema, level, steps)
        if _OF_PARTS.isdisjoint(schema):
            return own
        return all_of([own, *self._parts(schema, level, steps)])

    def _parts(self, schema: dict[str, Json], level: int, steps: int) -> Iterator[Possible]:
        """What holds of the value besides, at the same time."""
        if "$ref" in schema:
            yield self._target(schema["$ref"], level, steps)
        yield from (self._possible(part, level, steps + 1) for part in _list(schema, "allOf"))
        for keyword in ("anyOf", "oneOf"):
            yield any_of(self._possible(o, level, steps + 1) for o in _list(schema, keyword))
        for keyword in ("then", "else"):
            yield sometimes(self._possible(schema.get(keyword), level, steps + 1))
        for keyword in ("dependentSchemas", "dependencies"):
            dependent = schema.get(keyword)
            for part in dependent.values() if isinstance(dependent, dict) else ():
                yield sometimes(self._possible(part, level, steps + 1))

    def _target(self, reference: Json, level: int, steps: int) -> Possible:
        try:
            target = self._references.find(reference)
        except Unresolved:
            return ANYTHING
        key = id(target)
        if key in self._open:
            return _shallow(target)  # recursion
        self._open.add(key)
        try:
            return self._possible(target, level, steps + 1)
        finally:
            self._open.discard(key)

    def _kinds(self, schema: dict[str, Json]) -> frozenset[str] | None:
        types = schema.get("type")
        self._left -= len(types) // _LIST_PER_NODE if isinstance(types, list) else 0
        kinds = _of_type(types)
        if "enum" not in schema and "const" not in schema:
            return kinds
        values = _list(schema, "enum") if "enum" in schema else [schema["const"]]
        self._left -= len(values) // _LIST_PER_NODE
        return _of_values(values) if kinds is None else kinds & _of_values(values)

    def _own(self, schema: dict[str, Json], level: int, steps: int) -> Possible:
        """What the schema says by itself."""
        kinds = self._kinds(schema)
        if _OF_INNER.isdisjoint(schema):
            return ANYTHING if kinds is None else Possible(kinds=kinds)
        properties, items = schema.get("properties"), schema.get("items")
        is_declared = isinstance(properties, dict)
        is_tuple = "prefixItems" in schema or isinstance(items, list)
        is_closed = "patternProperties" not in schema and (
            schema.get("additionalProperties") is False
            or schema.get("unevaluatedProperties") is False
        )
        needed = _list(schema, "required")
        self._left -= len(needed) // _LIST_PER_NODE
        return Possible(
            kinds=kinds,
            fields=self._fields(properties, level, steps) if is_declared or is_closed else None,
            required=frozenset(name for name in needed if isinstance(name, str)),
            is_closed=is_closed and "unevaluatedProperties" not in schema,
            items=None
            if is_tuple or "items" not in schema
            else self._possible(items, level + 1, steps + 1),
            is_tuple=is_tuple,
            meant="object" if is_declared else "array" if "items" in schema else None,
        )

    def _fields(self, properties: Json, level: int, steps: int) -> dict[str, Possible]:
        if not isinstance(properties, dict):
            return {}
        return {
            name: self._possible(part, level + 1, steps + 1) for name, part in properties.items()
        }


def _list(schema: dict[str, Json], keyword: str) -> list[Json]:
    value = schema.get(keyword)
    return value if isinstance(value, list) else []


def _of_type(types: Json) -> frozenset[str] | None:
    names = types if isinstance(types, list) else [types]
    if not names or not all(isinstance(name, str) and name in KINDS_OF for name in names):
        return None
    return frozenset().union(*(KINDS_OF[name] for name in names))


def _of_values(values: list[Json]) -> frozenset[str]:
    return frozenset(_kind_of(value) for value in values)


def _kind_of(value: Json) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int) or (isinstance(value, float) and value.is_integer()):
        return "integer"
    if isinstance(value, float):
        return "fraction"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"


def _shallow(schema: Json) -> Possible:
    """What a subschema says about its value by itself, without looking at what is in it."""
    if not isinstance(schema, dict):
        return NOTHING if schema is False else ANYTHING
    types = schema.get("type")
    if isinstance(types, list) and len(types) > _MAX_SHALLOW_ITEMS:
        return ANYTHING
    return Possible(kinds=_of_type(types))


def _shape(possible: Possible) -> tuple[Shape, bool]:
    """The shape of a place, and whether null is possible beside it."""
    kinds = possible.settled().kinds
    if kinds is None:
        return TEXT, False
    is_nullable = "null" in kinds
    names = kinds - {"null"}
    if "fraction" in names:
        names = names - {"fraction", "integer"} | {"number"}
    if not names:
        return TEXT, is_nullable
    shapes = {name: _plain(name, possible) for name in _IN_ORDER if name in names}
    if len(shapes) == 1:
        return next(iter(shapes.values())), is_nullable
    fields = {name: Field(shape=shape) for name, shape in shapes.items()}
    return Shape(kind=Kind.UNION, fields=fields), is_nullable


def _plain(name: str, possible: Possible) -> Shape:
    if name == "array":
        return _array_of(possible)
    if name != "object":
        return _SCALAR_OF[name]
    names = (possible.fields or {}).keys()
    if possible.fields is None or RESERVED_KEYS & names:
        return TEXT  # a free map
    return _record_of(possible, frozenset(names))


def _array_of(possible: Possible) -> Shape:
    if possible.is_tuple or possible.items is None:
        return TEXT
    item, is_nullable = _shape(possible.items)
    if item.kind in SCALARS and not is_nullable:
        return Shape(kind=Kind.SET, items=item)
    return TEXT if item == TEXT else Shape(kind=Kind.TEXT, items=item)


def _record_of(possible: Possible, names: frozenset[str]) -> Shape:
    fields: dict[str, Field] = {}
    for name, inner in (possible.fields or {}).items():
        if name in names:
            shape, is_nullable = _shape(inner)
            is_required = name in possible.required and not is_nullable
            fields[name] = Field(shape=shape, is_required=is_required, is_nullable=is_nullable)
    return Shape(kind=Kind.RECORD, fields=fields)
