"""What each policy of a tool does, proven, with requests that Cedar confirmed."""

from typing import Any

from callgate.policy.analysis.checked import Checked, Standing
from callgate.policy.analysis.checking import checked
from callgate.policy.analysis.environments import environments
from callgate.policy.analysis.findings import Example
from fakes.subjects import CUBES, IS_33, a_subject


def check(text: str, **more: Any) -> Checked:
    subject = a_subject(text, **more)
    (environment,) = environments(subject)
    return checked(subject, environment, 5.0)


def standings(text: str, **more: Any) -> dict[str, Standing]:
    return {one.policy: one for one in check(text, **more).standings}


def test_a_policy_that_never_matches_says_which_clauses_rule_it_out() -> None:
    found = standings(
        """
        @id("none") permit when { context.input.amount > 9 && context.input.note == "x" && context.input.amount < 5 };
        @id("guarded") permit when { context.input.amount > 9 && context.input.amount < 5 && context.input has note };
        @id("schema") permit when { context.input.currency == "GBP" };
        @id("scope") permit(principal is Callgate::IamEntity, action == Callgate::Action::"shop___refund", resource);
        """
    )

    assert found["none"].is_left_out  # an unguarded optional argument does not type-check
    assert (found["guarded"].matches, found["guarded"].because) == (False, (1, 2))
    assert (found["schema"].matches, found["schema"].because) == (False, (1,))
    assert (found["scope"].matches, found["scope"].because) == (False, (0,))


def test_a_policy_that_some_verdict_rests_on_is_neither_covered_nor_cancelled() -> None:
    found = standings(
        """
        @id("small") permit when { context.input.amount < 100 };
        @id("euros") permit when { context.input.currency == "EUR" };
        @id("huge") forbid when { context.input.amount > 5000 };
        """
    )

    assert found == {
        name: Standing(policy=name, matches=True) for name in ("small", "euros", "huge")
    }


def test_a_covered_policy_names_what_covers_it() -> None:
    found = standings(
        """
        @id("small") permit when { context.input.amount < 100 };
        @id("rest") permit when { context.input.amount >= 50 };
        @id("tiny") permit when { context.input.amount < 10 };
        @id("dollars") permit when { context.input.currency == "USD" };
        """
    )

    assert found["tiny"].covered_alone_by == ("small",)
    assert found["dollars"].covered_by == ("small", "rest")
    assert found["dollars"].covered_alone_by == ()
    assert isinstance(found["dollars"].matched, Example)


def test_a_cancelled_permit_names_what_stops_it_and_its_mirror() -> None:
    found = standings(
        """
        @id("euros") permit when { context.input.currency == "EUR" };
        @id("no euros") forbid when { context.input.currency != "USD" };
        @id("ten") permit when { context.input.amount == 10 && context.input.currency == "USD" };
        @id("no tens") forbid when { context.input.amount > 5 && context.input.amount < 11 };
        """
    )

    assert (found["euros"].stopped_by, found["euros"].mirrored_by) == (("no euros",), "no euros")
    assert (found["ten"].stopped_by, found["ten"].mirrored_by) == (("no tens",), "")
    assert found["ten"].matched is not None
    assert found["ten"].matched.outcome == "forbidden by no tens"


def test_a_policy_that_can_fail_comes_with_a_request_on_which_it_does() -> None:
    found = standings(
        """
        @id("sum") forbid when { context.input.amount + 1 > 100 };
        @id("bounded") forbid when { context.input.amount < 1000 && context.input.amount + 1 > 100 };
        """
    )

    assert found["sum"].failed is not None
    assert found["sum"].failed.arguments["amount"] == 2**63 - 1
    assert (found["bounded"].may_fail, found["bounded"].failed) == (False, None)


def test_conditions_that_hold_in_all_of_the_scope_are_idle() -> None:
    group = (
        'principal in Callgate::Group::"x", action == Callgate::Action::"shop___refund", resource'
    )
    found = standings(
        f"""
        @id("idle") permit({group}) when {{ context.input.amount >= 0 }};
        @id("plain") forbid({group});
        """
    )

    assert (found["idle"].is_idle, found["plain"].is_idle) == (True, False)


def test_a_shadow_policy_decides_nothing_but_is_looked_at() -> None:
    found = check(
        """
        @id("all") permit;
        @id("trial") @mode("shadow") forbid;
        @id("void") @mode("shadow") forbid when { context.input.amount < 0 };
        """
    )

    assert (found.is_open, found.is_closed) == (True, False)
    assert [one.matches for one in found.standings] == [True, True, False]


def test_a_tool_that_all_may_use_has_a_request_without_identity() -> None:
    found = check("permit; permit when { context.input.amount > 5 };")

    assert found.is_open
    assert found.opened is not None
    assert found.opened.principal_type == "UnauthenticatedUser"


def test_a_tool_that_nobody_may_use_has_a_request_that_a_permit_asks_for_in_vain() -> None:
    found = check("permit when { context.input.amount > 5 }; forbid;")

    assert (found.is_closed, found.is_open) == (True, False)
    assert found.refused is not None
    assert check("forbid;").is_closed is False


def test_what_the_solver_gives_up_on_is_a_doubt() -> None:
    subject = a_subject(f'@id("hard") permit when {{ {IS_33} }};', CUBES)
    (environment,) = environments(subject)

    found = checked(subject, environment, 0.2)

    (standing,) = found.standings
    assert standing.matches is None
    assert ("does it ever match?", "the solver gave up after 0.2 s", ("hard",)) in [
        (doubt.question, doubt.reason, doubt.policies) for doubt in found.doubts
    ]
