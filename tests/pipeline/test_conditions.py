"""An interceptor's condition is Cedar; where it cannot be said to hold or not, it holds."""

from typing import Any

import pytest

from callgate.pipeline.conditions import CedarCondition
from callgate.policy.names import Names
from callgate.policy.source import PolicyError
from fakes.calls import a_call, a_principal, a_tool
from fakes.clock import FakeClock


def holds(text: str, *groups: str, **arguments: Any) -> bool:
    call = a_call(
        principal=a_principal("ada", *groups),
        tool=a_tool(),
        arguments={"customer": "c", "amount": 5, **arguments},
    )
    return CedarCondition(text, Names(), FakeClock()).holds(call)


def test_it_is_about_the_principal_the_tool_and_the_arguments() -> None:
    assert holds('principal in Callgate::Group::"contractors"', "contractors")
    assert not holds('principal in Callgate::Group::"contractors"', "staff")
    assert holds('action == Callgate::Action::"shop___refund"')
    assert not holds("context.input.amount > 100")
    assert holds("context.input.amount > 100 // large\n|| true")


def test_what_cannot_be_said_holds() -> None:
    assert holds('context.input.no_such_argument == "x"')
    assert holds("context.input.amount * 9223372036854775807 > 0")
    assert holds("context.input.amount > 100", amount=2**70)


@pytest.mark.parametrize(
    "text",
    [
        "true }; permit(principal, action, resource) when { true",
        "true } unless { false",
        "true &&",
        "",
        "(" * 700,
    ],
)
def test_what_is_not_one_condition_is_refused(text: str) -> None:
    with pytest.raises(PolicyError):
        CedarCondition(text, Names(), FakeClock())
