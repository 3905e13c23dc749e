"""JSON Schemas as servers write them, and values that they let through."""

from __future__ import annotations

import re
from collections.abc import Sequence
from random import Random
from typing import Any, Protocol, TypeVar

Json = Any
T = TypeVar("T")

ODD_NAMES = (
    *("a", "b", "kind", "x-y", "a.b", "if", "in", "has space", "String", "1st", 'quo"te', "nul\0"),
    *("__cedar", "type", "id", "json", "string", "length", "ünï", "\\", "", "\U0001f600", "$ref"),
)
TEXTS = ("", "a", 'q"\\', "/data/../x", "https://a.example.com/p", "ada@example.com", "é\0\n")
PATTERNED = (
    *("https://a.example.com/p", "a0b1", "PROJ", "PROJ-7", "192.0.2.7", "192.0.2.0/24", "a" * 24),
    *("2026-01-31", "2026-01-31T10:00:00Z", "2026-01-31to2026-02-01", "a.example.com", "=A1"),
    *("SlicerStyleLight1", "123e4567-e89b-42d3-a456-426614174000"),
)
"""Texts of which one fits each pattern of the real servers."""
MAX_DEPTH = 6


class Chooser(Protocol):
    """Decides what a schema leaves open."""

    def pick(self, options: Sequence[T]) -> T:
        """One of them."""

    def wants(self) -> bool:
        """Whether what is optional is there."""


class First:
    """Always the first option; everything optional is there, or nothing."""

    def __init__(self, *, is_full: bool) -> None:
        self._is_full = is_full

    def pick(self, options: Sequence[T]) -> T:
        return options[0]

    def wants(self) -> bool:
        return self._is_full


class Thrown:
    """Dice decide."""

    def __init__(self, dice: Random) -> None:
        self._dice = dice

    def pick(self, options: Sequence[T]) -> T:
        return self._dice.choice(options)

    def wants(self) -> bool:
        return self._dice.random() < 0.7


def value_of(schema: Json, root: Json, chooser: Chooser, depth: int = 0) -> Json:
    """A value for a schema: as a rule it is let through, which is for the caller to check."""
    if not isinstance(schema, dict) or depth > 2 * MAX_DEPTH:
        return chooser.pick(("any", 7, None, [True], {"k": 1.5}))
    schema = _flat(schema, root, chooser, depth)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return chooser.pick(schema["enum"])
    kind = schema.get("type")
    kind = chooser.pick(kind) if isinstance(kind, list) else kind
    if kind is None:
        kind = "object" if "properties" in schema else "array" if "items" in schema else None
    if kind == "object":
        return _object(schema, root, chooser, depth)
    if kind == "array":
        return _array(schema, root, chooser, depth)
    return _plain(kind, schema, chooser)


def _flat(schema: dict[str, Json], root: Json, chooser: Chooser, depth: int) -> dict[str, Json]:
    """The schema without references and combinations: one of the options, all of what must hold."""
    for _ in range(10):
        parts: list[Json] = list(schema.get("allOf", ()))
        for keyword in ("anyOf", "oneOf"):
            if schema.get(keyword):
                parts.append(chooser.pick(schema[keyword][: 1 if depth > MAX_DEPTH else None]))
        if "$ref" in schema:
            parts.append(_target(schema["$ref"], root))
        if not parts:
            return schema
        mixed = {k: v for k, v in schema.items() if k not in ("allOf", "anyOf", "oneOf", "$ref")}
        for part in parts:
            mixed = _mixed(mixed, part if isinstance(part, dict) else {})
        schema = mixed
    return {k: v for k, v in schema.items() if k not in ("allOf", "anyOf", "oneOf", "$ref")}


def _mixed(one: dict[str, Json], other: dict[str, Json]) -> dict[str, Json]:
    properties = dict(one.get("properties", {}))
    for name, part in other.get("properties", {}).items():
        properties[name] = {"allOf": [properties[name], part]} if name in properties else part
    mixed = {**one, **other, "allOf": [*one.get("allOf", ()), *other.get("allOf", ())]}
    if properties:
        mixed["properties"] = properties
    mixed["required"] = [*one.get("required", ()), *other.get("required", ())]
    return {k: v for k, v in mixed.items() if v != [] or k == "enum"}


def _target(reference: str, root: Json) -> Json:
    node = root
    for step in reference.removeprefix("#").split("/")[1:]:
        step = step.replace("~1", "/").replace("~0", "~")
        node = node[int(step)] if isinstance(node, list) else node[step]
    return node


def _object(schema: dict[str, Json], root: Json, chooser: Chooser, depth: int) -> dict[str, Json]:
    made = {}
    needed = schema.get("required", ())
    for name, part in schema.get("properties", {}).items():
        if name in needed or (depth <= MAX_DEPTH and part is not False and chooser.wants()):
            made[name] = value_of(part, root, chooser, depth + 1)
    for name in needed:
        if name not in made:
            made[name] = value_of(schema.get("additionalProperties"), root, chooser, depth + 1)
    more = schema.get("additionalProperties")
    if more is not False and depth <= MAX_DEPTH and chooser.wants():
        made.setdefault("more", value_of(more, root, chooser, depth + 1))
    return made


