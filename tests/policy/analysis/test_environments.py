"""Tools that are one to the policies are analysed once; tools without policies, not at all."""

from typing import Any

from callgate.policy.analysis.environments import changed_environments, environments
from callgate.policy.source import read_policies
from fakes.calls import a_tool
from fakes.subjects import PAYMENT, a_payment, a_subject

ON_TARGET = 'permit(principal, action in Callgate::Action::"shop", resource)'


def tools_of(text: str, *schemas: Any) -> list[tuple[str, ...]]:
    tools = [a_tool("shop", f"tool{n}", schema) for n, schema in enumerate(schemas)]
    return sorted(one.tools for one in environments(a_subject(text, *tools)))


def test_tools_that_look_alike_to_the_policies_are_one() -> None:
    other = {**PAYMENT, "properties": {**PAYMENT["properties"], "more": {"type": "string"}}}

    assert tools_of(f"{ON_TARGET} when {{ context.input.amount > 5 }};", PAYMENT, other) == [
        ("shop___tool0", "shop___tool1")
    ]


def test_another_bound_of_an_argument_that_is_read_is_another_environment() -> None:
    amount = {"type": "integer", "minimum": 7}
    other = {**PAYMENT, "properties": {**PAYMENT["properties"], "amount": amount}}
    note = {**PAYMENT, "properties": {**PAYMENT["properties"], "note": {"enum": ["x"]}}}

    reads_amount = f"{ON_TARGET} when {{ context.input.amount > 5 }};"
    assert tools_of(reads_amount, PAYMENT, other) == [("shop___tool0",), ("shop___tool1",)]
    assert tools_of(reads_amount, PAYMENT, note) == [("shop___tool0", "shop___tool1")]
    assert tools_of(f"{ON_TARGET};", PAYMENT, other) == [("shop___tool0", "shop___tool1")]


def test_a_condition_on_the_action_tells_tools_apart() -> None:
    text = f'{ON_TARGET} when {{ action == Callgate::Action::"shop___tool0" }};'

    assert tools_of(text, PAYMENT, PAYMENT) == [("shop___tool0",), ("shop___tool1",)]


def test_a_tool_that_no_policy_can_match_is_no_environment() -> None:
    assert environments(a_subject("permit;", a_payment("lookup"))) == ()


def test_environments_of_many_policies_come_first_and_policies_in_their_order() -> None:
    text = f'@id("z") {ON_TARGET}; @id("b") permit; @id("a") forbid;'

    first, second = environments(a_subject(text, a_payment("lookup"), a_payment()))

    assert (first.tools, [policy.id for policy in first.policies]) == (
        ("shop___refund",),
        ["z", "b", "a"],
    )
    assert second.tools == ("shop___lookup",)


def test_only_tools_whose_policies_changed_are_compared() -> None:
    subject = a_subject(f'@id("t") {ON_TARGET}; @id("r") permit;', a_payment(), a_payment("lookup"))
    after = a_subject(f'@id("t") {ON_TARGET}; @id("r") forbid;').policies
    moved = read_policies([("other.cedar", f'// a comment\n @id("t") {ON_TARGET};')])

    (changed,) = changed_environments(subject, after)

    assert changed.tools == ("shop___refund",)
    assert [policy.effect for policy in changed.other] == ["permit", "forbid"]
    assert changed_environments(a_subject(f'@id("t") {ON_TARGET};'), moved) == ()
    assert changed_environments(subject, subject.policies) == ()
