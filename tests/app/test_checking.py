"""What is wrong with the policies in force, and what is said of it."""

from __future__ import annotations

import logging

import pytest

from callgate.app.checking import Checks, changed, concerned
from callgate.policy.names import Names
from callgate.policy.source import Policy, read_policies
from callgate.policy.validation import Finding


def policies(text: str) -> tuple[Policy, ...]:
    return read_policies([("p", text)])


def a_policy(identifier: str, scope: str = "action", more: str = "") -> str:
    return f'@id("{identifier}") permit(principal, {scope}, resource){more};\n'


def on(action: str) -> str:
    return f'action == Callgate::Action::"{action}"'


A, B = policies(a_policy("a") + a_policy("b"))
MISFIT = Finding(policy="a", source="p", message="does not fit shop___refund")


def test_a_finding_is_said_once_and_its_end_too(caplog: pytest.LogCaptureFixture) -> None:
    checks = Checks()
    with caplog.at_level(logging.INFO, logger="callgate"):
        checks.take([A, B], [MISFIT])
        checks.take([A, B], [MISFIT])
        present = checks.present
        checks.take([A, B], [])

    assert present == (MISFIT,)
    assert not checks.present
    assert [record.getMessage() for record in caplog.records] == [
        "policy a (p): does not fit shop___refund",
        "policy a (p): it fits again",
    ]


def test_what_is_not_looked_at_stays(caplog: pytest.LogCaptureFixture) -> None:
    checks = Checks()
    checks.take([A, B], [MISFIT])
    checks.take([B], [])
    assert checks.present == (MISFIT,)

    checks.keep_only({"b"})
    assert not checks.present


def test_only_errors_that_nobody_lives_with_yet_are_new() -> None:
    checks = Checks()
    checks.take([A], [MISFIT])
    hint = Finding(policy="b", source="p", message="hint", is_error=False)
    worse = Finding(policy="a", source="p", message="does not fit shop___other")

    assert checks.are_new([MISFIT, hint, worse]) == [worse]


def test_a_policy_has_changed_where_it_says_something_else() -> None:
    old = policies(a_policy("a") + a_policy("b") + a_policy("gone"))
    new = policies("\n" + a_policy("a") + a_policy("b", more=" when { true }") + a_policy("came"))

    assert [policy.id for policy in changed(old, new)] == ["b", "came"]


@pytest.mark.parametrize(
    ("scope", "more", "is_concerned"),
    [
        ("action", "", True),
        (on("shop___refund"), "", True),
        ('action in Callgate::Action::"shop"', "", True),
        ('action in Callgate::Action::"CallTool"', "", True),
        ('action in Callgate::Action::"resources/read"', "", True),
        (on("shopping___refund"), "", False),
        (on("other___refund"), f" unless {{ {on('shop___refund')} }}", True),
        (on("other___refund"), "", False),
    ],
)
def test_a_change_of_a_target_concerns_what_may_speak_of_it(
    scope: str, more: str, is_concerned: bool
) -> None:
    (policy,) = policies(a_policy("a", scope, more))

    assert concerned([policy], Names(), "shop") == ([policy] if is_concerned else [])
