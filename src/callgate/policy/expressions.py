"""What Cedar expressions read, in Cedar's JSON policy format; walked without recursion."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from callgate.model import Json

Chain = tuple[str, ...]
Expression = dict[str, Json]

_ACCESS = frozenset({".", "has"})
_LEAVES = frozenset({"Value", "Var", "Slot", "Unknown"})
_ASSOCIATIVE = frozenset({"&&", "||"})


def operands_of(expression: Expression) -> list[Expression]:
    """The sub-expressions: arguments, items, or the values of a record literal."""
    operator, operands = next(iter(expression.items()))
    if operator in _LEAVES:
        return []
    values = operands.values() if isinstance(operands, dict) else operands
    return [value for value in values if isinstance(value, dict)]


def depth_of(expression: Expression) -> int:
    """How deep the evaluator will have to go."""
    deepest, open_ones = 0, [(expression, 1)]
    while open_ones:
        one, depth = open_ones.pop()
        deepest = max(deepest, depth)
        open_ones.extend((operand, depth + 1) for operand in operands_of(one))
    return deepest


def halved(expression: Expression) -> Expression:
    """The same with `a && b && c …` and `a || b || c …` halved, however they are bracketed.

    Both are associative in value, in errors, and in what is not evaluated. In a row, each term is
    one level deeper than the one before; so it is only as many as there are halvings.
    """
    return rebuilt(expression, _in_a_row, lambda _: None)


def rebuilt(
    expression: Expression,
    parts_of: Callable[[Expression], list[Expression]],
    change: Callable[[Expression], Expression | None],
) -> Expression:
    """The expression with what `change` gives in place of parts of it, from the outside in.

    `parts_of` is `operands_of`, or takes the terms of a row for operands.
    """
    made: list[Expression] = []
    open_ones: list[tuple[Expression, int | None]] = [(expression, None)]
    while open_ones:
        one, count = open_ones.pop()
        other = change(one) if count is None else None
        if other is not None:
            made.append(other)
        elif count is None:
            parts = parts_of(one)
            open_ones.append((one, len(parts)))
            open_ones.extend((part, None) for part in parts)
        elif count == 0:
            made.append(one)
        else:
            parts = made[: -count - 1 : -1]
            del made[-count:]
            made.append(_rejoined(one, parts))
    return made[0]


def _in_a_row(expression: Expression) -> list[Expression]:
    """The terms of a row of `&&` or of `||`, in order; of anything else the operands."""
    operator = next(iter(expression))
    if operator not in _ASSOCIATIVE:
        return operands_of(expression)
    found: list[Expression] = []
    open_ones = [expression]
    while open_ones:
        one = open_ones.pop()
        operands = one.get(operator)
        if isinstance(operands, dict):
            open_ones += (operands["right"], operands["left"])
        else:
            found.append(one)
    return found


def _rejoined(expression: Expression, operands: list[Expression]) -> Expression:
    """The expression with these operands in place of its own."""
    operator, before = next(iter(expression.items()))
    if operator in _ASSOCIATIVE:
        while len(operands) > 1:
            pairs = zip(operands[::2], operands[1::2], strict=False)
            odd = operands[-1:] if len(operands) % 2 else []
            operands = [{operator: {"left": left, "right": right}} for left, right in pairs] + odd
        return operands[0]
    left = iter(operands)
    if isinstance(before, dict):
        return {
            operator: {
                name: next(left) if isinstance(value, dict) else value
                for name, value in before.items()
            }
        }
    return {operator: [next(left) if isinstance(value, dict) else value for value in before]}


def chain_of(expression: Expression) -> Chain | None:
    """The attributes that an expression reaches from `context`; None where it is no such chain."""
    names: list[str] = []
    while True:
        operator, operands = next(iter(expression.items()))
        if operator == "Var":
            return tuple(reversed(names)) if operands == "context" else None
        if operator not in _ACCESS or not isinstance(operands, dict):
            return None
        attribute, left = operands.get("attr"), operands.get("left")
        if not isinstance(attribute, str) or not isinstance(left, dict):
            return None
        names.append(attribute)
        expression = left


def context_chains(expression: Expression) -> Iterator[Chain]:
    """Every maximal attribute chain rooted at `context`; () where the context is used whole."""
    open_ones = [expression]
    while open_ones:
        one = open_ones.pop()
        chain = chain_of(one)
        if chain is not None:
            yield chain
        else:
            open_ones.extend(operands_of(one))


def reads_variable(expression: Expression, name: str) -> bool:
    """Whether `principal`, `action`, `resource` or `context` occurs."""
    open_ones = [expression]
    while open_ones:
        one = open_ones.pop()
        if one.get("Var") == name:
            return True
        open_ones.extend(operands_of(one))
    return False


def entities_in(expression: Json) -> Iterator[tuple[str, str]]:
    """Every entity uid that an expression or a scope names: (type, id)."""
    open_ones = [expression]
    while open_ones:
        one = open_ones.pop()
        if isinstance(one, list):
            open_ones.extend(one)
        elif isinstance(one, dict):
            entity = one.get("__entity")
            if isinstance(entity, dict):
                yield str(entity.get("type", "")), str(entity.get("id", ""))
            else:
                open_ones.extend(one.values())


def conjuncts(expression: Expression, count: int) -> list[Expression]:
    """The first `count - 1` cuts of `a && b && c`, which stands for `(a && b) && c`."""
    found: list[Expression] = []
    while len(found) < count - 1 and expression.keys() == {"&&"}:
        found.append(expression["&&"]["right"])
        expression = expression["&&"]["left"]
    return [expression, *reversed(found)]
