"""A tool's input schema met with a narrower one: never looser, in the words models read best."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from callgate.model import Json
from callgate.protocol.jsonrpc import encode

Schema = Mapping[str, Json]

_TIGHTER: Mapping[str, Callable[[Json, Json], Json]] = {
    "minimum": max,
    "exclusiveMinimum": max,
    "minItems": max,
    "maximum": min,
    "exclusiveMaximum": min,
    "maxItems": min,
}
_TOLD = frozenset({"title", "description"})  # what readers of a schema look for beside a reference
_OF_OBJECTS = frozenset({"properties", "required"})


def narrowed(schema: Schema, more: Schema) -> dict[str, Json]:
    """The schema of an object, with what `more` says of its properties.

    INVARIANT: what the result takes, both take. Properties that the schema does not declare are
    left as they are: to declare one could let in what was kept out.
    """
    made = dict(schema)
    declared = schema.get("properties")
    if "$ref" in schema or not isinstance(declared, Mapping):
        return made
    properties = dict(declared)
    for name, what in more.get("properties", {}).items():
        if name in properties:
            properties[name] = met(properties[name], what)
    made["properties"] = properties
    needed = schema.get("required")
    known = needed if isinstance(needed, list) else []
    required = [*known, *(name for name in more.get("required", ()) if name not in known)]
    if required:
        made["required"] = required
    return made


def met(own: Json, more: Schema) -> Json:
    """The schema of one property, met with what is said of it."""
    if own is True:
        return dict(more)
    if not isinstance(own, Mapping):
        return own
    if "$ref" in own:
        told = {key: own[key] for key in own if key in _TOLD or key.startswith("x-")}
        return {**told, "allOf": [dict(own), dict(more)]}
    inner = {keyword: value for keyword, value in more.items() if keyword in _OF_OBJECTS}
    made = narrowed(own, inner) if inner else dict(own)
    beside = [
        {keyword: value}
        for keyword, value in more.items()
        if keyword not in inner and not _takes(made, keyword, value)
    ]
    if beside:
        others = own.get("allOf")
        made["allOf"] = [*(others if isinstance(others, list) else ()), *beside]
    return made


def _takes(made: dict[str, Json], keyword: str, value: Json) -> bool:
    """Puts a keyword where it says the same beside the others. False where it must stand apart."""
    if keyword not in made:
        made[keyword] = value
        return True
    own = made[keyword]
    if keyword in _TIGHTER and _is_number(own) and _is_number(value):
        made[keyword] = _TIGHTER[keyword](own, value)
        return True
    if keyword == "enum" and isinstance(own, list):
        both = [option for option in own if any(_is_same(option, other) for other in value)]
        if both:
            made[keyword] = both
        return bool(both)
    if keyword == "items" and isinstance(own, Mapping):
        made[keyword] = met(own, value)
        return True
    return _is_same(own, value)


def _is_number(value: Json) -> bool:
    return type(value) is int or type(value) is float


def _is_same(one: Json, other: Json) -> bool:
    """As JSON Schema compares: 1 is 1.0, and neither is true."""
    if _is_number(one) and _is_number(other):
        return bool(one == other)
    return encode(one) == encode(other)
