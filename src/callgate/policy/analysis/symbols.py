"""A request of which nothing is known but its types: the principal, and the context of one tool."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

from callgate.model import Tool
from callgate.policy.analysis.facts import of_json, of_set, of_text
from callgate.policy.analysis.findings import PRINCIPAL_KINDS
from callgate.policy.analysis.limits import NOWHERE, Limits, Node
from callgate.policy.analysis.literals import instant
from callgate.policy.analysis.rules import json_rule, scalar_rule
from callgate.policy.analysis.terms import (
    Term,
    Truth,
    Unsayable,
    at_most,
    between,
    conj,
    disj,
    implies,
    negation,
    number_variable,
    remainder,
    same,
    truth_variable,
)
from callgate.policy.analysis.texts import Text, Texts, is_like, same_text
from callgate.policy.analysis.values import (
    Address,
    Entity,
    Members,
    Option,
    Record,
    Scalar,
    Set,
    Sort,
    Universe,
    Value,
)
from callgate.policy.names import Names
from callgate.policy.schema import Kind, Shape, context_shape, input_shape
from callgate.policy.source import Policy

Path: TypeAlias = tuple[str, ...]
Slot: TypeAlias = tuple[Truth, Value]  # is it there, and its value if so

LAST_INSTANT = instant("9999-12-31T23:59:59.999Z")
_SORTS = {
    Kind.STRING: Sort.STRING,
    Kind.BOOL: Sort.BOOL,
    Kind.LONG: Sort.LONG,
    Kind.DECIMAL: Sort.DECIMAL,
    Kind.DATETIME: Sort.DATETIME,
}


class Symbols:
    """The unknowns of one request, made when a policy first reads them, and what holds of them."""

    def __init__(
        self,
        tool: Tool,
        names: Names,
        enrichments: Mapping[str, Mapping[str, str]],
        since: float = 0.0,
    ) -> None:
        self.tool, self.names = tool, names
        self.input = input_shape(tool.input_schema)
        self.shape = context_shape(self.input, enrichments)
        self.since = since
        self.texts = Texts()
        self.universe = Universe(self._variable)
        self.rules: list[Truth] = []
        self.wishes: list[Truth] = []  # what makes an example plain to read; none has to hold
        self.inexact: set[str] = set()  # what may be related in ways that are not said here
        self.types = {name: truth_variable(f"is {name}") for name in PRINCIPAL_KINDS}
        self.id = self.texts.unknown("principal.id", "someone")
        self.groups: dict[str, Truth] = {}
        self.tags: list[tuple[Text, Truth, Text]] = []  # claim, is it there, its text
        self.fields: dict[Path, Slot] = {}  # of the context, as far as read
        self.census: dict[str, Members] = {}  # of `context.meta`
        self._attributes: dict[str, Slot] = {}
        self._rule_one_type()

    def _rule_one_type(self) -> None:
        types = list(self.types.values())
        self.wishes.append(self.types[Names.USER])
        self.rules.append(disj(*types))
        for number, one in enumerate(types):
            self.rules.extend(negation(conj(one, other)) for other in types[:number])

    def settled(self) -> list[Truth]:
        """Everything that holds of the request, after all policies were compiled. Again, where
        anything more was asked."""
        for path in dict.fromkeys(at[:-1] for at in self.fields if at[0] == "derived"):
            self.rules.extend(self._fact_rules(path))
        self.universe.settle()
        rules = (*self.rules, *self.universe.rules, *self.texts.rules())
        if self.texts.inexact:
            self.inexact.add("which of very many patterns fit one text")
        return [rule for rule in rules if rule is not True]

    # The principal.

    def principal(self) -> Entity:
        """The principal of the request."""
        return Entity(
            tuple(
                Option(truth, f"{self.names.namespace}::{name}", self.id, is_principal=True)
                for name, truth in self.types.items()
            )
        )

    def is_principal(self, option: Option) -> Truth:
        """Whether an entity is the principal of the request."""
        if option.is_principal:
            return True
        namespace, _, name = option.type.rpartition("::")
        if namespace != self.names.namespace or name not in self.types:
            return False
        return conj(self.types[name], same_text(self.id, option.id))

    def is_member(self, group: str) -> Truth:
        """Whether the principal is in a group."""
        if group not in self.groups:
            self.groups[group] = truth_variable(f"in group {group}")
            self.wishes.append(negation(self.groups[group]))
        return self.groups[group]

    def attribute(self, name: str) -> Slot | None:
        """An attribute of the principal; None where principals have none of that name."""
        if name == "id":
            return True, Scalar(Sort.STRING, self.id)
        if name not in ("issuer", "tenant", "agent"):
            return None
        if name not in self._attributes:
            is_there = True if name == "issuer" else self._presence(f"principal has {name}")
            plain = "https://issuer.example" if name == "issuer" else f"some {name}"
            text = self.texts.unknown(f"principal.{name}", plain)
            self._attributes[name] = is_there, Scalar(Sort.STRING, text)
        return self._attributes[name]

    def attributes(self) -> Mapping[str, Slot]:
        """The attributes that a policy read."""
        return self._attributes

    def tag(self, key: Text) -> tuple[Truth, Text]:
        """Whether the principal has a claim, and its text."""
        for known, is_there, text in self.tags:
            if same_text(known, key) is True:
                return is_there, text
        number = len(self.tags)
        made = self._presence(f"has tag {number}"), self.texts.unknown(f"tag {number}", "some")
        for known, is_there, text in self.tags:
            is_one = same_text(known, key)
            if is_one is not False:
                alike = conj(same(is_there, made[0]), same_text(text, made[1]))
                self.rules.append(implies(is_one, alike))
        self.tags.append((key, *made))
        return made

    def doubt(self, policy: Policy) -> tuple[Truth, Truth]:
        """Whether a policy that cannot be analysed is satisfied, and whether it fails: unknown."""
        self.inexact.add(f"policy {policy.id}")
        return truth_variable(f"holds {policy.digest}"), truth_variable(f"fails {policy.digest}")

    # The context.

    def context(self) -> Record:
        """The context of the request."""
        node = Node.of(self.tool.input_schema)

        def field(name: str) -> Slot:
            known = self.fields.get((name,))
            if known is None:
                of = self.shape.fields[name].shape
                known = True, self._value((name,), of, node if name == "input" else NOWHERE)
                self.fields[(name,)] = known
            return known

        return Record(tuple(self.shape.fields), field)

    def facts(self, path: Path) -> dict[str, Slot]:
        """The derived facts that policies read of one argument."""
        return {at[-1]: slot for at, slot in self.fields.items() if at[:-1] == path}

    def argument(self, path: Path) -> Slot | None:
        """The argument that derived facts are about; None where there is none."""
        slot: Slot = self.context().field("input")
        for name in path:
            value = slot[1]
            if not isinstance(value, Record) or name not in value.names:
                return None
            slot = value.field(name)
        return slot

    def _fact_rules(self, path: Path) -> Iterator[Truth]:
        slot, facts = self.argument(path[1:]), self.facts(path)
        match slot:
            case (_, Scalar(sort=Sort.STRING, term=raw)):
                yield from of_text(raw, facts)
                if "path" in facts or "escapes" in facts:  # one that is as it will be read
                    self.wishes.append(negation(is_like(raw, [None, "..", None])))
            case (_, Set() as whole):
                yield from of_set(whole, facts)
            case (_, Record(names=("json", "kind"))):
                yield from of_json(facts)

    def _value(self, path: Path, shape: Shape, node: Node) -> Value:
        if path in (("meta", "nulls"), ("meta", "extra")):
            return self._census(path[1])
        if path[0] not in ("input", "enriched", "system"):
            self.inexact.add(f"facts in context.{path[0]}")
        match shape.kind:
            case Kind.RECORD | Kind.UNION:
                return self._record(path, shape, node)
            case Kind.TEXT:
                return self._json(path, node.limits())
            case Kind.SET if shape.items is not None and shape.items.kind in _SORTS:
                return self._set(path, _SORTS[shape.items.kind], node)
            case kind if kind in _SORTS:
                return self._scalar(path, _SORTS[kind], node.limits())
            case kind if kind.value == "ipaddr":
                return self._address(path)
        raise Unsayable(f"{said(path)} is of kind {shape.kind.value}")

    def _scalar(self, path: Path, sort: Sort, limits: Limits) -> Scalar:
        term = self._variable(sort, f"value {path}")
        self.rules.append(scalar_rule(sort, term, limits))
        if path == ("system", "now"):
            self.rules.append(between(int(self.since * 1000), term, LAST_INSTANT))
            self.wishes.append(same(term, max(int(self.since * 1000), instant("2026-01-01"))))
        elif sort not in (Sort.STRING, Sort.BOOL):
            self.wishes += [between(0, term, 10**6), same(remainder(term, 10), 0)]
        return Scalar(sort, term)

    def _set(self, path: Path, sort: Sort, node: Node) -> Set:
        limits = node.items().limits()
        members = Members(
            f"{path}", sort, self.universe, lambda element: scalar_rule(sort, element, limits)
        )
        whole = Set(unknown=((True, members),))
        if node.limits().fewest:
            self.rules.append(negation(self.universe.all_are(members, lambda _: False, key="none")))
        return whole

    def _address(self, path: Path) -> Address:
        names = ("number", "prefix", "low", "high")
        number, prefix, low, high = (number_variable(f"{name} {path}") for name in names)
        is_v6 = truth_variable(f"is IPv6 {path}")
        for is_kind, width in ((negation(is_v6), 32), (is_v6, 128)):
            is_one = same(prefix, width)
            within = conj(at_most(0, low), at_most(high, 2**width - 1), between(0, prefix, width))
            self.rules.append(implies(is_kind, within))
            self.rules.append(implies(conj(is_kind, is_one), same(low, high)))
            self.wishes.append(implies(is_kind, is_one))
        # That the range follows from the prefix is not said; what is said holds of every range.
        self.rules.append(conj(at_most(low, number), at_most(number, high)))
        return Address(is_v6=is_v6, number=number, prefix=prefix, low=low, high=high)

    def _json(self, path: Path, limits: Limits) -> Record:
        json, kind = (self.texts.unknown(f"{part} {path}") for part in ("json", "kind"))
        self.inexact.add(f"the JSON text of {said(path)}")
        self.rules.append(json_rule(json, kind, limits))
        self.wishes.append(same_text(kind, "string"))
        found: dict[str, Slot] = {
            name: (True, Scalar(Sort.STRING, term))
            for name, term in (("json", json), ("kind", kind))
        }
        self.fields.update({(*path, name): slot for name, slot in found.items()})
        return Record(("json", "kind"), found.__getitem__)

    def _record(self, path: Path, shape: Shape, node: Node) -> Record:
        def field(name: str) -> Slot:
            at = (*path, name)
            if at not in self.fields:
                of = shape.fields[name]
                # A union has the limits of its alternatives in one place: none can be told.
                inner = NOWHERE if shape.kind is Kind.UNION else node.field(name)
                mirrored = self.argument(at[1:]) if at[0] == "derived" else None
                if mirrored is not None:
                    is_there = mirrored[0]
                else:
                    is_there = of.is_required or self._presence(f"there {at}")
                known = len(self.rules)
                value = self._value(at, of.shape, inner)
                # Of what is not there nothing holds: its schema may allow no value at all.
                above = (at[:n] for n in range(1, len(at)))
                whole = conj(is_there, *(self.fields[p][0] for p in above if p in self.fields))
                self.rules[known:] = [implies(whole, rule) for rule in self.rules[known:]]
                self.fields[at] = is_there, value
            return self.fields[at]

        if shape.kind is Kind.UNION:
            self._rule_one_alternative(shape, field)
        return Record(tuple(shape.fields), field)

    def _rule_one_alternative(self, shape: Shape, field: Callable[[str], Slot]) -> None:
        """A union has exactly one of its alternatives, or at most one of those that are left."""
        sides = [field(name)[0] for name in shape.fields]
        self.rules.append(disj(*sides))
        for number, side in enumerate(sides):
            self.rules.extend(negation(conj(side, other)) for other in sides[:number])
        if {"integer", "number"} <= shape.fields.keys():
            is_there, value = field("number")
            if isinstance(value, Scalar):  # a whole number shows as the integer that it is
                whole = same(remainder(value.term, 10_000), 0)
                self.rules.append(implies(is_there, negation(whole)))

    def _census(self, name: str) -> Set:
        """The dotted paths of nulls, or of undeclared keys."""
        self.inexact.add(f"context.meta.{name}")
        rule = self._may_be_null if name == "nulls" else self._may_be_extra
        members = self.census[name] = Members(f"meta {name}", Sort.STRING, self.universe, rule)
        return Set(unknown=((True, members),))

    def _may_be_extra(self, path: Text) -> Truth:
        is_open = Node.of(self.tool.input_schema).takes_undeclared() or _nests(self.input)
        declared = (name for name in self.input.fields if _is_plain_name(name))
        return conj(is_open, *(negation(same_text(path, name)) for name in declared))

    def _may_be_null(self, path: Text) -> Truth:
        """An argument that need not be there, or that says itself that it may be null."""
        if not isinstance(path, str) or not _is_plain_name(path) or path not in self.input.fields:
            return True  # of nested ones nothing is said here
        field = self.input.fields[path]
        if field.shape.kind is Kind.TEXT and not field.is_nullable:
            return True
        return negation(self._argument(path)) if not field.is_required else False

    def _argument(self, name: str) -> Truth:
        """Whether an argument is there."""
        _, arguments = self.context().field("input")
        assert isinstance(arguments, Record)  # noqa: S101 - arguments are an object
        return arguments.field(name)[0]

    def _presence(self, name: str) -> Truth:
        made = truth_variable(name)
        self.wishes.append(negation(made))
        return made

    def _variable(self, sort: Sort, name: str) -> Term:
        if sort is Sort.BOOL:
            return truth_variable(name)
        return self.texts.unknown(name) if sort is Sort.STRING else number_variable(name)


def _nests(shape: Shape) -> bool:
    """Whether there are records in it, in which undeclared keys may be."""
    kinds = (Kind.RECORD, Kind.UNION, Kind.TEXT)
    return any(field.shape.kind in kinds for field in shape.fields.values())


def _is_plain_name(name: str) -> bool:
    """Whether a name is the path of that argument, and of no other."""
    return "." not in name and "[" not in name


def said(path: Path) -> str:
    """A path as policies write it."""
    return ".".join(("context", *path))
