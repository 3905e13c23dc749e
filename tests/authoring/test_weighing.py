import pytest

from callgate.authoring import weighing
from callgate.authoring.analysing import Limits
from callgate.authoring.grounding import Ground
from callgate.authoring.weighing import NOT_LOOKED_AT, Weighed
from callgate.policy.names import Names
from callgate.policy.source import Policy, read_policies
from fakes.calls import a_tool

pytest.importorskip("z3")

PERMIT = '@id("all") permit(principal is Callgate::OAuthUser, action, resource);'
HEAD = '@id("draft") @mode("shadow") forbid(principal, action, resource)'


def a_ground(*texts: str) -> Ground:
    policies = read_policies((f"p{n}", text) for n, text in enumerate(texts))
    return Ground(names=Names(), tools=(a_tool(), a_tool(name="other")), policies=policies)


def drafted(text: str) -> Policy:
    (policy,) = read_policies([("draft", text)])
    return policy


def weigh(ground: Ground, policy: Policy) -> Weighed:
    """With time enough for a machine that has other things to do."""
    return weighing.weigh(ground, policy, Limits(query_seconds=30.0))


def test_a_policy_that_does_what_it_should_gives_nothing_to_say() -> None:
    policy = drafted(f"{HEAD} when {{ context.input.amount > 1000 }};")

    assert weigh(a_ground(PERMIT), policy) == Weighed()


def test_a_policy_that_never_matches_is_a_problem() -> None:
    policy = drafted(f"{HEAD} when {{ context.input.amount > 9 && context.input.amount < 5 }};")

    weighed = weigh(a_ground(PERMIT), policy)

    assert len(weighed.problems) == 1 and weighed.problems[0].startswith("draft: ")


def test_a_policy_that_may_fail_is_a_doubt_with_an_example() -> None:
    policy = drafted(f"{HEAD} when {{ context.input.amount * 1000000 > 1000 }};")

    (doubt,) = weigh(a_ground(PERMIT), policy).doubts

    assert doubt.startswith("draft: ") and "for example, " in doubt and "amount" in doubt


def test_what_closes_a_tool_or_is_said_already_is_noted() -> None:
    closing = weigh(a_ground(PERMIT), drafted(f"{HEAD};"))
    again = weigh(
        a_ground(PERMIT, HEAD.replace("draft", "old").replace(' @mode("shadow")', "") + ";"),
        drafted(f"{HEAD} when {{ context.input.amount > 5 }};"),
    )

    assert closing.notes and not closing.problems
    assert any("old" in note for note in again.notes)


def test_only_the_tools_in_scope_are_looked_at() -> None:
    policy = drafted(
        '@id("draft") forbid(principal, action == Callgate::Action::"shop___other", resource);'
    )

    assert all("refund" not in note for note in weigh(a_ground(PERMIT), policy).notes)


def test_without_a_solver_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weighing, "is_available", lambda: False)

    assert weigh(a_ground(PERMIT), drafted(f"{HEAD};")) == Weighed(notes=(NOT_LOOKED_AT,))
