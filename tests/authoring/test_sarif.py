"""SARIF as the standard has it: rules, results, places; the same fingerprint for the same issue."""

import json
from typing import Any

from msgspec.structs import replace

from callgate.authoring.issues import Issue, Level
from callgate.authoring.sarif import FINGERPRINT, sarif_text
from callgate.policy.analysis.findings import Example, Undecided
from callgate.version import VERSION
from fakes.calls import a_principal

MISFIT = Issue(
    rule="does_not_fit",
    level=Level.ERROR,
    message="does not fit shop___refund",
    file="policies/a b.cedar",
    line=3,
    column=7,
    policy="p",
    tools=("shop___refund",),
)
EVERYONE = Issue(
    rule="allows_everyone",
    level=Level.NOTE,
    message="everyone may",
    tools=("shop___report",),
    aliases=("ALLOW_ALL",),
    example=Example(
        principal=a_principal("ada", "g"),
        principal_type="OAuthUser",
        tool="shop___report",
        arguments={"month": "x"},
        enriched={},
        now=0.0,
        outcome="permitted by p",
    ),
)


def run_of(*issues: Issue, undecided: tuple[Undecided, ...] = ()) -> Any:
    document = json.loads(sarif_text(issues, undecided))
    assert document.keys() == {"$schema", "version", "runs"}
    assert document["version"] == "2.1.0"
    (run,) = document["runs"]
    return run


def test_an_issue_is_a_result_at_its_place_with_its_rule() -> None:
    run = run_of(EVERYONE, MISFIT)
    driver = run["tool"]["driver"]
    second, first = run["results"]

    assert driver["semanticVersion"] == VERSION
    assert [rule["id"] for rule in driver["rules"]] == ["does_not_fit", "allows_everyone"]
    assert [driver["rules"][one["ruleIndex"]]["id"] for one in (first, second)] == [
        first["ruleId"],
        second["ruleId"],
    ]
    assert first["level"] == "error"
    assert first["message"] == {"text": "p: does not fit shop___refund"}
    assert first["locations"] == [
        {
            "physicalLocation": {
                "artifactLocation": {"uri": "policies/a%20b.cedar"},
                "region": {"startLine": 3, "startColumn": 7},
            }
        }
    ]
    assert first["properties"] == {"policy": "p", "tools": ["shop___refund"]}


def test_an_issue_about_a_tool_has_no_place_and_shows_its_example() -> None:
    (result,) = run_of(EVERYONE)["results"]

    assert "locations" not in result
    assert result["message"]["text"].endswith(
        'Example: OAuthUser "ada" in g calls shop___report with {"month":"x"}: permitted by p'
    )
    assert result["properties"]["agentcore"] == ["ALLOW_ALL"]
    assert result["properties"]["example"]["principal"]["id"] == "ada"


def test_an_issue_about_a_tool_stands_in_a_file_where_review_needs_one() -> None:
    document = json.loads(sarif_text([EVERYONE, MISFIT], elsewhere="callgate.yaml"))

    places = [
        one["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        for one in document["runs"][0]["results"]
    ]
    assert places == ["callgate.yaml", "policies/a%20b.cedar"]


def test_what_was_not_decided_is_told_apart_from_what_was_found() -> None:
    undecided = Undecided(question="does p match?", tools=(), reason="the solver gave up")
    run = run_of(undecided=(undecided,))

    assert run["results"] == []
    assert run["invocations"] == [
        {
            "executionSuccessful": True,
            "toolExecutionNotifications": [
                {"level": "note", "message": {"text": "does p match? the solver gave up"}}
            ],
        }
    ]


def test_an_issue_that_moves_in_its_file_keeps_its_fingerprint() -> None:
    same, moved, other = (
        one["partialFingerprints"][FINGERPRINT]
        for one in run_of(MISFIT, replace(MISFIT, line=9), replace(MISFIT, policy="q"))["results"]
    )

    assert same == moved != other
