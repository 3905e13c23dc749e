"""Shapes of what tools take → Cedar schemas, so that policies are typed by the tools."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from callgate.model import Json, Tool
from callgate.policy.derived import derived_shape
from callgate.policy.inference import MAX_NESTING, input_shape
from callgate.policy.names import Names
from callgate.policy.shapes import (
    FACT_SHAPES,
    RESERVED_KEYS,
    SCALARS,
    STRING,
    STRINGS,
    TEXT,
    Field,
    Kind,
    Shape,
    cut,
    record,
    required,
)

__all__ = [
    "FACT_SHAPES",
    "MAX_NESTING",
    "RESERVED_KEYS",
    "SCALARS",
    "STRING",
    "STRINGS",
    "TEXT",
    "Field",
    "Kind",
    "Shape",
    "cedar_schema",
    "cedar_type",
    "context_shape",
    "cut",
    "input_shape",
    "record",
    "required",
]


_PLAIN: Mapping[Kind, Mapping[str, Json]] = {
    Kind.STRING: {"type": "String"},
    Kind.BOOL: {"type": "Boolean"},
    Kind.LONG: {"type": "Long"},
    Kind.DECIMAL: {"type": "Extension", "name": "decimal"},
    Kind.DATETIME: {"type": "Extension", "name": "datetime"},
    Kind.IPADDR: {"type": "Extension", "name": "ipaddr"},
}

# The same for every tool, and there may be thousands of these.
_META = required(record(nulls=required(STRINGS), extra=required(STRINGS)))
_SYSTEM = required(record(now=required(FACT_SHAPES["datetime"])))
_NOT_ENRICHED = required(record())


def context_shape(arguments: Shape, enrichments: Mapping[str, Mapping[str, str]]) -> Shape:
    """The whole context of a call: input, derived, meta, system, enriched."""
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
        derived=required(derived_shape(arguments)),
        meta=_META,
        system=_SYSTEM,
        enriched=required(record(**enriched)) if enriched else _NOT_ENRICHED,
    )


def cedar_type(shape: Shape) -> dict[str, Json]:
    """The type in Cedar's JSON schema format."""
    plain = _PLAIN.get(shape.kind)
    if plain is not None:
        return dict(plain)
    match shape.kind:
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
