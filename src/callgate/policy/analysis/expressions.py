"""Cedar expressions → the value over an unknown request, and when there is an error instead."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from callgate.model import Json
from callgate.policy.analysis.extensions import Outcome, applied, checked, constructed
from callgate.policy.analysis.symbols import Slot, Symbols
from callgate.policy.analysis.terms import (
    Truth,
    Unsayable,
    at_most,
    conj,
    disj,
    less,
    negation,
    pick,
)
from callgate.policy.analysis.texts import is_like, same_text
from callgate.policy.analysis.values import (
    Entity,
    Option,
    Record,
    Scalar,
    Set,
    Sort,
    Value,
    choose,
    contains,
    equal,
    is_empty,
    is_subset,
    overlap,
)

_ORDERED = frozenset({Sort.LONG, Sort.DATETIME, Sort.DURATION})


class Expressions:
    """Compiles expressions over the unknowns of one request.

    An outcome is a value and the condition under which there is an error instead: where that
    holds, the value means nothing. What comes after an error, or is skipped by `&&`, `||` and
    `if`, cannot add one.
    """

    def __init__(self, symbols: Symbols) -> None:
        names = symbols.names
        self._symbols = symbols
        self._group = f"{names.namespace}::{names.GROUP}"
        self._action = f"{names.namespace}::Action"
        self._parents = symbols.names.parents(symbols.tool)
        self.principal = symbols.principal()
        self._variables: dict[str, Value] = {
            "principal": self.principal,
            "action": Entity.named(self._action, symbols.tool.qualified_name),
            "resource": Entity.named(f"{names.namespace}::{names.GATEWAY}", names.gateway),
            "context": symbols.context(),
        }

    def outcome(self, expression: Json) -> Outcome:
        """What an expression evaluates to. Raises Unsayable."""
        operator, operands = next(iter(expression.items()))
        compiled = _OPERATORS.get(operator)
        if compiled is not None:
            return compiled(self, operands)
        if isinstance(operands, list):
            return self._function(operator, operands)
        raise Unsayable(f"the operator {operator} is not known to the analysis")

    def truth(self, expression: Json) -> tuple[Truth, Truth]:
        """What a condition evaluates to. Raises Unsayable."""
        value, error = self.outcome(expression)
        if not isinstance(value, Scalar) or value.sort is not Sort.BOOL:
            raise Unsayable("true or false is expected where something else stands")
        return value.term, error

    def _literal(self, value: Json) -> Outcome:
        return _literal(value), False

    def _variable(self, name: Json) -> Outcome:
        return self._variables[name], False

    def _both(self, operands: Json) -> Outcome:
        return self._in_order("&&", operands, goes_on=True)

    def _either(self, operands: Json) -> Outcome:
        return self._in_order("||", operands, goes_on=False)

    def _in_order(self, operator: str, operands: Json, *, goes_on: bool) -> Outcome:
        """`&&` and `||`: the next operand counts only where those before came out as `goes_on`."""
        so_far, error = (goes_on, False)
        for operand in _spine(operator, operands):
            reached = so_far if goes_on else negation(so_far)
            if reached is False:
                break
            value, failure = self.truth(operand)
            error = disj(error, conj(reached, failure))
            so_far = conj(so_far, value) if goes_on else disj(so_far, value)
        return Scalar(Sort.BOOL, so_far), error

    def _negated(self, operands: Json) -> Outcome:
        value, error = self.truth(operands["arg"])
        return Scalar(Sort.BOOL, negation(value)), error

    def _minus(self, operands: Json) -> Outcome:
        value, error = self._long(operands["arg"])
        negative, overflow = checked(Sort.LONG, -value)
        return negative, disj(error, overflow)

    def _long(self, expression: Json) -> tuple[Any, Truth]:
        value, error = self.outcome(expression)
        if not isinstance(value, Scalar) or value.sort is not Sort.LONG:
            raise Unsayable("a Long is expected where something else stands")
        return value.term, error

    def _pair(self, operands: Json) -> tuple[Value, Value, Truth]:
        left, error = self.outcome(operands["left"])
        right, failure = self.outcome(operands["right"])
        return left, right, disj(error, failure)

    def _conditional(self, operands: Json) -> Outcome:
        condition, error = self.truth(operands["if"])
        if isinstance(condition, bool):
            value, failure = self.outcome(operands["then" if condition else "else"])
            return value, disj(error, failure)
        then, then_error = self.outcome(operands["then"])
        otherwise, other_error = self.outcome(operands["else"])
        failure = pick(condition, then_error, other_error)
        return choose(condition, then, otherwise), disj(error, failure)

    def _equals(self, operands: Json) -> Outcome:
        left, right, error = self._pair(operands)
        return Scalar(Sort.BOOL, equal(left, right)), error

    def _differs(self, operands: Json) -> Outcome:
        left, right, error = self._pair(operands)
        return Scalar(Sort.BOOL, negation(equal(left, right))), error

    def _record(self, operands: Json) -> Outcome:
        found: dict[str, Slot] = {}
        error: Truth = False
        for name, expression in operands.items():
            value, failure = self.outcome(expression)
            found[name] = True, value
            error = disj(error, failure)
        return Record(tuple(found), found.__getitem__), error

    def _set(self, operands: Json) -> Outcome:
        given: list[tuple[Truth, Value]] = []
        error: Truth = False
        for expression in operands:
            value, failure = self.outcome(expression)
            given.append((True, value))
            error = disj(error, failure)
        return Set(given=tuple(given)), error

    def _attribute(self, operands: Json) -> Outcome:
        value, error = self.outcome(operands["left"])
        slot = self._slot(value, operands["attr"])
        if slot is None:
            raise Unsayable(f"there is no attribute {operands['attr']}")
        is_there, found = slot
        return found, disj(error, negation(is_there))

    def _has(self, operands: Json) -> Outcome:
        value, error = self.outcome(operands["left"])
        slot = self._slot(value, operands["attr"])
        return Scalar(Sort.BOOL, False if slot is None else slot[0]), error

    def _slot(self, value: Value, name: str) -> Slot | None:
        """Whether an attribute is there, and its value if so; None where it never is."""
        if isinstance(value, Record):
            return value.field(name) if name in value.names else None
        if not isinstance(value, Entity):
            raise Unsayable(f"the attribute {name} is asked of neither a record nor an entity")
        slot = self._symbols.attribute(name)
        if slot is None:
            return None
        return conj(self._is_the_principal(value), slot[0]), slot[1]

    def _is_the_principal(self, entity: Entity) -> Truth:
        """Whether a value is the principal: the only entity that has attributes and tags."""
        if all(option.is_principal for option in entity.options):
            return True
        cases = (conj(o.guard, self._symbols.is_principal(o)) for o in entity.options)
        return disj(*cases)

    def _has_tag(self, operands: Json) -> Outcome:
        is_there, _, error = self._tag(operands)
        return Scalar(Sort.BOOL, is_there), error

    def _get_tag(self, operands: Json) -> Outcome:
        is_there, text, error = self._tag(operands)
        return text, disj(error, negation(is_there))

    def _tag(self, operands: Json) -> tuple[Truth, Scalar, Truth]:
        entity, key, error = self._pair(operands)
        is_key = isinstance(key, Scalar) and key.sort is Sort.STRING
        if not isinstance(entity, Entity) or not isinstance(key, Scalar) or not is_key:
            raise Unsayable("a tag is asked of something that has none")
        is_there, text = self._symbols.tag(key.term)
        return conj(self._is_the_principal(entity), is_there), Scalar(Sort.STRING, text), error

    def _like(self, operands: Json) -> Outcome:
        value, error = self.outcome(operands["left"])
        if not isinstance(value, Scalar) or value.sort is not Sort.STRING:
            raise Unsayable("`like` is asked of something that is no String")
        pieces = [
            None if piece == "Wildcard" else piece["Literal"] for piece in operands["pattern"]
        ]
        return Scalar(Sort.BOOL, is_like(value.term, pieces)), error

    def _is(self, operands: Json) -> Outcome:
        value, error = self.outcome(operands["left"])
        if not isinstance(value, Entity):
            raise Unsayable("`is` is asked of something that is no entity")
        truth = is_of(value, operands["entity_type"])
        if "in" in operands:
            whole, failure = self.outcome(operands["in"])
            error = disj(error, conj(truth, failure))
            truth = conj(truth, self.is_in(value, whole))
        return Scalar(Sort.BOOL, truth), error

    def _in(self, operands: Json) -> Outcome:
        left, right, error = self._pair(operands)
        if not isinstance(left, Entity):
            raise Unsayable("`in` is asked of something that is no entity")
        return Scalar(Sort.BOOL, self.is_in(left, right)), error

    def is_in(self, left: Entity, right: Value) -> Truth:
        """Cedar's `in`. Raises Unsayable."""
        if isinstance(right, Set):
            return disj(*(conj(guard, self.is_in(left, one)) for guard, one in right.given))
        if not isinstance(right, Entity):
            raise Unsayable("`in` is followed by something that is no entity")
        return disj(
            *(
                conj(one.guard, other.guard, self._lies_in(one, other))
                for one in left.options
                for other in right.options
            )
        )

    def _lies_in(self, one: Option, other: Option) -> Truth:
        if one.type == other.type:
            if one.type != self._action or one.id == other.id:
                return same_text(one.id, other.id)
            return other.id in self._above(str(one.id))
        if other.type == self._group and isinstance(other.id, str):
            return conj(self._symbols.is_principal(one), self._symbols.is_member(other.id))
        return False

    def _above(self, action: str) -> frozenset[str]:
        """The groups that an action is in, directly or not."""
        found, open_ones = set[str](), [action]
        while open_ones:
            for parent in self._parents.get(open_ones.pop(), ()):
                found.add(parent)
                open_ones.append(parent)
        return frozenset(found)

    def _function(self, name: str, operands: list[Json]) -> Outcome:
        match operands:
            case [{"Value": str(text)}]:
                value = constructed(name, text)
                if value is not None:
                    return value, False
        outcomes = [self.outcome(operand) for operand in operands]
        value, failure = applied(name, [value for value, _ in outcomes])
        return value, disj(failure, *(error for _, error in outcomes))


