"""The analysis in processes of its own: all tools, within limits, and the solver's death survived."""

import subprocess
import sys
from typing import Any

import pytest

from callgate.authoring import analysing
from callgate.authoring.analysing import AnalysisUnavailable, Limits, analyse, compare
from callgate.policy.analysis.compare import Relation
from callgate.policy.analysis.environments import environments
from callgate.policy.analysis.findings import FindingKind
from fakes.calls import a_tool
from fakes.subjects import a_payment, a_subject

BEFORE = """
@id("all") permit(principal is Callgate::OAuthUser, action in Callgate::Action::"shop", resource);
@id("p") permit when { context.input.amount < 100 };
"""
AFTER = BEFORE.replace("100", "200")


def test_a_policy_set_is_analysed_in_other_processes() -> None:
    found = analyse(a_subject(BEFORE, a_payment(), a_payment("charge")), Limits(workers=2))

    assert found.findings == ()
    assert (found.tools, found.environments, found.undecided) == (2, 2, ())
    assert found.queries > 0


def test_two_policy_sets_are_compared_where_they_differ() -> None:
    subject = a_subject(BEFORE, a_payment(), a_payment("charge"))

    found = compare(subject, a_subject(AFTER).policies, Limits(workers=1))

    (difference,) = found.differences
    assert (difference.tool, difference.principal_type) == ("shop___refund", "UnauthenticatedUser")
    assert difference.relation is Relation.MORE_PERMISSIVE
    assert difference.gained is not None and difference.gained.tool == "shop___refund"
    assert (found.changed_policies, found.tools, found.compared) == (("p",), 2, 1)
    assert found.relation() is Relation.MORE_PERMISSIVE
    assert found.undecided == ()


def test_equal_sets_need_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(analysing, "_Worker", None)
    subject = a_subject(BEFORE)

    assert compare(subject, subject.policies).is_equivalent


def test_without_the_solver_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(analysing, "is_available", lambda: False)

    with pytest.raises(AnalysisUnavailable, match=r"install callgate\[analysis\]"):
        analyse(a_subject(BEFORE))
    with pytest.raises(AnalysisUnavailable, match=r"install callgate\[analysis\]"):
        compare(a_subject(BEFORE), ())


def test_callgate_is_imported_without_the_solver() -> None:
    code = (
        "import sys; sys.modules['z3'] = None\n"
        "import callgate.authoring.analysing, callgate.cli\n"
        "import callgate.policy.analysis.compare, callgate.policy.analysis.findings\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        ("fakes.solvers:that_dies", "the process of the solver died"),
        ("fakes.solvers:that_hangs", "its analysis was ended after 5 s"),
        ("fakes.solvers:that_raises", "internal error: ValueError: no"),
    ],
)
def test_a_solver_that_fails_leaves_a_question_open_and_the_rest_answered(
    function: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(analysing, "CHECK", function)
    tools = [a_payment("fails"), a_payment("works"), a_payment("also_works")]
    text = "".join(
        f'permit(principal, action == Callgate::Action::"{tool.qualified_name}", resource);'
        for tool in tools
    )  # each has a policy of its own, or they would be one to the analysis

    seconds = 5 if "hangs" in function else 60  # also for what works, in a process of its own
    found = analyse(a_subject(text, *tools), Limits(environment_seconds=seconds, workers=1))

    assert [(one.tools, one.reason) for one in found.undecided] == [(("shop___fails",), reason)]
    assert {(one.kind, one.tools) for one in found.findings} == {
        (FindingKind.ALLOWS_EVERYONE, ("shop___works",)),
        (FindingKind.ALLOWS_EVERYONE, ("shop___also_works",)),
    }


def test_more_terms_in_a_row_than_can_be_handed_over_are_an_open_question() -> None:
    row = " || ".join(f"context.input.amount == {number}" for number in range(240))
    subject = a_subject(f"{BEFORE} forbid when {{ {row} }};", a_payment())

    found = analyse(subject, Limits(workers=1))

    assert [one.reason for one in found.undecided] == [
        "a policy has too many terms in a row for its analysis"
    ]


def test_a_comparison_that_is_not_finished_is_undecided_for_everybody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(analysing, "COMPARE", "fakes.solvers:that_dies")
    tool = a_payment("fails")
    subject = a_subject("permit(principal, action, resource);", tool)

    found = compare(subject, (), Limits(workers=1))

    assert {(one.principal_type, one.relation, one.reason) for one in found.differences} == {
        (name, Relation.UNDECIDED, "the process of the solver died")
        for name in ("OAuthUser", "UnauthenticatedUser")
    }
    assert len(found.undecided) == 2


def test_an_environment_is_told_for_each_of_its_tools() -> None:
    schema: dict[str, Any] = {"type": "object"}
    tools = [a_tool("shop", name, schema) for name in ("a", "b")]
    subject = a_subject('@id("p") permit(principal, action, resource);', *tools)

    found = compare(subject, (), Limits(workers=1))

    assert len(environments(subject)) == 1
    assert [one.tool for one in found.differences] == [
        "shop___a",
        "shop___a",
        "shop___b",
        "shop___b",
    ]
    assert all(one.lost is not None and one.lost.tool == one.tool for one in found.differences)
