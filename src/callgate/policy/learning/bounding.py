"""What was seen at each place of a tool's arguments → conditions that hold of all of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from callgate.policy.learning.observing import MASKED, Node, Observed
from callgate.policy.learning.quoting import attribute, has, literal, one_of, pattern, quoted
from callgate.policy.learning.rounding import number, outwards, up
from callgate.policy.learning.summaries import (
    ENOUGH,
    Common,
    Documents,
    Fact,
    Few,
    Items,
    Range,
    Scalars,
    Texts,
)
from callgate.policy.shapes import Kind, Shape

LEAST_PREFIX = 3  # characters that texts share, for that to be worth a bound
INPUT, DERIVED = "context.input", "context.derived"


class Level(StrEnum):
    """How far a draft may go beyond what was seen."""

    STRICT = "strict"  # each principal what it did: listed values, exact ranges
    BOUNDED = "bounded"  # all who used a tool, what any of them did; ranges rounded outwards
    OPEN = "open"  # all who used a tool, with any arguments


@dataclass(frozen=True, slots=True)
class Bounds:
    """Conditions on the arguments of one tool, and what no condition could be made of."""

    conditions: tuple[str, ...] = ()  # one an argument
    unbound: tuple[tuple[str, str], ...] = ()  # (place, why)


@dataclass(slots=True)
class Condition:
    """Some conjuncts on one value, and under which roots they look for it."""

    texts: list[str] = field(default_factory=list)
    roots: set[str] = field(default_factory=set)

    def add(self, text: str, *roots: str) -> None:
        """One more conjunct."""
        self.texts.append(text)
        self.roots.update(roots)

    @property
    def text(self) -> str:
        """All of it."""
        if len(self.texts) == 1:
            return self.texts[0]
        return " && ".join(f"({one})" if one.startswith("if ") else one for one in self.texts)


def bounds_of(observed: Observed, level: Level, *, is_closed: bool = False) -> Bounds:
    """The conditions that hold of every call that was observed.

    `is_closed`: no key can be in the arguments that the tool does not declare.
    """
    if level is Level.OPEN:
        return Bounds()
    root = observed.root
    if root.trouble:
        return Bounds(unbound=(("the arguments", root.trouble),))
    maker = _Maker(level)
    found = [one.text for one in maker.fields(root, (INPUT, DERIVED), "") if one.texts]
    absent = [f"!({has(INPUT, name)})" for name in _never_there(root)]
    for name, few, is_there in (
        ("nulls", observed.nulls, _has_nullable(root.shape)),
        ("extra", observed.extra, not is_closed),
    ):
        if few.is_many:
            maker.unbound.append((f"context.meta.{name}", "too many different ones"))
        elif is_there or few.values:
            absent.append(_subset(f"context.meta.{name}", few))
    if absent:
        found.append(" && ".join(absent))
    return Bounds(conditions=tuple(found), unbound=tuple(maker.unbound))


def _never_there(node: Node) -> Iterator[str]:
    """Optional attributes of a record that nobody has ever given."""
    for name, declared in node.shape.fields.items():
        if name not in node.fields and not declared.is_required:
            yield name


def _subset(read: str, few: Few) -> str:
    if not few.values:
        return f"{read}.isEmpty()"
    return f"{one_of(quoted(str(value)) for value in few.sorted)}.containsAll({read})"


def _has_nullable(shape: Shape) -> bool:
    if shape.items is not None and _has_nullable(shape.items):
        return True
    return any(one.is_nullable or _has_nullable(one.shape) for one in shape.fields.values())


class _Maker:
    """Makes the conditions of one tool."""

    def __init__(self, level: Level) -> None:
        self._is_strict = level is Level.STRICT
        self.unbound: list[tuple[str, str]] = []

    def fields(self, node: Node, bases: tuple[str, str], path: str) -> Iterator[Condition]:
        """Conditions on each attribute of a record that was ever there."""
        for name, declared in node.shape.fields.items():
            inner = node.fields.get(name)
            if inner is not None:
                at = f"{path}.{name}" if path else name
                condition = Condition()
                is_always = inner.seen == node.seen
                self._field(inner, bases, name, at, declared.is_required, is_always, condition)
                yield condition

    def _record(self, node: Node, bases: tuple[str, str], path: str, condition: Condition) -> None:
        for one in self.fields(node, bases, path):
            condition.texts += one.texts
            condition.roots |= one.roots
        for name in _never_there(node):
            condition.add(f"!({has(bases[0], name)})", INPUT)

    def _field(  # noqa: PLR0913, PLR0917 - one attribute: where it is, and how often it was there
        self,
        node: Node,
        bases: tuple[str, str],
        name: str,
        path: str,
        is_required: bool,
        is_always: bool,
        condition: Condition,
    ) -> None:
        is_apart = is_required and node.shape.kind is Kind.RECORD and not node.trouble
        if not node.is_readable and not is_apart:
            self._leave(node, path)
            return
        inner = Condition()
        self._value(node, (attribute(bases[0], name), attribute(bases[1], name)), path, inner)
        if is_required:
            condition.texts += inner.texts
            condition.roots |= inner.roots
            return
        guards = [has(base, name) for base in bases if base.split(".")[1] in _names(inner.roots)]
        if is_always:
            guards = guards or [has(bases[0], name)]
            condition.add(_joined(guards, inner), INPUT, *inner.roots)
        elif inner.texts:
            text = f"if {' && '.join(guards)} then {inner.text} else true"
            condition.add(text, *inner.roots)

    def _leave(self, node: Node, path: str) -> None:
        for below, why in _troubles(node, path):
            self.unbound.append((below, why))

    def _value(self, node: Node, at: tuple[str, str], path: str, condition: Condition) -> None:
        match node.shape.kind:
            case Kind.RECORD:
                self._record(node, at, path, condition)
            case Kind.UNION:
                self._union(node, at, path, condition)
            case _ if isinstance(node.content, Documents):
                self._document(node.content, at, condition)
            case _ if isinstance(node.content, Items):
                self._items(node.content, at, condition)
            case _ if isinstance(node.content, Scalars):
                self._scalar(node.content, at, condition)

    def _union(self, node: Node, at: tuple[str, str], path: str, condition: Condition) -> None:
        """One of the alternatives that were seen."""
        options: list[str] = []
        for name in node.shape.fields:
            inner = node.fields.get(name)
            if inner is None:
                continue
            one = Condition()
            self._value(inner, (attribute(at[0], name), attribute(at[1], name)), path, one)
            guards = [has(base, name) for base in at if base.split(".")[1] in _names(one.roots)]
            options.append(_joined(guards or [has(at[0], name)], one))
            condition.roots |= one.roots or {INPUT}
        if len(options) == 1:
            condition.texts += options
        elif options:
            condition.texts.append("(" + " || ".join(f"({one})" for one in options) + ")")

    def _scalar(self, scalars: Scalars, at: tuple[str, str], condition: Condition) -> None:
        if scalars.kind is Kind.STRING:
            self._text(scalars.texts, at, condition)
        elif scalars.kind is Kind.BOOL:
            if len(scalars.few.values) == 1:
                held = next(iter(scalars.few.values))
                condition.add(at[0] if held else f"!{at[0]}", INPUT)
        else:
            self._range(scalars.kind, scalars.range, at[0], condition, INPUT)

    def _range(self, kind: Kind, seen: Range, read: str, condition: Condition, root: str) -> None:
        """From the least to the most; equal where they are the same, and nothing is rounded."""
        if seen.least is None or seen.most is None:
            return
        least, most = (seen.least, seen.most) if self._is_strict else outwards(kind, seen)
        low, high = number(kind, least), number(kind, most)
        if low == high:
            condition.add(f"{read} == {low}", root)
        elif kind is Kind.DECIMAL:
            condition.add(f"{read}.greaterThanOrEqual({low})", root)
            condition.add(f"{read}.lessThanOrEqual({high})", root)
        else:
            condition.add(f"{read} >= {low}", root)
            condition.add(f"{read} <= {high}", root)

    def _most(self, seen: Range, read: str, condition: Condition) -> None:
        """A count or a length: no more than was seen; just that, where it was always the same."""
        if seen.least is None or seen.most is None:
            return
        if self._is_strict and seen.least == seen.most:
            condition.add(f"{read} == {seen.most}", DERIVED)
            return
        most = seen.most if self._is_strict else int(up(Decimal(seen.most)))
        condition.add(f"{read} <= {most}", DERIVED)

    def _text(self, texts: Texts, at: tuple[str, str], condition: Condition) -> None:
        if not texts.few.is_many:
            values = [quoted(str(value)) for value in texts.few.sorted]
            condition.add(_among(values, at[0]), INPUT)
            return
        before = len(condition.texts)
        self._place(texts, at[1], condition)
        if len(condition.texts) == before:
            self._prefix(texts, at[0], condition)
        self._most(texts.length, f"{at[1]}.length", condition)

    def _place(self, texts: Texts, at: str, condition: Condition) -> None:
        """As URLs, addresses or paths, where all are."""
        if texts.scheme.all and (self._host(texts, at, condition)):
            condition.add(f"{has(at, 'scheme')} && {_among(_quoted(texts.scheme), f'{at}.scheme')}",
                          DERIVED)  # fmt: skip
            self._url(texts, at, condition)
        elif texts.address_domain.all:
            domains = _among(_quoted(texts.address_domain), f"{at}.address_domain")
            condition.add(f"{has(at, 'address_domain')} && {domains}", DERIVED)
        elif texts.are_paths and texts.path.text is not None and texts.distinct >= ENOUGH:
            condition.add(f"{has(at, 'path')} && {_below(texts.path, f'{at}.path')}", DERIVED)
            for name in ("escapes", "has_backslash"):
                if name not in texts.flags:
                    condition.add(f"!{at}.{name}", DERIVED)

    def _host(self, texts: Texts, at: str, condition: Condition) -> bool:
        """Hosts where they are few, else the domains; those first where a draft may go further."""
        facts = [("host", texts.host), ("domain", texts.domain)]
        for name, fact in facts if self._is_strict else reversed(facts):
            if fact.all:
                condition.add(
                    f"{has(at, name)} && {_among(_quoted(fact), f'{at}.{name}')}", DERIVED
                )
                return True
        return False

    def _url(self, texts: Texts, at: str, condition: Condition) -> None:
        ports = texts.port.all
        if ports:
            found = [str(port) for port in ports]
            condition.add(f"{has(at, 'port')} && {_among(found, f'{at}.port')}", DERIVED)
        if "has_userinfo" not in texts.flags:
            condition.add(f"!{at}.has_userinfo", DERIVED)
        is_one = len(texts.host.all) == 1
        if is_one and texts.url_path.text is not None and texts.distinct >= ENOUGH:
            below = _below(texts.url_path, f"{at}.url_path")
            condition.add(f"{has(at, 'url_path')} && {below}", DERIVED)

    @staticmethod
    def _prefix(texts: Texts, read: str, condition: Condition) -> None:
        prefix = texts.prefix or ""
        if len(prefix) >= LEAST_PREFIX and texts.distinct >= ENOUGH:
            condition.add(f"{read} like {pattern(prefix, None)}", INPUT)

    def _items(self, items: Items, at: tuple[str, str], condition: Condition) -> None:
        self._most(items.count, f"{at[1]}.count", condition)
        inside, kind = items.items, items.items.kind
        few = inside.texts.few if kind is Kind.STRING else inside.few
        if items.count.most == 0:
            return
        if not few.is_many:
            values = [literal(kind, value) for value in few.sorted]
            if kind is not Kind.BOOL or len(values) < 2:
                condition.add(f"{one_of(values)}.containsAll({at[0]})", INPUT)
        elif kind is Kind.STRING:
            self._places(inside.texts, items, at[1], condition)

    def _places(self, texts: Texts, items: Items, at: str, condition: Condition) -> None:
        facts = [("hosts", texts.host), ("domains", texts.domain)]
        for name, fact in facts if self._is_strict else reversed(facts):
            if fact.all:
                condition.add(
                    f"{has(at, name)} && {one_of(_quoted(fact))}.containsAll({at}.{name})", DERIVED
                )
                return
        is_never_empty = items.count.least != 0  # an empty list has no path
        if texts.are_paths and texts.path.text is not None and is_never_empty:
            below = _below(texts.path, f"{at}.common_path")
            condition.add(f"{has(at, 'common_path')} && {below}", DERIVED)
            if "escapes" not in texts.flags:
                condition.add(f"!{at}.escapes", DERIVED)

    def _document(self, document: Documents, at: tuple[str, str], condition: Condition) -> None:
        if not document.few.is_many:
            values = [quoted(str(value)) for value in document.few.sorted]
            condition.add(_among(values, f"{at[0]}.json"), INPUT)
            return
        if not document.kinds.is_many:
            kinds = [quoted(str(value)) for value in document.kinds.sorted]
            condition.add(_among(kinds, f"{at[0]}.kind"), INPUT)
        self._most(document.size, f"{at[1]}.bytes", condition)
        kinds_seen = set(document.kinds.values)
        if kinds_seen <= {"array", "object"}:
            counted = Condition()
            self._most(document.count, f"{at[1]}.count", counted)
            condition.add(f"{has(at[1], 'count')} && {counted.text}", DERIVED)
        if kinds_seen == {"object"} and not document.keys.is_many:
            keys = [quoted(str(value)) for value in document.keys.sorted]
            condition.add(
                f"{has(at[1], 'keys')} && {one_of(keys)}.containsAll({at[1]}.keys)"
                if keys
                else f"{has(at[1], 'keys')} && {at[1]}.keys.isEmpty()",
                DERIVED,
            )
        if kinds_seen == {"array"}:
            self._each(document, at[1], condition)

    @staticmethod
    def _each(document: Documents, at: str, condition: Condition) -> None:
        for steps, scalars in sorted(document.each.items()):
            few = scalars.texts.few if scalars.kind is Kind.STRING else scalars.few
            if few.is_many or (scalars.kind is Kind.BOOL and len(few.values) == 2):
                continue
            read = f"{at}.each"
            for step in steps:
                read = attribute(read, step)
            values = [literal(scalars.kind, value) for value in few.sorted]
            inside = f"{one_of(values)}.containsAll({read})" if values else f"{read}.isEmpty()"
            condition.add(f"{has(at, 'each')} && {inside}", DERIVED)


def _joined(guards: Sequence[str], inner: Condition) -> str:
    whole = Condition(texts=[*guards, *inner.texts])
    return whole.text


def _names(roots: set[str]) -> set[str]:
    return {root.split(".")[1] for root in roots}


def _quoted(fact: Fact) -> list[str]:
    return [quoted(str(value)) for value in fact.all]


def _among(values: Sequence[str], read: str) -> str:
    return f"{read} == {values[0]}" if len(values) == 1 else f"{one_of(values)}.contains({read})"


def _below(common: Common, read: str) -> str:
    text = common.text or ""
    below = f"{read} like {pattern(text + '/', None)}"
    return f"({read} == {quoted(text)} || {below})" if common.is_itself else below


def _troubles(node: Node, path: str) -> Iterator[tuple[str, str]]:
    if node.trouble:
        yield path, node.trouble if node.trouble == MASKED else f"not exact: {node.trouble}"
    for name, inner in node.fields.items():
        yield from _troubles(inner, f"{path}.{name}")
