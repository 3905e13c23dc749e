"""A JSON value → the Cedar JSON form of its shape: exact, or not at all."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import msgspec

from callgate.model import Json
from callgate.policy.readings import read
from callgate.policy.shapes import Kind, Shape

LONG_MIN, LONG_MAX = -(2**63), 2**63 - 1
DECIMAL_MAX = Decimal("922337203685477.5807")
DECIMAL_DIGITS = 4
_PLAIN_IP = frozenset("0123456789abcdefABCDEF.:/")  # nothing beside the address: no URL, no port

canonical = msgspec.json.Encoder(order="sorted").encode
"""The JSON text that policies see of what has no type: sorted keys, no spaces."""


class Unrepresentable(Exception):  # noqa: N818 - a finding about the arguments
    """A value that policy would have to see has no exact Cedar form. `path` is a JSON pointer."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path or '/'}: {problem}")
        self.path = path
        self.problem = problem


def convert(shape: Shape, value: Json, path: str) -> Json:
    """A JSON value in the Cedar JSON form of its shape. Raises Unrepresentable."""
    kind = shape.kind
    if kind is Kind.RECORD and type(value) is dict:  # first what there is most of
        return _record(shape, value, path)
    if (kind is Kind.STRING and type(value) is str) or (kind is Kind.BOOL and type(value) is bool):
        return value
    if kind is Kind.LONG or kind is Kind.DECIMAL:
        return _number(kind, value, path)
    if kind is Kind.SET and isinstance(value, list) and shape.items is not None:
        return [convert(shape.items, item, f"{path}/{i}") for i, item in enumerate(value)]
    if kind is Kind.UNION:
        return _union(shape, value, path)
    if kind is Kind.TEXT:
        return {"json": canonical(value).decode(), "kind": kind_of(value)}
    if kind in _READ_AS and isinstance(value, str):
        return _read(kind, value, path)
    raise Unrepresentable(path, f"{kind.value} expected, {kind_of(value)} given")


_READ_AS = {
    Kind.DATETIME: ("instant", "an RFC 3339 instant or date"),
    Kind.IPADDR: ("ip", "an IP address or network"),
}


def _read(kind: Kind, text: str, path: str) -> Json:
    """A fact of an interceptor that has a form of its own; instants in whole milliseconds."""
    reading, form = _READ_AS[kind]
    found = read(text, (reading,))
    is_more = kind is Kind.IPADDR and (not _PLAIN_IP.issuperset(text) or text.count(":") == 1)
    if reading not in found or is_more:
        raise Unrepresentable(path, f"{form} expected")
    return found[reading]


def _record(shape: Shape, value: dict[str, Json], path: str) -> dict[str, Json]:
    made: dict[str, Json] = {}
    for name, field in shape.fields.items():
        if name not in value:
            continue
        item = value[name]
        if item is None and field.is_nullable:
            continue  # absent, and named in context.meta.nulls
        made[name] = convert(field.shape, item, f"{path}/{name}")
    return made


def alternative(shape: Shape, value: Json) -> str:
    """The name of the attribute of a UNION that a value belongs to; it need not be there."""
    kind = kind_of(value)
    if kind == "number" and "integer" in shape.fields and float(value).is_integer():
        return "integer"  # JSON Schema: 1.0 is an integer
    if kind == "integer" and kind not in shape.fields:
        return "number"
    return kind


def _union(shape: Shape, value: Json, path: str) -> dict[str, Json]:
    kind = alternative(shape, value)
    field = shape.fields.get(kind)
    if field is not None:
        return {kind: convert(field.shape, value, path)}
    if shape.is_partial:
        return {}  # no policy reads values of this kind
    given = kind_of(value)
    raise Unrepresentable(path, f"{' or '.join(shape.fields)} expected, {given} given")


def _number(kind: Kind, value: Json, path: str) -> int | str:
    return _long(value, path) if kind is Kind.LONG else _decimal(value, path)


def _long(value: Json, path: str) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if type(value) is not int:
        raise Unrepresentable(path, f"integer expected, {kind_of(value)} given")
    if not LONG_MIN <= value <= LONG_MAX:
        raise Unrepresentable(path, "the integer does not fit 64 bits")
    return value


def _decimal(value: Json, path: str) -> str:
    if type(value) is not int and type(value) is not float:
        raise Unrepresentable(path, f"number expected, {kind_of(value)} given")
    if type(value) is int and abs(value) > DECIMAL_MAX:
        raise Unrepresentable(path, f"the number is beyond ±{DECIMAL_MAX}")
    exact = Decimal(repr(value))
    _, digits, exponent = exact.as_tuple()
    scale = -exponent if isinstance(exponent, int) else 0
    while scale > DECIMAL_DIGITS and digits and digits[-1] == 0:
        digits, scale = digits[:-1], scale - 1
    if scale > DECIMAL_DIGITS:
        raise Unrepresentable(
            path, f"policy compares numbers with {DECIMAL_DIGITS} decimals at most"
        )
    if abs(exact) > DECIMAL_MAX:
        raise Unrepresentable(path, f"the number is beyond ±{DECIMAL_MAX}")
    return f"{exact:.{max(scale, 1)}f}"


def instant(at: float) -> str:
    """Seconds since the epoch as Cedar's datetime text."""
    text = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def kind_of(value: Json) -> str:
    """The JSON type of a value, in JSON Schema's words."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"
