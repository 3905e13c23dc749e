"""What is known when a tool is listed: the entities of a request, the time, some arguments."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from callgate.model import Json
from callgate.policy.exact import convert
from callgate.policy.expressions import Chain, Expression, chain_of
from callgate.policy.index import Lineage
from callgate.policy.leaves import Leaf, scalar, scaled
from callgate.policy.shapes import WITH_FIELDS, Kind, Shape

NOW: Chain = ("system", "now")
SORTS = {Kind.STRING: "text", Kind.BOOL: "truth", Kind.LONG: "long", Kind.DECIMAL: "decimal"}
KINDS = {sort: kind for kind, sort in SORTS.items()}
ENTITIES = ("principal", "action", "resource")
ALWAYS_THERE = ("id", "issuer")  # attributes of every principal

_DECIMAL = re.compile(r"-?[0-9]{1,14}\.[0-9]{1,4}")


class Constant(NamedTuple):
    """A known value: text, truth, long, decimal, uid, or a set of one of them."""

    sort: str
    value: Any
    is_set: bool = False


class Given(NamedTuple):
    """Arguments that are known, others being open."""

    values: Mapping[str, Json] = {}  # in Cedar's JSON form, as a schema types it
    explicit: Mapping[str, Json] = {}  # as Cedar reads them without a schema
    absent: frozenset[str] = frozenset()

    def names(self, chain: Chain) -> bool:
        """Whether it is known what stands there."""
        if chain[:1] != ("input",) or len(chain) < 2:
            return False
        return chain[1] in self.values or chain[1] in self.absent

    def touches(self, chain: Chain) -> bool:
        """Whether what is read there depends on what is known."""
        return not chain or chain == ("input",) or self.names(chain)


NOTHING_GIVEN = Given()


def given_of(arguments: Mapping[str, Json], read: Shape | None) -> Given:
    """Known arguments, as far as they are read. Raises Unrepresentable."""
    declared = {} if read is None else read.fields
    fields = {name: field for name, field in declared.items() if name in arguments}
    if not fields:
        return NOTHING_GIVEN
    shape = Shape(kind=Kind.RECORD, fields=fields)
    values = convert(shape, {name: arguments[name] for name in fields}, "/input")
    return Given(values, _explicit(shape, values), frozenset(fields.keys() - values.keys()))


def _explicit(shape: Shape, value: Json) -> Json:
    if shape.kind is Kind.DECIMAL:
        return {"__extn": {"fn": "decimal", "arg": value}}
    if shape.kind is Kind.SET and shape.items is not None:
        return [_explicit(shape.items, item) for item in value]
    if shape.kind in WITH_FIELDS:
        return {name: _explicit(shape.fields[name].shape, item) for name, item in value.items()}
    return value


class Ground(NamedTuple):
    """What is known of a request."""

    principal: Lineage
    attributes: Mapping[str, str]  # of the principal
    tags: Mapping[str, str]
    action: Lineage
    resource: Lineage
    leaf: Callable[[Chain], Leaf | None]  # a place in the context of this tool
    given: Given = NOTHING_GIVEN

    def knows(self, chain: Chain) -> bool:
        """Whether it is known what stands there."""
        return chain == NOW or self.given.names(chain)

    def value(self, chain: Chain) -> Json:
        """A known argument, or a part of one, in Cedar's JSON form; None where it is not there."""
        value: Json = self.given.values
        for name in chain[1:]:
            value = value.get(name) if isinstance(value, Mapping) else None
        return value

    def term(self, expression: Expression) -> Constant | Leaf | None:
        """A known value, or a place whose values are told apart; None: something else."""
        operator, operands = next(iter(expression.items()))
        if operator in ("Value", "decimal"):
            return _literal(operator, operands)
        if operator == "Var":
            return Constant("uid", getattr(self, operands).own) if operands in ENTITIES else None
        if operator == "Set":
            return self._set(operands)
        if operator in (".", "getTag") and operands["left"] == {"Var": "principal"}:
            return self._of_principal(operator, operands)
        chain = chain_of(expression) if operator == "." else None
        return self._place(chain) if chain else None

    def _of_principal(self, operator: str, operands: Mapping[str, Any]) -> Constant | None:
        if operator == ".":
            found = self.attributes.get(operands["attr"])
        else:
            name = operands["right"].get("Value")
            found = self.tags.get(name) if isinstance(name, str) else None
        return None if found is None else Constant("text", found)

    def _set(self, items: list[Expression]) -> Constant | None:
        terms = [self.term(item) for item in items]
        known = [term for term in terms if isinstance(term, Constant) and not term.is_set]
        sorts = {term.sort for term in known}
        if len(known) < len(terms) or len(sorts) != 1:
            return None
        return Constant(sorts.pop(), frozenset(term.value for term in known), is_set=True)

    def _place(self, chain: Chain) -> Constant | Leaf | None:
        leaf = self.leaf(chain)
        if leaf is None or not self.knows(chain):
            return leaf
        value = self.value(chain)
        if leaf.kind not in SORTS or value is None:
            return None
        is_decimal = leaf.kind is Kind.DECIMAL
        made = scaled(str(value)) if is_decimal else scalar(leaf.kind, value)
        return None if made is None else Constant(SORTS[leaf.kind], made)


def _literal(operator: str, operands: Any) -> Constant | None:
    if operator == "decimal":
        text = operands[0].get("Value") if len(operands) == 1 else None
        if not isinstance(text, str) or not _DECIMAL.fullmatch(text):
            return None
        return Constant("decimal", scaled(text))
    if isinstance(operands, bool):
        return Constant("truth", int(operands))
    if isinstance(operands, int):
        return Constant("long", operands)
    if isinstance(operands, str):
        return Constant("text", operands)
    uid = operands.get("__entity") if isinstance(operands, dict) else None
    return Constant("uid", (uid["type"], uid["id"])) if isinstance(uid, dict) else None
