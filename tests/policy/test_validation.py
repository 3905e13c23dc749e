"""A policy that can never match, or does not fit, is said so before it bites."""

from typing import Any

import cedarpy
import pytest

from callgate.policy.names import Names
from callgate.policy.source import read_policies
from callgate.policy.validation import findings
from fakes.calls import a_tool


def said(text: str, **targets: bool) -> list[str]:
    policies = read_policies([("p.cedar", text)])
    tools = [a_tool(), a_tool("shop", "lookup")]
    return [
        finding.message
        for finding in findings(Names(), policies, tools, {}, {"shop": True, **targets})
    ]


def test_policies_that_fit_say_nothing() -> None:
    assert said('permit(principal, action == Callgate::Action::"shop___refund", resource) '
                "when { context.input.amount < 5 };") == []  # fmt: skip


def test_an_unknown_action_is_named_with_the_nearest_one() -> None:
    (message,) = said('forbid(principal, action == Callgate::Action::"shop___refnd", resource);')

    assert message == (
        'no tool, method or target is called "shop___refnd": it can never match; '
        'did you mean "shop___refund"?'
    )


def test_an_unknown_action_inside_a_condition_is_found_too() -> None:
    (message,) = said(
        'forbid(principal, action, resource) when { action == Callgate::Action::"git" };'
    )

    assert '"git"' in message


def test_a_type_error_names_the_tools_it_concerns() -> None:
    (message,) = said('permit(principal, action, resource) when { context.input.note == "x" };')

    assert message.startswith("does not fit shop___lookup, shop___refund:") or message.startswith(
        "does not fit shop___refund, shop___lookup:"
    )
    assert "optional attribute `input.note`" in message


def test_another_namespace_or_gateway_is_pointed_out() -> None:
    messages = said(
        'permit(principal, action == AgentCore::Action::"shop___refund", resource == Callgate::Gateway::"x");'
    )

    assert any('"AgentCore::Action"' in message for message in messages)
    assert any('"main", not "x"' in message for message in messages)


def test_nothing_is_said_about_the_tools_of_a_target_that_did_not_answer() -> None:
    text = 'permit(principal, action == Callgate::Action::"git___log", resource);'

    assert said(text, git=False) == []
    assert len(said(text, git=True)) == 1


def test_tools_that_look_alike_to_a_policy_are_validated_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    validated: list[object] = []
    validate = cedarpy.validate_policies

    def counted(*args: Any) -> Any:
        validated.append(args)
        return validate(*args)

    monkeypatch.setattr(cedarpy, "validate_policies", counted)
    policies = read_policies(
        [("p", "permit(principal, action, resource) when { context.input.amount < 5 };")]
    )
    tools = [a_tool("shop", f"t{number}") for number in range(50)]

    assert findings(Names(), policies, tools, {}, {"shop": True}) == []
    assert len(validated) == 1
