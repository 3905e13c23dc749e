"""Tools' JSON Schemas → typed shapes → Cedar schemas, so that policies are typed by the tools."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum

import msgspec

from callgate.model import Json, Tool, Value
from callgate.policy.names import Names

RESERVED_KEYS = frozenset({"__entity", "__extn", "__expr"})  # Cedar's JSON escapes
MAX_NESTING = 16  # deeper schema levels become canonical JSON text


class Kind(StrEnum):
    """What a JSON value is to policy."""

    STRING = "string"
    BOOL = "boolean"
    LONG = "integer"
    DECIMAL = "number"
    DATETIME = "datetime"
    SET = "array"
    RECORD = "object"
    TEXT = "text"  # canonical JSON text and its JSON kind: what Cedar's types cannot hold
    UNION = "union"  # a record with one optional attribute per JSON kind


SCALARS = frozenset({Kind.STRING, Kind.BOOL, Kind.LONG, Kind.DECIMAL})


class Shape(Value):
    """The Cedar type that one place of a JSON document has."""

    kind: Kind
    fields: dict[str, Field] = {}  # RECORD, UNION
    items: Shape | None = None  # SET


class Field(Value):
    """One attribute of a record."""

    shape: Shape
    is_required: bool = False
    is_nullable: bool = False


STRING = Shape(kind=Kind.STRING)
TEXT = Shape(kind=Kind.TEXT)
STRINGS = Shape(kind=Kind.SET, items=STRING)

_SCALAR_OF = {
    "string": STRING,
    "boolean": Shape(kind=Kind.BOOL),
    "integer": Shape(kind=Kind.LONG),
    "number": Shape(kind=Kind.DECIMAL),
}
FACT_SHAPES: Mapping[str, Shape] = {
    "string": STRING,
    "boolean": _SCALAR_OF["boolean"],
    "integer": _SCALAR_OF["integer"],
    "decimal": _SCALAR_OF["number"],
}
"""The types that an interceptor may declare for the facts it adds."""


def record(**fields: Field) -> Shape:
    """A record shape."""
    return Shape(kind=Kind.RECORD, fields=fields)


def required(shape: Shape) -> Field:
    """A field that is always there."""
    return Field(shape=shape, is_required=True)


def input_shape(schema: Mapping[str, Json]) -> Shape:
    """The shape of a tool's arguments. Always a record; what cannot be typed is TEXT."""
    return _object(schema, _Reader(schema), 0)


class _Reader:
    """Resolves local references of one schema document, each at most once on the way down."""

    def __init__(self, root: Mapping[str, Json]) -> None:
        self._root = root
        self._open: list[str] = []

    def shape(self, schema: Json, depth: int) -> tuple[Shape, bool]:
        """The shape of a subschema, and whether null is allowed beside it."""
        if not isinstance(schema, Mapping) or depth > MAX_NESTING:
            return TEXT, False
        if "$ref" in schema:
            return self._reference(schema["$ref"], depth)
        all_of = schema.get("allOf")
        if isinstance(all_of, list) and len(all_of) == 1 and "type" not in schema:
            return self.shape(all_of[0], depth + 1)
        if all_of is not None:
            return TEXT, False
        options = schema.get("anyOf", schema.get("oneOf"))
        if isinstance(options, list) and "type" not in schema:
            return self._union([self.shape(option, depth + 1) for option in options])
        return self._typed(schema, depth)

    def _reference(self, reference: Json, depth: int) -> tuple[Shape, bool]:
        if (
            not isinstance(reference, str)
            or not reference.startswith("#")
            or reference in self._open
        ):
            return TEXT, False  # recursive, remote or malformed
        target: Json = self._root
        for part in reference[1:].split("/")[1:]:
            key = part.replace("~1", "/").replace("~0", "~")
            target = target.get(key) if isinstance(target, Mapping) else None
        self._open.append(reference)
        try:
            return self.shape(target, depth + 1)
        finally:
            self._open.pop()

    def _typed(self, schema: Mapping[str, Json], depth: int) -> tuple[Shape, bool]:
        types = schema.get("type")
        if "enum" in schema or "const" in schema:
            return _enumerated(schema)
        if types is None:
            types = "object" if "properties" in schema else "array" if "items" in schema else None
        if isinstance(types, str):
            return (NULL, True) if types == "null" else (self._plain(types, schema, depth), False)
        if isinstance(types, list):
            return self._union(
                [
                    (NULL, True) if name == "null" else (self._plain(name, schema, depth), False)
                    for name in types
                ]
            )
        return TEXT, False

    def _plain(self, name: Json, schema: Mapping[str, Json], depth: int) -> Shape:
        if name == "object":
            if "properties" not in schema and schema.get("additionalProperties") is not False:
                return TEXT  # a free map
            return _object(schema, self, depth)
        if name == "array":
            item, is_nullable = self.shape(schema.get("items"), depth + 1)
            is_set = item.kind in SCALARS and not is_nullable and "prefixItems" not in schema
            return Shape(kind=Kind.SET, items=item) if is_set else TEXT
        return _SCALAR_OF.get(name, TEXT) if isinstance(name, str) else TEXT

    def _union(self, options: list[tuple[Shape, bool]]) -> tuple[Shape, bool]:
        is_nullable = any(null for _, null in options)
        shapes = [shape for shape, _ in options if shape is not NULL]
        if not shapes:
            return NULL, True
        first = shapes[0]
        if all(shape == first for shape in shapes):
            return first, is_nullable
        if any(shape.kind in (Kind.TEXT, Kind.UNION) for shape in shapes):
            return TEXT, is_nullable
        fields: dict[str, Field] = {}
        for shape in shapes:
            known = fields.get(shape.kind.value)
            fields[shape.kind.value] = Field(
                shape=shape if known is None or known.shape == shape else TEXT
            )
        return Shape(kind=Kind.UNION, fields=fields), is_nullable


