"""Findings in words."""

from callgate.policy.analysis.findings import (
    RULES,
    Example,
    Finding,
    FindingKind,
    Report,
    Severity,
    Undecided,
)
from fakes.calls import a_principal


def a_finding(kind: FindingKind, policy: str, *aliases: str) -> Finding:
    return Finding(
        kind=kind,
        severity=Severity.WARNING,
        policies=(policy, "other"),
        tools=("shop___refund",),
        message="…",
        aliases=aliases,
    )


def test_every_kind_is_explained_in_its_order() -> None:
    assert [rule.kind for rule in RULES] == list(FindingKind)


def test_an_example_is_one_sentence() -> None:
    example = Example(
        principal=a_principal("ada", "finance", "ops"),
        principal_type="OAuthUser",
        tool="shop___refund",
        arguments={"amount": 5},
        enriched={},
        now=0.0,
        outcome="permitted by small",
    )

    assert example.sentence() == (
        'OAuthUser "ada" in finance, ops calls shop___refund with {"amount":5}: permitted by small'
    )


def test_agentcores_names_are_told_of_the_policy_that_a_finding_is_about() -> None:
    report = Report(
        findings=(
            a_finding(FindingKind.NEVER_MATCHES, "a", "ALLOW_NONE"),
            a_finding(FindingKind.SHADOWED, "b"),
        ),
        undecided=(Undecided(question="?", tools=(), reason="…", policies=("c",)),),
        tools=1,
        environments=1,
        queries=1,
    )

    assert report.aliases_of("a") == ("ALLOW_NONE",)
    assert report.aliases_of("b") == ("VALID",)
    assert report.aliases_of("other") == ("VALID",)
    assert report.aliases_of("c") == ("NOT_TRANSLATABLE",)
