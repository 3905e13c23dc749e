"""What processes hand to each other arrives as it was sent."""

import pickle

import pytest

from callgate.policy.analysis.checked import Checked, Compared
from callgate.policy.analysis.checking import checked
from callgate.policy.analysis.differing import compared
from callgate.policy.analysis.environments import changed_environments, environments
from fakes.subjects import a_payment, a_subject

BEFORE = a_subject(
    """
    @id("sum") forbid when { context.input.amount + 1 > 100 };
    @id("never") permit when { context.input.currency == "GBP" };
    @id("all") permit;
    @id("euros") permit when { context.input.currency == "EUR" };
    """,
    a_payment(),
)
AFTER = a_subject("permit when { context.input.amount < 10 };").policies


def a_check() -> Checked:
    return checked(BEFORE, environments(BEFORE)[0], 5.0)


def a_comparison() -> Compared:
    return compared(BEFORE, changed_environments(BEFORE, AFTER)[0], 5.0)


@pytest.mark.parametrize(
    "sent",
    [
        BEFORE,
        *environments(BEFORE),
        *changed_environments(BEFORE, AFTER),
        a_check(),
        a_comparison(),
    ],
    ids=lambda sent: type(sent).__name__,
)
def test_it_arrives_as_it_was_sent(sent: object) -> None:
    assert pickle.loads(pickle.dumps(sent)) == sent


def test_what_is_sent_back_says_everything() -> None:
    found = a_check()

    assert [one.policy for one in found.standings] == ["sum", "never", "all", "euros"]
    assert [one.matches for one in found.standings] == [True, False, True, True]
    assert found.standings[0].failed is not None
    assert found.standings[3].covered_alone_by == ("all",)
    assert {one.principal_type for one in a_comparison().differing} == {
        "OAuthUser",
        "UnauthenticatedUser",
    }
