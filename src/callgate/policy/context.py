"""One call's arguments and facts → the Cedar context: each value exact, or the call refused."""

from __future__ import annotations

from collections.abc import Mapping

from callgate.model import Json, Value
from callgate.policy.derived import derive
from callgate.policy.exact import Unrepresentable, alternative, convert, instant, kind_of
from callgate.policy.shapes import Kind, Shape

__all__ = ["Census", "Unrepresentable", "build", "census", "convert", "instant", "kind_of"]


class Census(Value):
    """What the typed context cannot show: nulls and undeclared keys, as dotted paths.

    `items[].x` is the field `x` of one of the items, named once.
    """

    nulls: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()


def build(
    shape: Shape,
    full_input: Shape,
    arguments: dict[str, Json],
    enriched: Mapping[str, Mapping[str, Json]],
    now: float,
) -> dict[str, Json]:
    """The context as Cedar JSON, holding just what `shape` (a cut context shape) holds."""
    context: dict[str, Json] = {}
    for name, field in shape.fields.items():
        if name == "input":
            context[name] = convert(field.shape, arguments, "/input")
        elif name == "derived":
            context[name] = derive(field.shape, full_input, arguments, "/input")
        elif name == "meta":
            found = census(full_input, arguments)
            facts = {"nulls": found.nulls, "extra": found.extra}
            context[name] = {key: facts[key] for key in field.shape.fields}
        elif name == "system":
            context[name] = {key: instant(now) for key in field.shape.fields}
        else:
            context[name] = {
                source: convert(of.shape, enriched.get(source, {}), f"/enriched/{source}")
                for source, of in field.shape.fields.items()
            }
    return context


def census(shape: Shape, value: Json, path: str = "") -> Census:
    """The nulls and undeclared keys in an argument object, as dotted paths."""
    nulls: dict[str, None] = {}
    extra: dict[str, None] = {}
    _count(shape, value, path, nulls, extra)
    return Census(nulls=tuple(nulls), extra=tuple(extra))


def _count(
    shape: Shape, value: Json, path: str, nulls: dict[str, None], extra: dict[str, None]
) -> None:
    if value is None:
        nulls[path] = None
    elif shape.kind is Kind.UNION:
        field = shape.fields.get(alternative(shape, value))
        if field is not None:
            _count(field.shape, value, path, nulls, extra)
    elif shape.kind is Kind.TEXT and shape.items is not None and isinstance(value, list):
        for item in value:
            _count(shape.items, item, f"{path}[]", nulls, extra)
    elif shape.kind is Kind.RECORD and isinstance(value, dict):
        for name, item in value.items():
            at = f"{path}.{name}" if path else name
            declared = shape.fields.get(name)
            if declared is None:
                extra[at] = None
            else:
                _count(declared.shape, item, at, nulls, extra)
