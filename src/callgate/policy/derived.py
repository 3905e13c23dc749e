"""Facts beside the raw arguments: sizes, paths, hosts, keys; computed where a policy reads them."""

from __future__ import annotations

from collections.abc import Collection

from callgate.model import Json
from callgate.policy.exact import Unrepresentable, alternative, canonical, convert, kind_of
from callgate.policy.readings import Facts, read
from callgate.policy.shapes import (
    BOOL,
    LONG,
    SCALARS,
    STRING,
    STRINGS,
    Field,
    Kind,
    Shape,
    optional,
    record,
    required,
)

MAX_READ_ITEMS = 1_000  # of a longer array, no hosts and domains are read

_IP = Shape(kind=Kind.IPADDR)
_INSTANT = Shape(kind=Kind.DATETIME)

STRING_FACTS = record(
    length=required(LONG),
    bytes=required(LONG),
    path=optional(STRING),
    is_absolute=required(BOOL),
    escapes=required(BOOL),
    has_backslash=required(BOOL),
    scheme=optional(STRING),
    host=optional(STRING),
    port=optional(LONG),
    domain=optional(STRING),
    ip=optional(_IP),
    url_path=optional(STRING),
    has_userinfo=required(BOOL),
    is_ambiguous=required(BOOL),
    address_local=optional(STRING),
    address_domain=optional(STRING),
    instant=optional(_INSTANT),
)
STRINGS_FACTS = record(
    count=required(LONG),
    common_path=optional(STRING),
    escapes=required(BOOL),
    hosts=optional(STRINGS),
    domains=optional(STRINGS),
)
SET_FACTS = record(count=required(LONG))
TEXT_FACTS = record(bytes=required(LONG), count=optional(LONG), keys=optional(STRINGS))


def derived_shape(shape: Shape) -> Shape:
    """The shape of the facts about a value: records and unions mirrored, facts at their leaves."""
    match shape.kind:
        case Kind.RECORD | Kind.UNION:
            fields = {
                name: Field(shape=facts, is_required=field.is_required)
                for name, field in shape.fields.items()
                if (facts := derived_shape(field.shape)).fields
            }
            return Shape(kind=Kind.RECORD, fields=fields)
        case Kind.STRING:
            return STRING_FACTS
        case Kind.SET:
            return STRINGS_FACTS if shape.items == STRING else SET_FACTS
        case Kind.TEXT:
            each = None if shape.items is None else _each_shape(shape.items)
            return TEXT_FACTS if each is None else record(**TEXT_FACTS.fields, each=optional(each))
        case _:
            return record()


def _each_shape(items: Shape) -> Shape | None:
    """Of what is in an array: for each plain place in it, the set of the values found there."""
    if items.kind in SCALARS:
        return Shape(kind=Kind.SET, items=items)
    if items.kind in (Kind.SET, Kind.TEXT):
        return None if items.items is None else _each_shape(items.items)
    fields = {
        name: required(each)
        for name, field in items.fields.items()
        if (each := _each_shape(field.shape)) is not None
    }
    return Shape(kind=Kind.RECORD, fields=fields) if fields else None


def derive(wanted: Shape, shape: Shape, value: Json, path: str) -> dict[str, Json]:
    """The facts about a value of `shape`, as far as `wanted`, a cut derived shape, holds them.

    Raises Unrepresentable where the value is none of this shape, or a fact has no exact form.
    """
    match shape.kind:
        case Kind.RECORD if isinstance(value, dict):
            return {
                name: derive(field.shape, shape.fields[name].shape, value[name], f"{path}/{name}")
                for name, field in wanted.fields.items()
                if name in value and not (value[name] is None and shape.fields[name].is_nullable)
            }
        case Kind.UNION:
            name = alternative(shape, value)
            if name not in shape.fields:
                given = f"{' or '.join(shape.fields)} expected, {kind_of(value)} given"
                raise Unrepresentable(path, given)
            if name not in wanted.fields:
                return {}
            return {name: derive(wanted.fields[name].shape, shape.fields[name].shape, value, path)}
        case Kind.STRING if isinstance(value, str):
            return read(value, wanted.fields)
        case Kind.SET if isinstance(value, list):
            return _of_set(value, wanted.fields)
        case Kind.TEXT:
            return _of_text(wanted, shape, value, path)
    raise Unrepresentable(path, f"{shape.kind.value} expected, {kind_of(value)} given")


