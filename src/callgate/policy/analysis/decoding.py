"""What the solver found → a request: who calls which tool, with which arguments, and when."""

from __future__ import annotations

from collections.abc import Mapping

from callgate.model import Json, Principal
from callgate.model import Value as Value_
from callgate.policy.analysis import literals, recovering
from callgate.policy.analysis.findings import PRINCIPAL_KINDS
from callgate.policy.analysis.limits import NOWHERE, Limits, Node
from callgate.policy.analysis.pinning import is_as, real_facts
from callgate.policy.analysis.solving import Assignment
from callgate.policy.analysis.symbols import Path, Slot, Symbols
from callgate.policy.analysis.terms import Truth, Unsayable
from callgate.policy.analysis.texts import Text, Unknown, agrees
from callgate.policy.analysis.values import Address, Record, Scalar, Set, Sort, Value
from callgate.policy.context import instant, kind_of
from callgate.policy.engine import Question
from callgate.policy.exact import Unrepresentable, canonical
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


class Decoded(Value_):
    """A request, and what else to try for arguments that have not the facts that were found."""

    question: Question
    loose: dict[Path, tuple[Json, ...]] = {}


def decoded(
    symbols: Symbols, found: Assignment, preferred: Mapping[Path, Json] | None = None
) -> Decoded:
    """The request, with preferred arguments where they do as well.

    Raises Unsayable where no arguments could look to policies as it says.
    """
    reader = _Reader(symbols, found, preferred or {})
    question = Question(
        principal=reader.principal(),
        tool=symbols.tool,
        arguments=reader.arguments(),
        enriched=reader.enriched(),
        now=reader.now(),
    )
    return Decoded(question=question, loose=reader.loose)


class _Reader:
    def __init__(self, symbols: Symbols, found: Assignment, preferred: Mapping[Path, Json]) -> None:
        self.loose: dict[Path, tuple[Json, ...]] = {}
        self._symbols, self._found, self._preferred = symbols, found, preferred
        self._texts = symbols.texts.chosen(found.holds)

    def text(self, term: Text) -> str:
        if isinstance(term, str):
            return term
        if isinstance(term, Unknown):
            return self._texts[term]
        one = next(one for guard, one in term.options if self._found.holds(guard))
        return self.text(one)

    def principal(self) -> Principal:
        symbols, found = self._symbols, self._found
        of_type = next(name for name, truth in symbols.types.items() if found.holds(truth))
        attributes = {
            name: self.text(value.term)
            for name, (is_there, value) in symbols.attributes().items()
            if isinstance(value, Scalar) and found.holds(is_there)
        }
        claims = {
            self.text(key): self.text(text)
            for key, is_there, text in symbols.tags
            if found.holds(is_there)
        }
        return Principal(
            id=self.text(symbols.id),
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
                made[name] = self._record(("enriched", name), field.shape, NOWHERE)
        return made

    def arguments(self) -> dict[str, Json]:
        node = Node.of(self._symbols.tool.input_schema)
        made = self._record(("input",), self._symbols.input, node)
        for name, value in (("nulls", None), ("extra", 1)):
            members = self._symbols.census.get(name)
            for path, is_in in members.asked if members is not None else ():
                if self._found.holds(is_in):
                    made.setdefault(self.text(path), value)
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
                return self._scalar(path, shape, value)
            case Set():
                return self._items(path, value, node.limits())
            case Record() if shape.kind is Kind.TEXT:
                return self._json(path, shape, value)
            case Record() if shape.kind is Kind.UNION:
                for name, field in shape.fields.items():
                    at = (*path, name)
                    if self._found.holds(self._symbols.fields[at][0]):
                        return self._value(at, field.shape, node)
                raise Unsayable("no alternative of a union was chosen")
        return self._record(path, shape, node)

    def _scalar(self, path: Path, shape: Shape, value: Scalar) -> Json:
        plain, facts = self._plain(value), self._facts(path)
        if not facts or not isinstance(plain, str):
            return plain
        known = {name: self._fact(one) for name, (there, one) in facts.items() if self._is(there)}
        tried = tuple(dict.fromkeys((plain, *recovering.texts(known))))
        for text in (self._preferred.get(path, plain), *tried):
            if self._agrees(value.term, text) and self._has_facts(path, shape, text):
                return text
        self.loose[path] = tried
        return plain

    def _is(self, truth: Truth) -> bool:
        return self._found.holds(truth)

    def _agrees(self, term: Text, text: str) -> bool:
        return not isinstance(term, Unknown) or agrees(term, text, self._found.holds)

    def _facts(self, path: Path) -> dict[str, Slot]:
        """The facts that policies read of an argument."""
        return self._symbols.facts(("derived", *path[1:])) if path[0] == "input" else {}

    def _has_facts(self, path: Path, shape: Shape, value: Json) -> bool:
        """Whether an argument has the facts that were found for it."""
        facts = self._facts(path)
        try:
            real = real_facts(self._symbols, path, shape, value)
        except Unrepresentable:
            return False
        return all(
            self._is(is_there) is (name in real)
            and (name not in real or self._is(is_as(fact, real[name])))
            for name, (is_there, fact) in facts.items()
        )

    def _fact(self, value: Value) -> Json:
        match value:
            case Scalar(sort=Sort.DATETIME, term=term):
                return instant(int(self._found.value(term)) / 1000)
            case Scalar():
                return self._plain(value)
            case Address():
                number, prefix = (int(self._found.value(t)) for t in (value.number, value.prefix))
                return literals.address_text(self._is(value.is_v6), number, prefix)
        return None

    def _plain(self, value: Scalar) -> Json:
        if value.sort is Sort.STRING:
            return self.text(value.term)
        found = self._found.value(value.term)
        if value.sort is Sort.DECIMAL:
            whole, rest = divmod(int(found), 10**literals.DECIMAL_DIGITS)
            return int(found) / 10**literals.DECIMAL_DIGITS if rest else whole
        return found

    def _items(self, path: Path, value: Set, limits: Limits) -> list[Json]:
        ((_, members),) = value.unknown
        made: list[Json] = []
        for element, is_in in members.asked:
            item = self._plain(Scalar(members.sort, element))
            if self._is(is_in) and item not in made:
                made.append(item)
        count = self._facts(path).get("count")
        wanted = self._fact(count[1]) if count is not None else limits.fewest or 0
        missing = min(int(wanted), 10_000) - len(made)
        return made + made[:1] * missing if made else made

    def _json(self, path: Path, shape: Shape, value: Record) -> Json:
        json, kind = (slot[1] for slot in map(value.field, ("json", "kind")))
        assert isinstance(json, Scalar) and isinstance(kind, Scalar)  # noqa: S101 - see Symbols
        unknown = json.term
        fitting = [one for one, truth in unknown.truths.items() if self._is(truth)]
        pieces = [piece for pattern in fitting for piece in pattern if piece]
        first = [self._preferred[path]] if path in self._preferred else []
        tried = tuple(recovering.json_values(pieces, self.text(unknown)))
        likely = []
        for one in (*first, *tried):
            if self._agrees(unknown, canonical(one).decode()) and self._agrees(
                kind.term, kind_of(one)
            ):
                if self._has_facts(path, shape, one):
                    return one
                likely.append(one)
        self.loose[path] = tuple(likely) or tried
        return self.loose[path][0]


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