def _array(schema: dict[str, Json], root: Json, chooser: Chooser, depth: int) -> list[Json]:
    first = schema.get("prefixItems", ())
    made = [value_of(part, root, chooser, depth + 1) for part in first]
    items = schema.get("items")
    most = schema.get("maxItems", 3)
    while items is not False and len(made) < most:
        if len(made) >= schema.get("minItems", 0) and (depth > MAX_DEPTH or not chooser.wants()):
            break
        made.append(value_of(items, root, chooser, depth + 1))
    return made


def _plain(kind: str | None, schema: dict[str, Json], chooser: Chooser) -> Json:
    if kind == "string":
        return _text(schema, chooser)
    if kind == "boolean":
        return chooser.pick((True, False))
    if kind in ("integer", "number"):
        low = schema.get("minimum", schema.get("exclusiveMinimum", -2) + 1)
        options: list[Json] = [low, low + 1, float(low)]
        if kind == "number":
            options += [low + 0.5, low + 1e-4, low + 1e-9]
        if "minimum" not in schema and "exclusiveMinimum" not in schema:
            options += [2**53, -(2**63), 2**63, 1e15, -0.0]
        return chooser.pick(options)
    if kind == "null":
        return None
    return value_of(None, None, chooser)


def _text(schema: dict[str, Json], chooser: Chooser) -> str:
    if "pattern" in schema or "format" in schema:
        pattern = re.compile(schema.get("pattern", r".+://"))
        least, most = schema.get("minLength", 0), schema.get("maxLength", 1 << 20)
        return next(t for t in PATTERNED if pattern.search(t) and least <= len(t) <= most)
    text = chooser.pick(TEXTS) if "minLength" not in schema else "x" * schema["minLength"]
    return text[: schema.get("maxLength")]


class Maker:
    """Makes input schemas: references, recursion, unions, maps, odd names, what nobody means.

    Closed ones have no objects with undeclared keys, and no conditions: every value has a type.
    """

    def __init__(self, dice: Random, *, is_closed: bool = False) -> None:
        self._dice = dice
        self._is_closed = is_closed

    def schema(self) -> dict[str, Json]:
        definitions = {f"d{n}": self._part(2) for n in range(3)}
        return {**self._object(3), "$defs": definitions}

    def _part(self, depth: int) -> Json:
        if depth == 0 or self._dice.random() < 0.3:
            return self._leaf()
        makers = [self._object, self._object, self._array, self._combined, self._combined]
        makers += [self._allowing, self._tuple] + ([] if self._is_closed else [self._conditional])
        return self._dice.choice(makers)(depth)

    def _several(self, depth: int) -> list[Json]:
        return [self._part(depth - 1) for _ in range(self._dice.randint(1, 3))]

    def _leaf(self) -> Json:
        dice = self._dice
        kinds = ("string", "integer", "number", "boolean", "null", "array", "object")
        return dice.choice(
            (
                {"type": dice.choice(kinds)},
                {"type": dice.choice(kinds[:4])},
                {"type": dice.sample(kinds, 2)},
                {"$ref": dice.choice(("#/$defs/d0", "#/$defs/d1", "#/$defs/d2", "#"))},
                {"enum": dice.sample(CONSTANTS, 3)},
                {"type": ["string", "null"], "enum": ["a", None]},
                {"const": dice.choice(CONSTANTS)},
                {"type": "integer", "minimum": 1},
                dice.choice((True, {}, False)),
            )
        )

    def _object(self, depth: int) -> dict[str, Json]:
        dice = self._dice
        names = dice.sample((*ODD_NAMES, *("a", "b", "c") * 6), dice.randint(0, 4))
        made: dict[str, Json] = {"type": "object"} if self._is_closed or dice.random() < 0.8 else {}
        made["properties"] = {name: self._part(depth - 1) for name in names}
        made["required"] = [name for name in made["properties"] if dice.random() < 0.4]
        more = dice.choice((None, True, False, {"type": "string"}))
        if self._is_closed or more is False:
            made["additionalProperties"] = False
        elif more is not None:
            made["additionalProperties"] = more
        return made

    def _array(self, depth: int) -> dict[str, Json]:
        return {"type": "array", "items": self._part(depth - 1)}

    def _tuple(self, depth: int) -> dict[str, Json]:
        return {"type": "array", "prefixItems": self._several(depth), "items": self._leaf()}

    def _combined(self, depth: int) -> dict[str, Json]:
        own = self._leaf() if self._dice.random() < 0.2 else {}
        own = own if isinstance(own, dict) else {}
        keyword = self._dice.choice(("anyOf", "anyOf", "oneOf", "allOf"))
        return {**own, keyword: self._several(depth)}

    def _allowing(self, depth: int) -> dict[str, Json]:
        """An object or array that says more in another place."""
        return {
            **self._dice.choice((self._object, self._array))(depth),
            "anyOf": self._several(depth),
        }

    def _conditional(self, depth: int) -> dict[str, Json]:
        keyword = self._dice.choice(("then", "dependentSchemas", "additionalProperties"))
        part = self._part(depth - 1)
        if keyword == "additionalProperties":
            return {"type": "object", keyword: part}
        more = {"if": self._part(1), "then": part} if keyword == "then" else {keyword: {"a": part}}
        return {**self._object(depth), **more}


CONSTANTS = (None, True, 1, 1.5, 2.0, "a", "", [1, "a"], {"a": 1}, 2**63)
