"""What policies in scope read of a call, and what is left of them at a tool."""

from typing import Any

import pytest

from callgate.policy.decisions import tool
from callgate.policy.names import Names
from callgate.policy.parts import Choice, Part
from callgate.policy.plans import Plans
from callgate.policy.source import read_policies
from callgate.policy.tooling import Tooling

NAMES = Names()
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"sure": {"type": "integer"}, "maybe": {"type": "integer"}},
    "required": ["sure"],
}
TEXT = """
@id("all") permit (principal, action, resource);
@id("none") permit (principal, action, resource) when { context.input has none };
@id("some") forbid (principal, action, resource)
  when { context.input has sure && context.input has maybe && context.input.maybe > 5 };
@id("wrong") forbid (principal, action, resource) when { context.input.sure like "x" };
"""
POLICIES = {policy.id: policy for policy in read_policies([("p", TEXT)])}


def part(*ids: str) -> Part:
    tooling = Tooling(NAMES, {})
    plans = Plans(POLICIES.values(), NAMES, tooling)
    at = tool("shop___buy", SCHEMA)
    action = plans.action((at.target, at.method, at.digest), at)
    return plans.part(action, tuple(POLICIES[one] for one in ids))


def test_what_policies_read_is_read_together() -> None:
    choice = Choice(frozenset(("all", "some")), (POLICIES["all"], POLICIES["some"]))

    assert choice.has_permit
    assert choice.reads_context
    assert not choice.reads_time
    assert choice.chains == {("input", "sure"), ("input", "maybe")}


def test_at_a_tool_only_what_can_matter_is_left_and_only_that_is_read() -> None:
    found = part("all", "none", "some")

    assert [one.policy.id for one in found.deciders.left] == ["all", "some"]
    assert list(found.deciders.context.fields["input"].shape.fields) == ["maybe"]
    assert list(found.context.fields["input"].shape.fields) == ["sure", "maybe"]


@pytest.mark.parametrize(("ids", "reads"), [(("all", "none"), False), (("all", "some"), True)])
def test_where_nothing_is_read_any_more_the_verdict_is_always_the_same(
    ids: tuple[str, ...], reads: bool
) -> None:
    assert part(*ids).deciders.reads_context is reads


def test_a_policy_that_does_not_fit_the_tool_is_a_problem_of_all() -> None:
    found = part("all", "wrong")

    assert found.invalid == {"wrong"}
    assert found.problem == "policy wrong does not fit the tool's schema"
    assert part("all", "some").problem is None