def is_of(entity: Entity, of_type: str) -> Truth:
    """Cedar's `is`."""
    return disj(*(option.guard for option in entity.options if option.type == of_type))


def _spine(operator: str, operands: Json) -> list[Json]:
    """The operands of a chain of one operator, in order."""
    found = []
    while True:
        found.append(operands["right"])
        left = operands["left"]
        if operator not in left:
            return [left, *reversed(found)]
        operands = left[operator]


def _literal(value: Json) -> Value:
    if isinstance(value, bool):
        return Scalar(Sort.BOOL, value)
    if isinstance(value, int):
        return Scalar(Sort.LONG, value)
    if isinstance(value, str):
        return Scalar(Sort.STRING, value)
    if isinstance(value, list):
        return Set(given=tuple((True, _literal(item)) for item in value))
    if isinstance(value, dict) and "__entity" in value:
        return Entity.named(value["__entity"]["type"], value["__entity"]["id"])
    raise Unsayable(f"the literal {value} is not known to the analysis")


def _arithmetic(calculate: Callable[[Any, Any], Any]) -> Callable[[Expressions, Json], Outcome]:
    def compiled(compiler: Expressions, operands: Json) -> Outcome:
        left, error = compiler._long(operands["left"])
        right, failure = compiler._long(operands["right"])
        value, overflow = checked(Sort.LONG, calculate(left, right))
        return value, disj(error, failure, overflow)

    return compiled


