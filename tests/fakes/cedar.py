"""What Cedar holds of a JSON value, told and asked without the code that put it there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import cedarpy
import msgspec

from callgate.policy.names import Names
from callgate.policy.schema import Kind, Shape, cedar_schema
from fakes.calls import a_tool

Json = Any
NAMES = Names()
TOOL = a_tool("t", "tool")


def decide(shape: Shape, context: Json, conditions: list[str]) -> list[str]:
    """Which conditions hold of a context of this shape, by Cedar with its schema.

    Each must pass strict validation. Without a context, only the schema is tried.
    """
    text = msgspec.json.encode(cedar_schema(NAMES, [(TOOL, shape)])).decode()
    schema = cedarpy.Schema.from_json_str(text)
    if context is None:
        return []
    policies = [f"permit(principal, action, resource) when {{ {c} }};" for c in conditions]
    checked = cedarpy.validate_policies("\n".join(policies), schema)
    assert checked.validation_passed, checked.errors
    answer = cedarpy.is_authorized(
        {
            "principal": 'Callgate::OAuthUser::"ada"',
            "action": 'Callgate::Action::"t___tool"',
            "resource": 'Callgate::Gateway::"main"',
            "context": msgspec.json.encode(context).decode(),
        },
        "\n".join(policies),
        "[]",
        schema=schema,
    )
    assert answer.decision is not cedarpy.Decision.NoDecision, answer.diagnostics.errors
    assert not answer.diagnostics.errors
    held = {int(name.removeprefix("policy")) for name in answer.diagnostics.reasons}
    return [condition for number, condition in enumerate(conditions) if number in held]


def quoted(text: str) -> str:
    """A Cedar string literal."""
    plain = (
        c if c.isascii() and c.isprintable() and c not in '"\\' else f"\\u{{{ord(c):x}}}"
        for c in text
    )
    return f'"{"".join(plain)}"'


def literal(shape: Shape, value: Json) -> str:
    """A Cedar literal of a scalar or a set of them."""
    if shape.kind is Kind.SET:
        assert shape.items is not None
        return f"[{', '.join(literal(shape.items, item) for item in value)}]"
    if shape.kind is Kind.DECIMAL:
        return f'decimal("{Decimal(repr(value)):.4f}")'
    if shape.kind is Kind.LONG:
        return str(int(value))
    return quoted(value) if isinstance(value, str) else str(value).lower()


def leaves(shape: Shape, value: Json, at: str) -> Iterator[str]:
    """For each place of a value that policies can read: a condition that only this value meets."""
    if shape.kind is Kind.RECORD:
        for name, field in shape.fields.items():
            inner = f"{at}[{quoted(name)}]"
            if name not in value or (value[name] is None and field.is_nullable):
                yield f"!({at} has {quoted(name)})"
            else:
                for condition in leaves(field.shape, value[name], inner):
                    yield f"{at} has {quoted(name)} && {condition}"
    elif shape.kind is Kind.UNION:
        name, inner_shape = _alternative(shape, value)
        for condition in leaves(inner_shape, value, f"{at}.{name}"):
            yield f"{at} has {name} && {condition}"
    elif shape.kind is Kind.TEXT:
        text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        yield f"{at}.json == {quoted(text)} && {at}.kind == {quoted(_kind(value))}"
    elif shape.kind is Kind.SET and not value:
        yield f"{at}.isEmpty()"
    else:
        yield f"{at} == {literal(shape, value)}"


def told(shape: Shape, held: Json) -> Json:
    """The JSON value that a context tells of: without nulls and undeclared keys, arrays as sets."""
    if shape.kind is Kind.RECORD:
        return {name: told(shape.fields[name].shape, item) for name, item in held.items()}
    if shape.kind is Kind.UNION:
        ((name, item),) = held.items()
        return told(shape.fields[name].shape, item)
    if shape.kind is Kind.TEXT:
        value = json.loads(held["json"])
        assert held["kind"] == _kind(value)
        return value
    if shape.kind is Kind.SET:
        assert shape.items is not None
        return [told(shape.items, item) for item in held]
    return float(held) if shape.kind is Kind.DECIMAL else held


def unseen(value: Json, seen: Json, path: str = "") -> Iterator[tuple[str, Json]]:
    """What of a value is not in what a context tells, by dotted path; what is must be equal."""
    if isinstance(value, dict) and isinstance(seen, dict):
        for name, item in value.items():
            at = f"{path}.{name}" if path else name
            if name in seen:
                yield from unseen(item, seen[name], at)
            else:
                yield at, item
    else:
        assert value == seen
        assert isinstance(value, bool) == isinstance(seen, bool)


def _alternative(shape: Shape, value: Json) -> tuple[str, Shape]:
    kind = _kind(value)
    kind = {"integer": "number"}.get(kind, kind) if kind not in shape.fields else kind
    if kind == "number" and kind not in shape.fields:
        kind = "integer"
    return kind, shape.fields[kind].shape


def _kind(value: Json) -> str:
    kinds = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array"}
    return "null" if value is None else kinds.get(type(value), "object")
