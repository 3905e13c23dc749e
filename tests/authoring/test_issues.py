"""Issues of every check have one form, with place and level."""

import pytest

from callgate.authoring.issues import (
    RULES,
    Issue,
    Level,
    in_order,
    meanings,
    misfits,
    unreadable,
)
from callgate.policy import validation
from callgate.policy.analysis.findings import Finding, FindingKind, Severity
from callgate.policy.source import PolicyError, read_policies


def shown(source: str) -> str:
    return f"policies/{source}"


def test_a_text_that_is_no_cedar_is_an_error_at_its_place() -> None:
    with pytest.raises(PolicyError) as raised:
        read_policies([("a.cedar", "permit(principal action, resource);")])

    assert unreadable(raised.value, shown) == Issue(
        rule="not_cedar",
        level=Level.ERROR,
        message="not valid Cedar: unexpected token `action`",
        file="policies/a.cedar",
        line=1,
        column=18,
        excerpt="1 | permit(principal action, resource);\n  |                  ^",
    )


def test_what_validation_found_keeps_rule_and_place() -> None:
    found = validation.Finding(
        policy="p", source="a.cedar", message="m", is_error=False, rule="unknown_attribute",
        line=3, column=4, tools=("shop___refund",),
    )  # fmt: skip

    assert list(misfits([found], shown)) == [
        Issue(
            rule="unknown_attribute",
            level=Level.WARNING,
            message="m",
            file="policies/a.cedar",
            line=3,
            column=4,
            policy="p",
            tools=("shop___refund",),
        )
    ]


def test_what_the_analysis_proved_stands_at_its_policy_or_at_none() -> None:
    policies = read_policies([("a.cedar", '\n @id("p") permit(principal, action, resource);')])
    about_policy = Finding(
        kind=FindingKind.SHADOWED, severity=Severity.WARNING, policies=("p", "q"), tools=("t",),
        message="m", aliases=("ALLOW_ALL",),
    )  # fmt: skip
    about_tool = Finding(
        kind=FindingKind.ALLOWS_EVERYONE, severity=Severity.INFO, policies=(), tools=("t",),
        message="n",
    )  # fmt: skip

    assert list(meanings([about_policy, about_tool], policies, shown)) == [
        Issue(
            rule="shadowed",
            level=Level.WARNING,
            message="m",
            file="policies/a.cedar",
            line=2,
            column=2,
            policy="p",
            tools=("t",),
            aliases=("ALLOW_ALL",),
        ),
        Issue(rule="allows_everyone", level=Level.NOTE, message="n", tools=("t",)),
    ]


def test_every_kind_of_issue_has_a_rule() -> None:
    assert RULES.keys() == {"not_cedar", *validation.RULES, *(kind.value for kind in FindingKind)}
    assert all(rule.title and rule.help for rule in RULES.values())


def test_issues_stand_in_the_order_of_their_places() -> None:
    def an_issue(file: str | None, line: int | None) -> Issue:
        return Issue(rule="r", level=Level.NOTE, message="", file=file, line=line)

    issues = [an_issue(None, None), an_issue("b", 1), an_issue("a", 9), an_issue("a", 2)]
    assert [(one.file, one.line) for one in in_order(issues)] == [
        ("a", 2),
        ("a", 9),
        ("b", 1),
        (None, None),
    ]
