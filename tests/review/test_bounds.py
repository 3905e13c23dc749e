"""The greatest numbers that policies let through are read out of their conditions."""

import pytest

from callgate.policy.decisions import tool
from callgate.policy.names import Names
from callgate.policy.source import read_policies
from callgate.review.bounds import bounds_of

REFUND = tool("shop___refund", {"type": "object", "properties": {"amount": {"type": "integer"}}})
HEAD = '(principal, action == Callgate::Action::"shop___refund", resource)'


@pytest.mark.parametrize(
    ("policy", "number"),
    [
        ("permit {} when {{ context.input.amount <= 100 }};", 100),
        ("permit {} when {{ context.input.amount < 100 }};", 99),
        ("permit {} when {{ 100 >= context.input.amount }};", 100),
        ("permit {} when {{ !(context.input.amount > 100) }};", 100),
        ("permit {} unless {{ context.input.amount >= 100 }};", 99),
        ("forbid {} when {{ context.input.amount > 100 }};", 100),
        ("forbid {} when {{ context.input.amount >= 100 && principal has tenant }};", 99),
        ("forbid {} unless {{ context.input.amount <= 100 }};", 100),
        ('permit {} when {{ context.input.amount.lessThan(decimal("1.5")) }};', 1.4999),
    ],
)
def test_a_maximum_is_found_however_it_is_written(policy: str, number: float) -> None:
    (found,) = bounds_of(read_policies([("p.cedar", policy.format(HEAD))]), Names(), [REFUND])

    assert (found.tool, found.path, found.number) == ("shop___refund", ("amount",), number)
    assert found.policy == "p.cedar#1"


@pytest.mark.parametrize(
    "policy",
    [
        "permit {} when {{ context.input.amount >= 100 }};",
        "forbid {} when {{ context.input.amount < 100 }};",
        "permit {} when {{ context.input.amount == 100 }};",
        "permit {} when {{ context.input.amount <= context.input.limit }};",
        "permit {} when {{ context.input.amount + 1 <= 100 }};",
        "permit {} when {{ context.derived.note.length <= 100 }};",
        '@mode("shadow") permit {} when {{ context.input.amount <= 100 }};',
        'permit (principal, action == Callgate::Action::"shop___other", resource) when {{ context.input.amount <= 9 }};',
    ],
)
def test_what_sets_no_maximum_for_an_argument_of_this_tool_is_none(policy: str) -> None:
    assert not bounds_of(read_policies([("p.cedar", policy.format(HEAD))]), Names(), [REFUND])


def test_a_number_that_several_policies_say_is_one_bound() -> None:
    text = f"permit {HEAD} when {{ context.input.amount <= 100 }};" * 2

    assert len(bounds_of(read_policies([("p.cedar", text)]), Names(), [REFUND])) == 1
