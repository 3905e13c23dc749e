"""From what holds at single tools to findings about the set: few, proven, each said once."""

import re
from pathlib import Path
from typing import Any

import pytest

from callgate.authoring.issues import Level
from callgate.model import Tool
from callgate.policy.analysis.checked import Checked, Doubt
from callgate.policy.analysis.checking import checked
from callgate.policy.analysis.collecting import report
from callgate.policy.analysis.environments import environments
from callgate.policy.analysis.findings import Finding, FindingKind, Report, Severity
from fakes.calls import a_tool
from fakes.subjects import a_payment, a_subject

SHOP = 'action in Callgate::Action::"shop", resource'
REFUND = 'action == Callgate::Action::"shop___refund", resource'
SEARCH = a_tool("shop", "search", {"type": "object", "properties": {"q": {"type": "string"}}})


def reported(text: str, *tools: Tool, **more: Any) -> Report:
    subject = a_subject(text, *tools, **more)
    return report(subject, [checked(subject, one, 5.0) for one in environments(subject)])


def told(text: str, *tools: Tool, **more: Any) -> list[tuple[FindingKind, tuple[str, ...]]]:
    return [(one.kind, one.policies) for one in reported(text, *tools, **more).findings]


def only(text: str, *tools: Tool, **more: Any) -> Finding:
    (finding,) = reported(text, *tools, **more).findings
    return finding


PAGE = Path(__file__).parents[3] / "docs" / "policy-analysis.md"
SECTION = re.compile(r"### (\w+)\n\n```cedar\n(.*?)```\n\n> ([^\n]+)", re.DOTALL)


@pytest.mark.parametrize(("kind", "policies", "message"), SECTION.findall(PAGE.read_text("utf-8")))
def test_the_page_says_what_is_found(kind: str, policies: str, message: str) -> None:
    found = reported(policies, a_payment(), SEARCH).findings

    assert (kind, message) in {(finding.kind.value, finding.message) for finding in found}


def test_the_page_has_every_kind_with_its_names_and_level() -> None:
    page = PAGE.read_text("utf-8")

    assert {kind for kind, _, _ in SECTION.findall(page)} == {kind.value for kind in FindingKind}
    rows = dict(re.findall(r"^\| \[`(\w+)`\]\(#\w+\) \| (\w+) \|", page, re.MULTILINE))
    assert rows.keys() == {kind.value for kind in FindingKind}
    assert set(rows.values()) <= {level.value for level in Level}


def test_a_sound_policy_set_has_no_findings() -> None:
    assert (
        told(
            f"""
            @id("staff search") permit(principal in Callgate::Group::"staff", {SHOP})
              unless {{ context.meta.extra.contains("debug") }};
            @id("finance") permit(principal in Callgate::Group::"finance", {REFUND})
              when {{ context.input.amount < 1000 }};
            @id("bosses") permit(principal in Callgate::Group::"bosses", {REFUND});
            @id("no guests") forbid(principal is Callgate::UnauthenticatedUser, {REFUND});
            @id("tenant") forbid(principal, {SHOP})
              unless {{ principal has tenant && principal.tenant == "acme" }};
            """,
            a_payment(),
            SEARCH,
            a_payment("charge"),
        )
        == []
    )


def test_a_policy_for_many_tools_need_not_match_for_each() -> None:
    text = f"""
    @id("q") permit(principal in Callgate::Group::"a", {SHOP})
      when {{ context.input has q && context.input.q like "a*" }};
    """

    assert told(text, SEARCH, a_payment()) == []
    assert told(text, a_payment()) == [(FindingKind.NEVER_MATCHES, ("q",))]


def test_a_policy_that_never_matches_is_said_in_its_own_words() -> None:
    finding = only(
        """
        @id("gone") permit when { context.input.amount > 9 &&
          context.input.amount
          < 5 } unless { context.input has note };
        """
    )

    assert finding == Finding(
        kind=FindingKind.NEVER_MATCHES,
        severity=Severity.ERROR,
        policies=("gone",),
        tools=("shop___refund",),
        message="it never permits anything: `context.input.amount > 9` and "
        "`context.input.amount < 5` never hold together",
        aliases=("ALLOW_NONE",),
    )


def test_a_policy_whose_time_is_over_never_matches() -> None:
    text = '@id("old") forbid when { context.system.now < datetime("2024-01-01") };'

    assert told(text) == []
    finding = only(text, since=1_790_000_000.0)
    assert finding.aliases == ("DENY_NONE",)
    assert finding.message == (
        'it never forbids anything: `context.system.now < datetime("2024-01-01")` never holds'
    )


def test_a_scope_that_nobody_is_in_is_said() -> None:
    text = f'@id("iam") permit(principal is Callgate::IamEntity, {REFUND});'

    assert only(text).message == "it never permits anything: nobody who can call is in its scope"


