"""A policy that can never match, or does not fit, is said so before it bites."""

from typing import Any

import cedarpy
import pytest

from callgate.policy.names import Names
from callgate.policy.schema import context_shape, input_shape
from callgate.policy.source import read_policies
from callgate.policy.validation import RULES, Validator, findings
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


def test_methods_and_their_groups_are_known_also_where_the_target_is_silent() -> None:
    for action in (
        "shop___resources/read",
        "git___prompts/get",
        "git___elicitation/create",
        "resources/read",
        "sampling/createMessage",
        "AskClient",
        "CallTool",
        "Mcp",
    ):
        assert said(
            f'permit(principal, action in Callgate::Action::"{action}", resource);', git=False
        ) == [], action  # fmt: skip


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("resources/raed", "resources/read"),
        ("shop___resource/read", "shop___resources/read"),
        ("AskClients", "AskClient"),
        ("shop___tools/cal", "shop___tools/list"),
    ],
)
def test_a_misspelt_method_is_named_with_the_nearest_one(wrong: str, right: str) -> None:
    (message,) = said(f'permit(principal, action == Callgate::Action::"{wrong}", resource);')

    assert message == (
        f'no tool, method or target is called "{wrong}": it can never match; '
        f'did you mean "{right}"?'
    )


def test_calling_tools_is_no_method_of_its_own() -> None:
    assert said('permit(principal, action == Callgate::Action::"shop___tools/call", resource);')


@pytest.mark.parametrize("scope", ["action", 'action in Callgate::Action::"shop"',
                                   'action in Callgate::Action::"Mcp"'])  # fmt: skip
def test_a_policy_on_the_arguments_of_tools_need_not_fit_the_methods(scope: str) -> None:
    text = f"forbid(principal, {scope}, resource) when {{ context.input.amount > 5 }};"

    assert said(text) == []


@pytest.mark.parametrize(
    ("action", "place"),
    [
        ("shop___resources/read", "shop___resources/read"),
        ("resources/read", "shop___resources/read"),
        ("elicitation/create", "shop___elicitation/create"),
        ("AskClient", "shop___elicitation/create"),
    ],
)
def test_a_policy_that_names_a_method_has_to_fit_it(action: str, place: str) -> None:
    (message,) = said(
        f'forbid(principal, action in Callgate::Action::"{action}", resource) '
        "when { context.input.amount > 5 };"
    )

    assert message.startswith(f"does not fit {place}")
    assert "attribute `input.amount`" in message


def test_a_policy_on_the_params_of_a_method_fits() -> None:
    assert said(
        'permit(principal, action in Callgate::Action::"resources/read", resource) '
        'when { context.input.uri like "file:///docs/*" };'
    ) == []  # fmt: skip


@pytest.mark.parametrize(
    ("condition", "rule", "pointed_at", "nearest"),
    [
        ("context.input.amout < 5", "does_not_fit", "amout < 5", '"amount"'),
        ("context.input.amount < 5 &&\n  context.inpt.x == 3", "does_not_fit", "inpt.x", '"input"'),
        ('principal.tenat == "x"', "does_not_fit", "tenat ==", '"tenant"'),
        ('context.input.note == "x"', "does_not_fit", "note ==", None),
        ('context.input.amount == "x"', "does_not_fit", "context.input.amount ==", None),
        ('principal in Callgate::Grop::"a"', "does_not_fit", "Callgate::Grop", '"Callgate::Group"'),
        (
            'action == Callgate::Action::"shp"',
            "unknown_action",
            'Callgate::Action::"shp"',
            '"shop"',
        ),
        ("context.input has notee", "unknown_attribute", "notee", '"note"'),
        ("context has outputs", "unknown_attribute", "outputs", None),
    ],
)
def test_a_finding_points_at_its_place_and_names_what_is_near(
    condition: str, rule: str, pointed_at: str, nearest: str | None
) -> None:
    text = f'// first\n permit(principal, action == Callgate::Action::"shop___refund", resource)\nwhen {{ {condition} }};'
    policies = read_policies([("p.cedar", text)])

    (found,) = findings(Names(), policies, [a_tool()], {}, {"shop": True})
    assert found.rule == rule and rule in RULES
    assert found.is_error == (rule != "unknown_attribute")
    assert found.line is not None and found.column is not None
    assert text.split("\n")[found.line - 1][found.column - 1 :].startswith(pointed_at)
    assert found.message.rpartition("did you mean ")[2].rstrip("?") == (nearest or found.message)


def test_a_finding_about_a_scope_points_at_the_policy() -> None:
    policies = read_policies(
        [("p.cedar", '\n permit(principal == Callgate::Group::"g", action, resource);')]
    )

    (found,) = findings(Names(), policies, [a_tool()], {}, {"shop": True})
    assert (found.line, found.column) == (2, 2)


def test_what_other_tools_have_may_be_asked_for_with_has() -> None:
    text = "permit(principal, action, resource) when { context.input has uri };"

    assert findings(Names(), read_policies([("p", text)]), [a_tool()], {}, {"shop": True}) != []
    other = a_tool("web", "get", {"type": "object", "properties": {"uri": {"type": "string"}}})
    assert (
        findings(Names(), read_policies([("p", text)]), [a_tool(), other], {}, {"shop": True}) == []
    )
    assert findings(Names(), read_policies([("p", text)]), [a_tool()], {}, {"web": False}) == []


def test_the_first_clause_with_which_a_policy_does_not_pass_is_blamed() -> None:
    text = (
        "permit(principal, action, resource) when { context.input has note && context.input.amount "
        '> 1 } unless { context.input.note == "a" } when { context.input.customer == 5 };'
    )
    policies = read_policies([("p", text)])
    tool = a_tool()
    context = context_shape(input_shape(tool.input_schema), {})

    clause = Validator(Names()).blamed(tool, context, policies[0])
    assert clause is not None and clause.text == "context.input.customer == 5"
