"""What the solver found → a request: who calls which tool, with which arguments, and when."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from callgate.model import Json, Principal
from callgate.policy.analysis.findings import PRINCIPAL_KINDS
from callgate.policy.analysis.limits import Limits, Node
from callgate.policy.analysis.literals import DECIMAL_DIGITS, address_text
from callgate.policy.analysis.recovering import MISSING, text_with
from callgate.policy.analysis.solving import Assignment
from callgate.policy.analysis.symbols import Path, Symbols
from callgate.policy.analysis.terms import Unsayable
from callgate.policy.analysis.values import Address, Record, Scalar, Set, Sort, Value
from callgate.policy.context import instant
from callgate.policy.engine import Question
from callgate.policy.schema import Kind, Shape

ISSUER = "https://issuer.example"
_EMPTY: Mapping[str, Json] = {
    "string": "text",
    "boolean": False,
    "integer": 0,
    "number": 0,
    "array": [],
    "object": {},
    "null": None,
}


def decoded(symbols: Symbols, found: Assignment) -> Question:
    """The request. Raises Unsayable where no arguments could look to policies as it says."""
    reader = _Reader(symbols, found)
    return Question(
        principal=reader.principal(),
        tool=symbols.tool,
        arguments=reader.arguments(),
        enriched=reader.enriched(),
        now=reader.now(),
    )


class _Reader:
    def __init__(self, symbols: Symbols, found: Assignment) -> None:
        self._symbols, self._found = symbols, found

    def principal(self) -> Principal:
        symbols, found = self._symbols, self._found
        of_type = next(name for name, truth in symbols.types.items() if found.holds(truth))
        attributes = {
            name: _sound(found.value(value.term))
            for name, (is_there, value) in symbols.attributes().items()
            if isinstance(value, Scalar) and found.holds(is_there)
        }
        claims = {
            _sound(found.value(key)): _sound(found.value(text))
            for key, is_there, text in symbols.tags
            if found.holds(is_there)
        }
        return Principal(
            id=_sound(found.value(symbols.id)),
            issuer=attributes.get("issuer", ISSUER),
            kind=PRINCIPAL_KINDS[of_type],
            claims=claims,
            groups=tuple(name for name, truth in symbols.groups.items() if found.holds(truth)),
            tenant=attributes.get("tenant"),
            agent=attributes.get("agent"),
        )

    def now(self) -> float:
        slot = self._symbols.fields.get(("system", "now"))
        if slot is None or not isinstance(slot[1], Scalar):
            return max(self._symbols.since, 1_767_225_600.0)  # 2026-01-01
        return int(self._found.value(slot[1].term)) / 1000

    def enriched(self) -> dict[str, dict[str, Json]]:
        shape = self._symbols.shape.fields["enriched"].shape
        made: dict[str, dict[str, Json]] = {}
        for name, field in shape.fields.items():
            if ("enriched", name) in self._symbols.fields:
                made[name] = self._record(("enriched", name), field.shape, _NOWHERE)
        return made

    def arguments(self) -> dict[str, Json]:
        node = Node.of(self._symbols.tool.input_schema)
        made = self._record(("input",), self._symbols.input, node)
        for name, value in (("nulls", None), ("extra", 1)):
            members = self._symbols.census.get(name)
            for path, is_in in members.asked if members is not None else ():
                if self._found.holds(is_in):
                    made.setdefault(_sound(self._found.value(path)), value)
        return made

    def _record(self, path: Path, shape: Shape, node: Node) -> dict[str, Json]:
        needed = node.required()
        made: dict[str, Json] = {}
        for name, field in shape.fields.items():
            at, inner = (*path, name), node.field(name)
            slot = self._symbols.fields.get(at)
            if slot is not None and self._found.holds(slot[0]):
                made[name] = self._value(at, field.shape, inner)
            elif slot is None and name in needed:
                made[name] = _any(field.shape, inner)
            elif name in needed:
                made[name] = None
        return made

    def _value(self, path: Path, shape: Shape, node: Node) -> Json:
        value = self._symbols.fields[path][1]
        match value:
            case Scalar():
                return self._scalar(path, value)
            case Set():
                return self._items(path, value, node.limits())
            case Record() if shape.kind is Kind.TEXT:
                return self._json(value)
            case Record() if shape.kind is Kind.UNION:
                for name, field in shape.fields.items():
                    at = (*path, name)
                    if self._found.holds(self._symbols.fields[at][0]):
                        return self._value(at, field.shape, node)
                raise Unsayable("no alternative of a union was chosen")
        return self._record(path, shape, node)

    def _scalar(self, path: Path, value: Scalar) -> Json:
        plain = self._plain(value)
        facts = self._symbols.facts(("derived", *path[1:])) if path[0] == "input" else {}
        if value.sort is not Sort.STRING or not facts:
            return plain
        return text_with({name: self._fact(slot) for name, slot in facts.items()}, str(plain))

    def _fact(self, slot: tuple[object, Value]) -> Json:
        is_there, value = slot
        if not self._found.holds(is_there):
            return MISSING
        match value:
            case Scalar(sort=Sort.DATETIME, term=term):
                return instant(int(self._found.value(term)) / 1000)
            case Scalar():
                return self._plain(value)
            case Address():
                is_v6, number, prefix = (
                    int(self._found.value(term))
                    for term in (value.is_v6, value.number, value.prefix)
                )
                return address_text(bool(is_v6), number, prefix)
        return MISSING

    def _plain(self, value: Scalar) -> Json:
        found = self._found.value(value.term)
        if value.sort is Sort.DECIMAL:
            whole, rest = divmod(int(found), 10**DECIMAL_DIGITS)
            return int(found) / 10**DECIMAL_DIGITS if rest else whole
        return _sound(found) if isinstance(found, str) else found

    def _items(self, path: Path, value: Set, limits: Limits) -> list[Json]:
        ((_, members),) = value.unknown
        made: list[Json] = []
        for element, is_in in members.asked:
            item = self._plain(Scalar(members.sort, element))
            if self._found.holds(is_in) and not any(item == one for one in made):
                made.append(item)
        count = self._symbols.facts(("derived", *path[1:])).get("count")
        wanted = self._fact(count) if count is not None else limits.fewest or 0
        missing = min(int(wanted), 10_000) - len(made)
        return made + made[:1] * missing if made else made

    def _json(self, value: Record) -> Json:
        json, kind = (value.field(name)[1] for name in ("json", "kind"))
        assert isinstance(json, Scalar) and isinstance(kind, Scalar)  # noqa: S101 - see Symbols
        text = _sound(self._found.value(json.term))
        try:
            return msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeError):
            raise Unsayable(f"no value has the JSON text {text!r}") from None


def _any(shape: Shape, node: Node) -> Json:
    """Some value for an argument that no policy reads."""
    limits = node.limits()
    options = [one for one in limits.options or () if one is not None]
    if options:
        return options[0]
    match shape.kind:
        case Kind.RECORD:
            needed = node.required()
            fields = shape.fields.items()
            return {name: _any(f.shape, node.field(name)) for name, f in fields if name in needed}
        case Kind.SET if shape.items is not None:
            return [_any(shape.items, node.items())] * (limits.fewest or 0)
        case Kind.STRING:
            text = "text"[: limits.longest]
            return text + "x" * ((limits.shortest or 0) - len(text))
        case Kind.LONG | Kind.DECIMAL:
            low = limits.minimum if limits.minimum is not None else limits.above
            return 0 if low is None or low < 0 else int(low) + 1
        case Kind.UNION:
            return _EMPTY[next(iter(shape.fields))]
    return _EMPTY[limits.kinds[0]] if limits.kinds and limits.kinds[0] in _EMPTY else {}


def _sound(text: object) -> str:
    """A text that JSON can carry. Raises Unsayable."""
    found = str(text)
    if any("\ud800" <= character <= "\udfff" for character in found):
        raise Unsayable("the solver chose half a character")
    return found


_NOWHERE = Node(root={}, schema=None)