def _of_set(items: list[Json], wanted: Collection[str]) -> Facts:
    made: Facts = {"count": len(items)} if "count" in wanted else {}
    texts = [item for item in items if isinstance(item, str)]
    if "common_path" in wanted or "escapes" in wanted:
        paths = [read(text, ("path", "is_absolute", "escapes")) for text in texts]
        if "escapes" in wanted:
            made["escapes"] = any(facts.get("escapes", False) for facts in paths)
        common = _common_path(paths)
        if "common_path" in wanted and common is not None:
            made["common_path"] = common
    for name in ("host", "domain"):
        if f"{name}s" in wanted and len(texts) <= MAX_READ_ITEMS:
            found = [read(text, (name,)).get(name) for text in texts]
            if None not in found:  # else a set of some would look as if it were of all
                made[f"{name}s"] = list(dict.fromkeys(found))
    return made


def _common_path(paths: list[Facts]) -> str | None:
    """The directory, or the path itself, that all are below; None where some are no such paths."""
    texts = [facts.get("path", "..") for facts in paths]
    if len({facts["is_absolute"] for facts in paths}) != 1:
        return None
    if any(text == ".." or text.startswith("../") for text in texts):
        return None
    split = [[part for part in text.split("/") if part != "."] for text in texts]
    shared: list[str] = []
    for level in zip(*split, strict=False):
        if len(set(level)) != 1:
            break
        shared.append(level[0])
    return "/".join(shared) or ("/" if paths[0]["is_absolute"] else ".")


def _of_text(wanted: Shape, shape: Shape, value: Json, path: str) -> Facts:
    made: Facts = {}
    if "bytes" in wanted.fields:
        made["bytes"] = len(canonical(value))
    if "count" in wanted.fields and isinstance(value, list | dict):
        made["count"] = len(value)
    if "keys" in wanted.fields and isinstance(value, dict):
        made["keys"] = list(value)
    if "each" in wanted.fields and shape.items is not None and isinstance(value, list):
        made["each"] = _of_each(wanted.fields["each"].shape, shape.items, value, f"{path}/*")
    return made


def _of_each(wanted: Shape, shape: Shape, values: list[Json], path: str) -> Json:
    """Every value found at each place of `shape`, in what several items have there; no nulls."""
    values = [value for value in values if value is not None]
    match shape.kind:
        case Kind.RECORD:
            _check(values, dict, "object", path)
            return {
                name: _of_each(
                    field.shape,
                    shape.fields[name].shape,
                    [value[name] for value in values if name in value],
                    f"{path}/{name}",
                )
                for name, field in wanted.fields.items()
            }
        case Kind.UNION:
            kinds = [alternative(shape, value) for value in values]
            strange = next((kind for kind in kinds if kind not in shape.fields), None)
            if strange is not None:
                expected = " or ".join(shape.fields)
                raise Unrepresentable(path, f"{expected} expected, {strange} given")
            return {
                name: _of_each(
                    field.shape,
                    shape.fields[name].shape,
                    [value for value, kind in zip(values, kinds, strict=True) if kind == name],
                    path,
                )
                for name, field in wanted.fields.items()
            }
        case Kind.SET | Kind.TEXT if shape.items is not None:
            _check(values, list, "array", path)
            inner = [item for value in values for item in value]
            return _of_each(wanted, shape.items, inner, f"{path}/*")
    return list(dict.fromkeys(convert(shape, value, path) for value in values))


def _check(values: list[Json], of_type: type, name: str, path: str) -> None:
    for value in values:
        if not isinstance(value, of_type):
            raise Unrepresentable(path, f"{name} expected, {kind_of(value)} given")
