"""What would turn a verdict is found by evaluation, for refusals and for permits."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.model import Principal
from callgate.policy.decisions import principal, tool
from callgate.policy.engine import Engine, Question
from callgate.policy.names import Names
from callgate.policy.nearest import Search, Turn
from callgate.policy.places import Edit
from callgate.policy.source import read_policies
from callgate.protocol.validators import Validators

POLICIES = """
@id("small") permit(principal in Callgate::Group::"support",
  action == Callgate::Action::"shop___refund", resource);
@id("large") forbid(principal, action == Callgate::Action::"shop___refund", resource)
when { context.input.amount > 100 } unless { principal in Callgate::Group::"leads" };
@id("send") permit(principal, action == Callgate::Action::"mail___send", resource)
when {
  context.input.price.lessThanOrEqual(decimal("10.0"))
  && context.derived.to has address_domain && context.derived.to.address_domain == "example.com"
  && principal.hasTag("role") && principal.getTag("role") == "lead"
};
@id("office") permit(principal, action == Callgate::Action::"door___open", resource)
when { context.system.now.toTime() < duration("17h") };
@id("sum") permit(principal, action == Callgate::Action::"shop___pay", resource)
when { context.input.price * 3 + context.input.fee < 100 };
"""
NUMBERS = {"type": "integer", "minimum": 0, "maximum": 1000}
TOOLS = {
    one.qualified_name: one
    for one in (
        tool(
            "shop___refund",
            {"type": "object", "properties": {"amount": NUMBERS}, "required": ["amount"]},
        ),
        tool(
            "mail___send",
            {
                "type": "object",
                "properties": {"price": {"type": "number"}, "to": {"type": "string"}},
                "required": ["price", "to"],
            },
        ),
        tool("door___open"),
        tool(
            "shop___pay",
            {
                "type": "object",
                "properties": {"price": NUMBERS, "fee": NUMBERS},
                "required": ["price", "fee"],
            },
        ),
    )
}
SAM = principal("sam", groups=["support"])
NOON = 1_790_000_000.0 - 1_790_000_000.0 % 86_400 + 12 * 3600


def search(
    who: Principal, name: str, arguments: dict[str, Any], now: float = NOON, text: str = POLICIES
) -> Search:
    engine = Engine(read_policies([("p.cedar", text)]), Names())
    question = Question(principal=who, tool=TOOLS[name], arguments=arguments, enriched={}, now=now)
    return Search(engine, question, Validators().validate)


def edits(turns: tuple[Turn, ...]) -> list[tuple[Edit, ...]]:
    return [turn.edits for turn in turns]


def argument(name: str, before: Any, after: Any) -> Edit:
    return Edit(kind="argument", path=(name,), before=before, after=after)


def test_a_refusal_is_turned_by_the_nearest_value_and_by_a_group() -> None:
    found = search(SAM, "shop___refund", {"amount": 480}).turns()

    assert edits(found) == [
        (argument("amount", 480, 100),),
        (Edit(kind="group", path=("leads",), was_there=False),),
    ]
    assert found[0].verdict.policies == ("small",)


def test_a_permit_is_turned_by_the_nearest_value_and_by_a_group() -> None:
    found = search(SAM, "shop___refund", {"amount": 40}).turns()

    assert edits(found) == [
        (argument("amount", 40, 101),),
        (Edit(kind="group", path=("support",), is_there=False),),
    ]
    assert found[0].verdict.policies == ("large",)


def test_where_one_change_is_not_enough_a_few_together_are_found() -> None:
    found = search(principal("eve"), "shop___refund", {"amount": 480}).turns()

    assert {edit for turn in found for edit in turn.edits} == {
        Edit(kind="group", path=("support",), was_there=False),
        argument("amount", 480, 100),
    }


def test_three_conditions_that_all_fail_are_changed_together() -> None:
    (found,) = search(SAM, "mail___send", {"price": 4000, "to": "bob@evil.com"}).turns()

    assert set(found.edits) == {
        argument("price", 4000, 10),
        argument("to", "bob@evil.com", "bob@example.com"),
        Edit(kind="claim", path=("role",), was_there=False, after="lead"),
    }
    assert found.verdict.is_permitted


def test_a_time_is_found_to_the_millisecond_before_and_after() -> None:
    found = search(SAM, "door___open", {}, NOON).turns()

    day = NOON - 12 * 3600
    assert [turn.edits[0].after for turn in found] == [day + 17 * 3600, day - 0.001]


def test_between_two_numbers_the_first_that_turns_it_is_found() -> None:
    found = search(SAM, "shop___pay", {"price": 2, "fee": 5}).turns()

    assert (argument("price", 2, 32),) in edits(found)
    assert (argument("fee", 5, 94),) in edits(found)


def test_what_does_not_fit_the_tool_is_no_way_out() -> None:
    text = '@id("p") permit(principal, action, resource) when { context.input.amount > 1000 };'
    found = search(SAM, "shop___refund", {"amount": 5}, text=text).turns()

    assert found == ()


def test_a_policy_that_fails_is_no_way_out_of_a_permit() -> None:
    text = """@id("p") permit(principal, action, resource)
    when { context.input.amount * 9223372036854775807 < 0 || context.input.amount < 2 };"""
    found = search(SAM, "shop___refund", {"amount": 1}, text=text)

    assert found.verdict.is_permitted
    assert all(not turn.verdict.errors for turn in found.turns())


def test_a_refusal_because_a_policy_failed_is_turned_by_what_it_does_not_fail_on() -> None:
    text = """@id("p") permit(principal, action, resource)
    when { context.input.amount * 9223372036854775807 > 0 };"""
    found = search(SAM, "shop___refund", {"amount": 2}, text=text)

    assert found.verdict.errors
    assert (argument("amount", 2, 1),) in edits(found.turns())


def test_a_policy_set_that_does_not_fit_the_tool_is_turned_by_nothing() -> None:
    text = '@id("p") permit(principal, action, resource) when { context.input.absent == 1 };'

    assert search(SAM, "shop___refund", {"amount": 5}, text=text).turns() == ()


def test_the_search_ends_within_its_bounds_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("callgate.policy.nearest.MAX_TRIALS", 5)
    found = search(SAM, "shop___pay", {"price": 500, "fee": 500})
    found.turns()

    assert found.is_cut_short
    assert not search(SAM, "shop___refund", {"amount": 5}).is_cut_short


@given(st.integers(0, 1000), st.sampled_from(["support", "leads", "none"]))
def test_every_turn_is_what_the_engine_says(amount: int, group: str) -> None:
    one = search(principal("sam", groups=[group]), "shop___refund", {"amount": amount})

    for turn in one.turns():
        assert turn.verdict.is_permitted is not one.verdict.is_permitted
        for edit in turn.edits:
            if edit.kind == "argument" and len(turn.edits) == 1:
                again = search(
                    principal("sam", groups=[group]), "shop___refund", {"amount": edit.after}
                )
                step = 1 if edit.after < amount else -1
                nearer = search(
                    principal("sam", groups=[group]), "shop___refund", {"amount": edit.after + step}
                )
                assert again.verdict.is_permitted is turn.verdict.is_permitted
                assert nearer.verdict.is_permitted is one.verdict.is_permitted


@pytest.mark.parametrize("who", [SAM, principal("eve")])
def test_a_question_is_never_changed_itself(who: Principal) -> None:
    arguments = {"amount": 480}
    search(who, "shop___refund", arguments).turns()

    assert arguments == {"amount": 480}


@pytest.mark.parametrize("amount", [1e30, 1e300, -1e300, 2**70, 1.7976931348623157e308])
def test_numbers_of_any_size_are_searched_from(amount: float) -> None:
    pay = tool(
        "shop___pay",
        {"type": "object", "properties": {"amount": {"type": "integer"}}, "required": ["amount"]},
    )
    policy = """
    @id("small") permit(principal, action == Callgate::Action::"shop___pay", resource)
    when { context.input.amount <= 100 };
    """
    engine = Engine(read_policies([("p", policy)]), Names())
    question = Question(
        principal=principal("ada"), tool=pay, arguments={"amount": amount}, enriched={}, now=0.0
    )
    search = Search(engine, question, lambda _tool, _arguments: None)
    assert not search.verdict.is_permitted
    for turn in search.turns():
        assert turn.verdict.is_permitted
