"""Conditions for the partial evaluator, before all arguments are known: unknowns, and the time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain, combinations
from typing import Any

import cedarpy
from msgspec.structs import replace

from callgate.model import Json
from callgate.policy.context import convert, instant
from callgate.policy.expressions import chain_of
from callgate.policy.preview import parsed
from callgate.policy.schema import Kind, Shape
from callgate.policy.source import Policy

MAX_OPEN = 3  # optional arguments of unknown value: each is tried as absent and as present

_NOW = ("system", "now")


def timed(policies: Iterable[Policy], now: float) -> cedarpy.PolicySet:
    """A handle of the policies as they read at one time.

    The partial evaluator does not look past an unknown beside a datetime in the context, so that
    the time has to stand in the policies.
    """
    literal = {"datetime": [{"Value": instant(now)}]}
    return parsed(replace(policy, est=_at(policy.est, literal)) for policy in policies)


def _at(expression: Any, literal: Json) -> Any:
    """The expression with `context.system.now` replaced."""
    if isinstance(expression, list):
        return [_at(item, literal) for item in expression]
    if not isinstance(expression, dict):
        return expression
    if expression.keys() == {"."} and chain_of(expression) == _NOW:
        return literal
    if expression.keys() == {"has"} and chain_of(expression) in (_NOW[:1], _NOW):
        return {"Value": True}
    return {name: _at(item, literal) for name, item in expression.items()}


def with_unknowns(shape: Shape, known: Mapping[str, Json]) -> list[dict[str, Json]] | None:
    """All forms that arguments can have of which only some are known, as partial Cedar JSON.

    None where they are too many to try. Raises Unrepresentable.
    """
    fixed: dict[str, Json] = {}
    maybe: list[str] = []
    for name, field in shape.fields.items():
        if known.get(name) is not None and _is_plain(field.shape):
            fixed[name] = convert(field.shape, known[name], f"/input/{name}")
        elif field.is_required or known.get(name) is not None:
            fixed[name] = unknown(f"input.{name}")
        elif name not in known:
            maybe.append(name)
    if len(maybe) > MAX_OPEN:
        return None
    present = chain.from_iterable(combinations(maybe, n) for n in range(len(maybe) + 1))
    return [{**fixed, **{name: unknown(f"input.{name}") for name in names}} for names in present]


def _is_plain(shape: Shape) -> bool:
    """Whether the partial evaluator takes values of this shape: it reads no decimals."""
    inner = [field.shape for field in shape.fields.values()]
    inner += [shape.items] if shape.items is not None else []
    return shape.kind is not Kind.DECIMAL and all(_is_plain(item) for item in inner)


def unknown(name: str) -> Json:
    """A value that the evaluator leaves open."""
    return {"__extn": {"fn": "unknown", "arg": name}}
