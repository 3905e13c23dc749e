"""Values worth a try at the places that policies read: those at which a comparison tips over."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple, TypeAlias

import msgspec

from callgate.model import Json
from callgate.policy.exact import instant
from callgate.policy.expressions import Chain, Expression, chain_of, operands_of
from callgate.policy.leaves import scalar
from callgate.policy.shapes import Kind, Shape

ABSENT = msgspec.UNSET
"""In place of a value: nothing stands there."""

Piece: TypeAlias = str | None  # of a `like` pattern; None is the wildcard
MAX_ITEMS = 50  # constants of one kind that are looked at, at one place
MAX_LENGTH = 100_000  # of a text that is made as long as a policy wants it
STEP = Decimal("0.0001")  # the smallest difference that policies can see in a number

_CONNECTIVES = ("&&", "||", "!", "if-then-else")


@dataclass(slots=True)
class Said:
    """The constants that policies compare with a place."""

    numbers: dict[Decimal, None] = field(default_factory=dict)
    texts: dict[str, None] = field(default_factory=dict)
    patterns: dict[tuple[Piece, ...], None] = field(default_factory=dict)
    instants: dict[float, None] = field(default_factory=dict)  # seconds since the epoch
    groups: dict[str, None] = field(default_factory=dict)

    def read(self, expression: Expression) -> None:
        """Takes up every constant in an expression."""
        open_ones = [expression]
        while open_ones:
            one = open_ones.pop()
            operator, operands = next(iter(one.items()))
            if operator == "Value":
                self.value(operands)
            elif operator == "like":
                self._pattern(operands["pattern"])
                open_ones.append(operands["left"])
            elif operator in _EXTENSIONS:
                _EXTENSIONS[operator](self, str(operands[0].get("Value", "")))
            elif operator in ("getTag", "hasTag"):
                open_ones.append(operands["left"])  # the name of a tag is no value of it
            else:
                open_ones.extend(operands_of(one))

    def _pattern(self, pieces: Sequence[Json]) -> None:
        pattern = (piece["Literal"] if isinstance(piece, dict) else None for piece in pieces)
        self.patterns[tuple(pattern)] = None

    def value(self, value: Json) -> None:
        """Takes up one value: a text, a number, a group."""
        if isinstance(value, dict):
            entity = value.get("__entity") or {}
            if str(entity.get("type", "")).endswith("::Group"):
                self.groups[str(entity["id"])] = None
        elif isinstance(value, str):
            self.texts[value] = None
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            self.numbers[Decimal(str(value))] = None

    def decimal(self, text: str) -> None:
        """`decimal("1.5")`."""
        self.numbers[Decimal(text)] = None

    def datetime(self, text: str) -> None:
        """`datetime("2026-01-01")`."""
        try:
            at = datetime.fromisoformat(text if "T" in text else f"{text}T00:00:00+00:00")
        except ValueError:
            return
        self.instants[at.timestamp()] = None

    def ip(self, text: str) -> None:
        """`ip("10.0.0.0/8")`: the first address in it."""
        try:
            self.texts[str(ipaddress.ip_interface(text).network.network_address)] = None
        except ValueError:
            return
        self.texts["203.0.113.7" if ":" not in text else "2001:db8::7"] = None  # and another


_EXTENSIONS: dict[str, Callable[[Said, str], None]] = {
    "decimal": Said.decimal,
    "datetime": Said.datetime,
    "ip": Said.ip,
    "duration": lambda _said, _text: None,  # the time is searched, see `nearest`
}


def atoms(bodies: Sequence[Expression]) -> Iterator[Expression]:
    """The tests that conditions are made of, without what joins them."""
    open_ones = list(bodies)
    while open_ones:
        one = open_ones.pop()
        if next(iter(one)) in _CONNECTIVES:
            open_ones.extend(operands_of(one))
        else:
            yield one


def chains_in(atom: Expression) -> Iterator[Chain]:
    """Every place of the context that a test reads."""
    open_ones = [atom]
    while open_ones:
        one = open_ones.pop()
        chain = chain_of(one)
        if chain:
            yield chain
        elif chain is None:
            open_ones.extend(operands_of(one))


class Spot(NamedTuple):
    """Where in the arguments, or in the facts of an interceptor, a chain of the context leads."""

    path: tuple[str, ...]
    shape: Shape
    fact: str = ""  # a derived fact of the value there: `domain`, `length`


def spots_of(context: Shape, chain: Chain) -> Iterator[Spot]:
    """The places behind a chain: one, or every one below it where a record is read whole."""
    root, rest = chain[0], chain[1:]
    if root not in ("input", "derived", "enriched") or root not in context.fields:
        return
    if root == "enriched":
        yield from _below(_walked(context.fields[root].shape, rest))
        return
    found = _walked(context.fields["input"].shape, rest)
    if root == "input":
        yield from _below(found)
    elif found.left:
        yield Spot(found.path, found.shape, found.left[0])


class _Walked(NamedTuple):
    path: tuple[str, ...]
    shape: Shape
    left: Chain


def _walked(shape: Shape, chain: Chain) -> _Walked:
    path: list[str] = []
    for depth, name in enumerate(chain):
        of = shape.fields.get(name)
        if of is None or shape.kind not in (Kind.RECORD, Kind.UNION):
            return _Walked(tuple(path), shape, chain[depth:])
        if shape.kind is Kind.RECORD:
            path.append(name)  # the alternative of a union is no step of the value
        shape = of.shape
    return _Walked(tuple(path), shape, ())


def _below(found: _Walked) -> Iterator[Spot]:
    if found.shape.kind is Kind.RECORD and found.shape.fields:
        for name, of in found.shape.fields.items():
            yield from _below(_Walked((*found.path, name), of.shape, ()))
    elif found.path:
        yield Spot(found.path, found.shape)


def values_at(spot: Spot, value: Json, said: Said) -> list[Json]:
    """What to try in place of a value, ABSENT among it; without the value itself."""
    tried = list(_values(spot, value, said))
    tried.append(ABSENT)
    found: list[Json] = []
    for one in tried:
        if not _same(one, value) and not any(_same(one, other) for other in found):
            found.append(one)
    return found


def _same(one: Json, other: Json) -> bool:
    return type(one) is type(other) and bool(one == other)


def _values(spot: Spot, value: Json, said: Said) -> Iterator[Json]:
    if spot.fact:
        make = _MADE.get(spot.fact)
        yield from make(value, said) if make is not None else ()
        return
    match spot.shape.kind:
        case Kind.LONG | Kind.DECIMAL:
            yield from _numbers_around(spot.shape.kind, said)
        case Kind.BOOL:
            yield from (True, False)
        case Kind.STRING | Kind.IPADDR:
            yield from texts(value, said)
        case Kind.DATETIME:
            yield from _instants(value, said)
        case Kind.SET:
            yield from _sets(spot.shape, value, said)


def _numbers_around(kind: Kind, said: Said) -> Iterator[Json]:
    for one in _around(said, Decimal(1) if kind is Kind.LONG else STEP):
        yield int(one) if one == one.to_integral_value() else float(one)


def _instants(_value: Json, said: Said) -> Iterator[Json]:
    for at in list(said.instants)[:MAX_ITEMS]:
        for moved in (at, at - 0.001, at + 0.001):
            yield instant(moved)


def _around(said: Said, step: Decimal) -> Iterator[Decimal]:
    for number in list(said.numbers)[:MAX_ITEMS]:
        whole = number if step != 1 else number.to_integral_value()
        yield from (whole, whole - step, whole + step)
    yield from (Decimal(0), Decimal(1))


def texts(value: Json, said: Said) -> Iterator[str]:
    """Texts that are equal to, fit, and do not fit what policies compare with."""
    yield from list(said.texts)[:MAX_ITEMS]
    for pattern in list(said.patterns)[:MAX_ITEMS]:
        yield "".join(piece or "" for piece in pattern)
        yield "".join("x" if piece is None else piece for piece in pattern)
    if isinstance(value, str):
        yield f"{value}x"
    yield "x"


def _sets(shape: Shape, value: Json, said: Said) -> Iterator[Json]:
    items = value if isinstance(value, list) else []
    kind = shape.items.kind if shape.items is not None else Kind.STRING
    constants: list[Json] = list(said.texts) if kind is Kind.STRING else _numbers(kind, said)
    for one in constants[:MAX_ITEMS]:
        yield [item for item in items if item != one]
        yield [*items, one]
        yield [one]
    if constants:
        yield [item for item in items if item in constants]
    yield []
    yield ["x"] if kind is Kind.STRING else [0]


def _numbers(kind: Kind, said: Said) -> list[Json]:
    made = [int(n) if n == n.to_integral_value() else float(n) for n in said.numbers]
    return [one for one in made if scalar(kind, one) is not None]


def _of_length(value: Json, said: Said) -> Iterator[Json]:
    text = value if isinstance(value, str) else ""
    for number in _around(said, Decimal(1)):
        if 0 <= number <= MAX_LENGTH:
            yield text[: int(number)].ljust(int(number), "x")


def _of_count(value: Json, said: Said) -> Iterator[Json]:
    items = value if isinstance(value, list) else []
    for number in _around(said, Decimal(1)):
        if 0 <= number <= MAX_LENGTH:
            missing = max(int(number) - len(items), 0)
            yield [*items[: int(number)], *(items[-1:] or ["x"]) * missing]


def _hosts(form: str) -> Callable[[Json, Said], Iterator[Json]]:
    def made(_value: Json, said: Said) -> Iterator[Json]:
        for host in (*texts("", said), "example.net"):
            yield form.format(host)

    return made


def _addresses(value: Json, said: Said) -> Iterator[Json]:
    local = value.rpartition("@")[0] if isinstance(value, str) and "@" in value else "someone"
    for domain in (*texts("", said), "example.net"):
        yield f"{local}@{domain}"


def _either(*forms: str) -> Callable[[Json, Said], Iterator[Json]]:
    return lambda _value, _said: iter(forms)


_MADE: dict[str, Callable[[Json, Said], Iterator[Json]]] = {
    "length": _of_length,
    "bytes": _of_length,
    "count": _of_count,
    "host": _hosts("https://{}/"),
    "domain": _hosts("https://{}/"),
    "hosts": lambda value, said: ([one] for one in _hosts("https://{}/")(value, said)),
    "domains": lambda value, said: ([one] for one in _hosts("https://{}/")(value, said)),
    "scheme": _hosts("{}://example.net/"),
    "port": lambda _, said: (f"https://example.net:{int(n)}/" for n in _around(said, Decimal(1))),
    "path": texts,
    "url_path": lambda _, said: (f"https://example.net{one}" for one in texts("", said)),
    "common_path": lambda value, said: ([one] for one in texts("", said)),
    "ip": texts,
    "address_domain": _addresses,
    "address_local": lambda _, said: (f"{one}@example.net" for one in texts("", said)),
    "escapes": _either("x", "../x"),
    "is_absolute": _either("x", "/x"),
    "has_backslash": _either("x", "x\\x"),
    "has_userinfo": _either("https://example.net/", "https://x@example.net/"),
    "is_ambiguous": _either("https://example.net/", "https:/\\example.net/"),
    "instant": _instants,
}
