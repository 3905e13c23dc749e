"""Two policy sets at one tool: a request for each direction, which Cedar confirmed."""

from typing import Any

from callgate.policy.analysis.checked import Differing
from callgate.policy.analysis.compare import Relation
from callgate.policy.analysis.differing import compared
from callgate.policy.analysis.environments import changed_environments
from fakes.subjects import CUBES, IS_33, a_subject


def differing(before: str, after: str, *tools: Any, seconds: float = 60.0) -> dict[str, Differing]:
    subject = a_subject(before, *tools)
    found = [
        compared(subject, environment, seconds)
        for environment in changed_environments(subject, a_subject(after, *tools).policies)
    ]
    return {one.principal_type: one for each in found for one in each.differing}


def test_a_wider_bound_is_more_permissive() -> None:
    found = differing(
        '@id("p") permit when { context.input.amount < 100 };',
        '@id("p") permit when { context.input.amount < 200 };',
    )

    assert {one.relation for one in found.values()} == {Relation.MORE_PERMISSIVE}
    gained = found["OAuthUser"].gained
    assert gained is not None and 100 <= gained.arguments["amount"] < 200
    assert gained.outcome == "permitted by p after; no policy permits this call before"
    assert found["OAuthUser"].lost is None


def test_a_forbid_for_some_is_less_permissive_for_them_alone() -> None:
    found = differing(
        "permit;",
        'permit; @id("f") forbid(principal is Callgate::UnauthenticatedUser, action, resource);',
    )

    assert found.keys() == {"UnauthenticatedUser"}
    assert found["UnauthenticatedUser"].relation is Relation.LESS_PERMISSIVE
    lost = found["UnauthenticatedUser"].lost
    assert lost is not None
    assert lost.outcome == "permitted by a.cedar#1 before; forbidden by f after"


def test_another_bound_in_both_directions_is_incomparable() -> None:
    found = differing(
        "permit when { context.input.amount < 100 };", "permit when { context.input.amount > 50 };"
    )

    assert {one.relation for one in found.values()} == {Relation.INCOMPARABLE}
    assert all(one.gained and one.lost for one in found.values())


def test_other_words_for_the_same_are_no_difference() -> None:
    found = differing(
        'permit when { context.input.amount < 100 && context.input.currency == "EUR" };'
        "forbid when { context.input.amount < 0 };",
        'permit when { !(context.input.amount >= 100) } unless { context.input.currency == "USD" };',
    )

    assert found == {}


def test_a_failing_policy_is_a_difference() -> None:
    found = differing("permit;", "permit; permit when { context.input.amount + 1 > 0 };")

    assert {one.relation for one in found.values()} == {Relation.LESS_PERMISSIVE}
    lost = found["OAuthUser"].lost
    assert lost is not None and lost.arguments["amount"] == 2**63 - 1


def test_a_policy_that_does_not_fit_refuses_what_is_in_its_scope() -> None:
    found = differing("permit;", "permit; forbid when { context.input.nothing == 5 };")

    assert {one.relation for one in found.values()} == {Relation.LESS_PERMISSIVE}


def test_a_shadow_policy_makes_no_difference() -> None:
    assert differing("permit;", 'permit; @mode("shadow") forbid;') == {}


def test_what_the_solver_gives_up_on_is_undecided() -> None:
    found = differing("permit;", f"permit; forbid when {{ {IS_33} }};", CUBES, seconds=0.2)

    assert {one.relation for one in found.values()} == {Relation.UNDECIDED}
    assert {one.reason for one in found.values()} == {"the solver gave up after 0.2 s"}