NULL = Shape(kind=Kind.TEXT, fields={"null": Field(shape=TEXT)})  # a place that is only ever null


def _object(schema: Mapping[str, Json], reader: _Reader, depth: int) -> Shape:
    properties = schema.get("properties")
    if not isinstance(properties, Mapping):
        properties = {}
    if RESERVED_KEYS & properties.keys():
        return TEXT if depth else Shape(kind=Kind.RECORD)
    needed = schema.get("required")
    needed = frozenset(needed) if isinstance(needed, list) else frozenset()
    fields: dict[str, Field] = {}
    for name, subschema in properties.items():
        shape, is_nullable = reader.shape(subschema, depth + 1)
        fields[name] = Field(
            shape=TEXT if shape is NULL else shape,
            is_required=name in needed and not is_nullable,
            is_nullable=is_nullable,
        )
    return Shape(kind=Kind.RECORD, fields=fields)


def _enumerated(schema: Mapping[str, Json]) -> tuple[Shape, bool]:
    values = schema.get("enum", [schema.get("const")])
    if not isinstance(values, list):
        return TEXT, False
    present = [value for value in values if value is not None]
    is_nullable = len(present) < len(values)
    for of_type, name in ((str, "string"), (bool, "boolean"), (int, "integer")):
        if present and all(type(value) is of_type for value in present):
            return _SCALAR_OF[name], is_nullable
    return TEXT, is_nullable


def context_shape(arguments: Shape, enrichments: Mapping[str, Mapping[str, str]]) -> Shape:
    """The whole context of a call: input, meta, system, enriched."""
    enriched = {
        name: required(
            Shape(
                kind=Kind.RECORD,
                fields={fact: Field(shape=FACT_SHAPES[of_type]) for fact, of_type in facts.items()},
            )
        )
        for name, facts in enrichments.items()
    }
    return record(
        input=required(arguments),
        meta=required(record(nulls=required(STRINGS), extra=required(STRINGS))),
        system=required(record(now=required(Shape(kind=Kind.DATETIME)))),
        enriched=required(Shape(kind=Kind.RECORD, fields=enriched)),
    )


def cut(shape: Shape, chains: Iterable[tuple[str, ...]]) -> Shape:
    """The part of a record that attribute chains can reach; everything else is left out.

    Sound because a policy can only see what an attribute chain rooted at `context` names: a chain
    that ends at a record reads the whole of it (cedar.md §2.2 argues the same for scopes).
    """
    if shape.kind is not Kind.RECORD:
        return shape
    heads: dict[str, list[tuple[str, ...]]] = {}
    for chain in chains:
        if not chain:
            return shape
        heads.setdefault(chain[0], []).append(chain[1:])
    return Shape(
        kind=Kind.RECORD,
        fields={
            name: msgspec.structs.replace(field, shape=cut(field.shape, heads[name]))
            for name, field in shape.fields.items()
            if name in heads
        },
    )


def cedar_type(shape: Shape) -> dict[str, Json]:
    """The type in Cedar's JSON schema format."""
    match shape.kind:
        case Kind.STRING:
            return {"type": "String"}
        case Kind.BOOL:
            return {"type": "Boolean"}
        case Kind.LONG:
            return {"type": "Long"}
        case Kind.DECIMAL:
            return {"type": "Extension", "name": "decimal"}
        case Kind.DATETIME:
            return {"type": "Extension", "name": "datetime"}
        case Kind.SET:
            return {"type": "Set", "element": cedar_type(shape.items or STRING)}
        case Kind.TEXT:
            return cedar_type(record(json=required(STRING), kind=required(STRING)))
        case _:
            attributes = {
                name: {**cedar_type(field.shape), "required": field.is_required}
                for name, field in shape.fields.items()
            }
            return {"type": "Record", "attributes": attributes}


def cedar_schema(
    names: Names, contexts: Iterable[tuple[Tool, Shape]], other_actions: Iterable[str] = ()
) -> dict[str, Json]:
    """A Cedar schema (JSON form) for some tools and the shapes of their contexts.

    `other_actions` are declared without applying to anything, so that a policy that also names
    actions not looked at here still type-checks.
    """
    actions: dict[str, Json] = {}
    for tool, shape in contexts:
        for action, groups in names.parents(tool).items():
            actions[action] = {"memberOf": [{"id": group} for group in groups]}
        actions[tool.qualified_name]["appliesTo"] = {
            "principalTypes": list(names.PRINCIPALS),
            "resourceTypes": [names.GATEWAY],
            "context": cedar_type(shape),
        }
    for action in other_actions:
        actions.setdefault(action, {})
    attributes = {
        "id": {"type": "String"},
        "issuer": {"type": "String"},
        "tenant": {"type": "String", "required": False},
        "agent": {"type": "String", "required": False},
    }
    principal = {
        "memberOfTypes": [names.GROUP],
        "shape": {"type": "Record", "attributes": attributes},
        "tags": {"type": "String"},
    }
    entity_types: dict[str, Json] = {name: principal for name in names.PRINCIPALS}
    entity_types[names.GROUP] = {"memberOfTypes": [names.GROUP]}
    entity_types[names.GATEWAY] = {}
    return {names.namespace: {"entityTypes": entity_types, "actions": actions}}