def _comparison(compare: Callable[[Any, Any], Truth]) -> Callable[[Expressions, Json], Outcome]:
    def compiled(compiler: Expressions, operands: Json) -> Outcome:
        left, right, error = compiler._pair(operands)
        if not (isinstance(left, Scalar) and isinstance(right, Scalar)):
            raise Unsayable("values are put in order that have none")
        if left.sort is not right.sort or left.sort not in _ORDERED:
            raise Unsayable("values are put in order that have none")
        return Scalar(Sort.BOOL, compare(left.term, right.term)), error

    return compiled


def _of_sets(relate: Callable[[Set, Set], Truth]) -> Callable[[Expressions, Json], Outcome]:
    def compiled(compiler: Expressions, operands: Json) -> Outcome:
        left, right, error = compiler._pair(operands)
        if not (isinstance(left, Set) and isinstance(right, Set)):
            raise Unsayable("a set is expected where something else stands")
        return Scalar(Sort.BOOL, relate(left, right)), error

    return compiled


def _contains(compiler: Expressions, operands: Json) -> Outcome:
    left, right, error = compiler._pair(operands)
    if not isinstance(left, Set):
        raise Unsayable("`contains` is asked of something that is no set")
    return Scalar(Sort.BOOL, contains(left, right)), error


def _is_empty(compiler: Expressions, operands: Json) -> Outcome:
    value, error = compiler.outcome(operands["arg"])
    if not isinstance(value, Set):
        raise Unsayable("`isEmpty` is asked of something that is no set")
    return Scalar(Sort.BOOL, is_empty(value)), error


_OPERATORS: Mapping[str, Callable[[Expressions, Json], Outcome]] = {
    "Value": Expressions._literal,
    "Var": Expressions._variable,
    "&&": Expressions._both,
    "||": Expressions._either,
    "!": Expressions._negated,
    "neg": Expressions._minus,
    "==": Expressions._equals,
    "!=": Expressions._differs,
    "<": _comparison(less),
    "<=": _comparison(at_most),
    ">": _comparison(lambda left, right: less(right, left)),
    ">=": _comparison(lambda left, right: at_most(right, left)),
    "+": _arithmetic(lambda left, right: left + right),
    "-": _arithmetic(lambda left, right: left - right),
    "*": _arithmetic(lambda left, right: left * right),
    "if-then-else": Expressions._conditional,
    "Set": Expressions._set,
    "Record": Expressions._record,
    ".": Expressions._attribute,
    "has": Expressions._has,
    "hasTag": Expressions._has_tag,
    "getTag": Expressions._get_tag,
    "like": Expressions._like,
    "is": Expressions._is,
    "in": Expressions._in,
    "contains": _contains,
    "containsAll": _of_sets(lambda left, right: is_subset(right, left)),
    "containsAny": _of_sets(overlap),
    "isEmpty": _is_empty,
}