def test_of_two_that_are_alike_the_later_is_superfluous() -> None:
    text = """
    @id("one") permit when { context.input.amount < 10 };
    @id("two") permit when { !(context.input.amount >= 10) };
    """
    finding = only(text)

    assert (finding.kind, finding.policies) == (FindingKind.SHADOWED, ("two", "one"))
    assert finding.message == "everything that it permits, one permits already"
    assert finding.example is not None
    assert finding.example.outcome == "permitted by one, two"


def test_what_is_superfluous_can_be_deleted_all_at_once() -> None:
    found = told(
        """
        @id("low") permit when { context.input.amount < 10 };
        @id("high") permit when { context.input.amount >= 10 };
        @id("dollars") permit when { context.input.currency == "USD" };
        @id("euros") permit when { context.input.currency == "EUR" };
        """
    )

    assert (FindingKind.REDUNDANT, ("euros", "high", "low")) in found
    assert (FindingKind.REDUNDANT, ("dollars", "high", "low")) in found
    assert len([kind for kind, _ in found if kind is FindingKind.REDUNDANT]) == 2


def test_a_policy_that_is_needed_at_one_tool_is_not_superfluous() -> None:
    text = f"""
    @id("refunds") permit(principal in Callgate::Group::"a", {REFUND});
    @id("all") permit(principal in Callgate::Group::"a", {SHOP});
    """

    assert told(text, a_payment(), SEARCH) == [(FindingKind.SHADOWED, ("refunds", "all"))]


def test_a_permit_and_a_forbid_of_the_same_contradict_each_other() -> None:
    finding = only(
        """
        @id("yes") permit when { context.input.currency == "EUR" };
        @id("no") forbid when { context.input.currency != "USD" };
        """
    )

    assert (finding.kind, finding.policies, finding.aliases) == (
        FindingKind.CONTRADICTORY,
        ("yes", "no"),
        ("ALLOW_NONE",),
    )


def test_a_forbid_that_also_stands_elsewhere_overrides() -> None:
    text = f"""
    @id("refunds") permit(principal, {REFUND});
    @id("searches") permit(principal in Callgate::Group::"a", {SHOP});
    @id("closed") forbid(principal, {SHOP}) unless {{ context.input has q }};
    """

    found = told(text, a_payment(), SEARCH)
    assert found[0] == (FindingKind.OVERRIDDEN, ("refunds", "closed"))


def test_a_tool_that_a_permit_names_and_nobody_can_use_is_a_contradiction() -> None:
    finding = only(
        """
        @id("p") permit when { context.input.amount < 10 };
        @id("low") forbid when { context.input.amount < 5 };
        @id("high") forbid when { context.input.amount >= 5 };
        @id("broken") @mode("shadow") permit;
        """
    )

    assert (finding.kind, finding.policies[0]) == (FindingKind.OVERRIDDEN, "p")


def test_a_tool_that_is_closed_on_purpose_is_a_remark() -> None:
    finding = only(
        f'@id("all") permit(principal in Callgate::Group::"a", {SHOP}); @id("none") forbid;',
        a_payment(),
        SEARCH,
    )

    assert (finding.kind, finding.severity) == (FindingKind.DENIES_EVERYONE, Severity.INFO)
    assert (finding.policies, finding.tools) == (("none",), ("shop___refund",))
    assert finding.aliases == ("DENY_ALL",)


def test_a_tool_that_everyone_may_use_is_told() -> None:
    finding = only('@id("all") permit;')

    assert (finding.kind, finding.policies) == (FindingKind.ALLOWS_EVERYONE, ("all",))
    assert finding.aliases == ("ALLOW_ALL",)
    assert finding.example is not None
    assert finding.example.principal_type == "UnauthenticatedUser"
    assert told("permit(principal is Callgate::OAuthUser, action, resource);") == []


def test_conditions_that_make_no_difference_are_told() -> None:
    group = f'principal in Callgate::Group::"a", {REFUND}'
    finding = only(f'@id("idle") permit({group}) when {{ context.input.amount >= 0 }};')

    assert (finding.kind, finding.aliases) == (FindingKind.ALWAYS_MATCHES, ())
    found = told('@id("idle") forbid when { context.input.amount >= 0 };')
    assert found == [(FindingKind.ALWAYS_MATCHES, ("idle",))]


def test_a_policy_that_may_fail_is_told_beside_what_else_it_does() -> None:
    found = told(
        """
        @id("all") permit when { context.input.amount < 100 };
        @id("sum") forbid when { context.input.amount + 1 > 50 };
        """
    )

    assert found == [(FindingKind.MAY_ERROR, ("sum",))]


def test_an_open_question_is_asked_once_for_all_tools() -> None:
    doubt = Doubt(question="?", reason="late", policies=("p",))
    subject = a_subject("permit;")

    found = report(
        subject,
        [Checked(tools=("b",), doubts=(doubt,)), Checked(tools=("a", "c"), doubts=(doubt,))],
    )

    assert [(one.question, one.reason, one.policies, one.tools) for one in found.undecided] == [
        ("?", "late", ("p",), ("a", "b", "c"))
    ]
    assert (found.tools, found.environments, found.findings) == (1, 2, ())
    assert "flat groups" in found.hierarchy
