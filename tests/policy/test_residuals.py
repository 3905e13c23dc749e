"""A residual says when a policy applies and when it does not; both, where it cannot be read."""

from collections.abc import Callable
from typing import Any

import pytest

from callgate.policy import residuals
from callgate.policy.entities import facts_of
from callgate.policy.expressions import Expression
from callgate.policy.formulas import is_satisfiable
from callgate.policy.ground import Ground
from callgate.policy.leaves import Leaves, Limits
from callgate.policy.names import Names
from callgate.policy.residuals import FAILS, UNREAD, Reader, Residual, Truth
from callgate.policy.schema import context_shape, input_shape
from callgate.policy.source import read_policies
from fakes.calls import a_principal, a_tool

NAMES = Names()
TOOL = a_tool(
    schema={
        "type": "object",
        "properties": {
            "amount": {"type": "integer"},
            "note": {"type": "string"},
            "tags": {"type": "array", "items": {"type": "string"}},
            "when": {"type": "object", "properties": {"day": {"type": "integer"}}},
        },
        "required": ["amount"],
    }
)


def residual(
    conditions: str, closed: Callable[[Expression], Truth] = lambda _: UNREAD, **more: Any
) -> Residual:
    (policy,) = read_policies([("p", f"permit(principal, action, resource) {conditions};")])
    context, leaves = context_shape(input_shape(TOOL.input_schema), {}), Leaves()
    limits = Limits(TOOL.input_schema)
    principal = a_principal("ada", "agents", claims={"role": "clerk"})
    ground = Ground(
        principal=facts_of(principal, NAMES).lineage,
        attributes={"id": "ada", "issuer": "https://idp"},
        tags={"role": "clerk"},
        action=NAMES.action_of(TOOL),
        resource=NAMES.resource,
        leaf=lambda chain: leaves.of(context, limits, chain),
    )
    return Reader(ground, closed, **more).read(policy)


def outcome(conditions: str, **more: Any) -> tuple[bool, bool, bool, bool]:
    """Whether it may apply, whether it may not, whether that is all, and surely fits the tool."""
    found = residual(conditions, **more)
    return (
        is_satisfiable([found.applies]),
        is_satisfiable([found.passes]),
        found.is_exact,
        found.is_plain,
    )


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ("", (True, False, True, True)),
        ("when { true }", (True, False, True, True)),
        ("unless { true }", (False, True, True, True)),
        ("when { context.input.amount < 5 }", (True, True, True, True)),
        ("when { context.input.amount < 5 } unless { context.input.amount < 6 }", (False, True, True, True)),
        # Nobody asked whether it is there: it may fail, and Cedar's validator is asked.
        ('when { context.input.note == "x" }', (True, True, False, False)),
        ('when { context.input has note && context.input.note == "x" }', (True, True, True, True)),
        ('when { context.input.note == "x" && context.input has note }', (True, True, False, False)),
        ('when { context.input has note } unless { context.input.note == "x" }', (True, True, True, True)),
        ('when { context.input has note || context.input.note == "x" }', (True, False, False, False)),
        ("when { context.input has when && context.input.when has day && context.input.when.day > 1 }", (True, True, True, True)),
        ("when { context.input has when && context.input.when.day > 1 }", (True, True, False, False)),
        ("when { context.input has when.day && context.input.when.day > 1 }", (True, True, True, True)),
        ('when { (context.input has note || context.input.amount > 1) && context.input.note == "x" }', (True, True, False, False)),
        ('when { (if context.input.amount > 1 then context.input has note else true) && context.input.note == "x" }', (True, True, False, False)),
        ('when { (if context.input has note then true else context.input has note) && context.input.note == "x" }', (True, True, True, True)),
        # What no context has is never there, and what follows is not looked at.
        ("when { context.input has other && context.input.other.x }", (False, True, True, True)),
        ("when { context.input.amount has x }", (True, True, False, False)),
        ("when { false && context.input.other }", (False, True, True, True)),
        ("when { context.input has amount }", (True, False, True, True)),
        # The principal is known, and the rest is read for the validator's sake alone.
        ('when { principal.id == "ada" && context.input.amount < 5 }', (True, True, True, True)),
        ('when { principal.id == "eve" && context.input.note == "x" }', (False, True, True, False)),
        ('when { principal in Callgate::Group::"agents" }', (True, False, True, False)),
        ('when { principal.hasTag("role") && principal.getTag("role") like "c*" }', (True, False, True, True)),
        ('when { principal.hasTag("no") && principal.getTag("no") == "x" }', (False, True, True, True)),
        ('when { principal has tenant && principal.tenant == "x" }', (False, True, True, True)),
        ('when { principal.getTag("role") == "clerk" }', (True, False, True, False)),
        ('when { principal.hasTag("role") || principal.getTag("role") == "x" }', (True, False, True, False)),
        ('when { principal.getTag(Callgate::Group::"x") == "x" }', (True, True, False, False)),
        # What cannot be read may be anything.
        ("when { context.input.amount + 1 < 5 }", (True, True, False, False)),
        ("when { context.input.amount < 5 && context.input.amount + 1 < 5 && context.input.amount > 5 }", (False, True, False, False)),
        ("when { if context.input.amount < 5 then context.input.amount > 5 else false }", (False, True, True, True)),
    ],
)  # fmt: skip
def test_conditions(conditions: str, expected: tuple[bool, bool, bool, bool]) -> None:
    assert outcome(conditions) == expected


def test_what_nothing_unknown_is_in_is_put_to_cedar() -> None:
    asked: list[Expression] = []

    def closed(expression: Expression) -> Truth:
        asked.append(expression)
        return Truth(False, True)

    late = 'context.system.now < datetime("2030-01-01")'
    found = outcome(f"when {{ context.input.amount < 5 && {late} }}", closed=closed)

    assert found == (False, True, True, False)
    assert [next(iter(expression)) for expression in asked] == ["<"]


def test_what_fails_is_neither_true_nor_false() -> None:
    text = "when { 9223372036854775807 + 1 > 0 }"

    assert outcome(text, closed=lambda _: FAILS) == (False, False, False, False)


def test_what_is_never_evaluated_is_not_put_to_cedar() -> None:
    def closed(expression: Expression) -> Truth:
        raise AssertionError(expression)

    outcome('when { principal.hasTag("no") && principal.getTag("no") == "x" }', closed=closed)
    outcome('when { principal.hasTag("role") || principal.getTag("no") == "x" }', closed=closed)


def test_scopes_that_the_validator_may_not_take_make_no_policy_plain() -> None:
    assert residual("", is_plain=False).is_plain is False


def test_deep_conditions_stay_unread_and_long_ones_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(residuals, "MAX_LEVELS", 40)
    deep = "!(" * 55 + "context.input.amount < 5" + ")" * 55
    long = " || ".join(f"context.input.amount == {n}" for n in range(240))

    assert outcome(f"when {{ {deep} }}") == (True, True, False, False)
    assert outcome(f"when {{ {long} }}") == (True, True, True, True)
    assert outcome(f"when {{ ({long}) && context.input.amount > 240 }}")[0] is False
