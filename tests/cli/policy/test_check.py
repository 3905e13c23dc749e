"""`callgate policy check`: valid, fitting, and what it means; in three forms."""

import json
import shlex
from pathlib import Path

import pytest

from callgate.authoring import analysing
from fakes.desk import POLICIES, ask

T = ("check", "--tools", "tools.json", "--no-meaning")
FILE = Path("policies/shop.cedar")
MISSPELT = '\n@id("x") permit (principal, action == Callgate::Action::"shop___refnd", resource);\n'
UNKNOWN = (
    '\n@id("y") forbid (principal, action == Callgate::Action::"shop___refund", resource)\n'
    "when { context.input has nmae };\n"
)


def test_policies_that_are_right_have_no_findings(desk: Path) -> None:
    checked = ask(*T)

    assert checked.exit_code == 0
    lines = checked.stdout.splitlines()
    assert lines[0].startswith("3 policies in 1 file: 2 permit, 1 forbid (version ")
    assert lines[1:] == ["target shop: 2 tools", "no findings"]


def test_a_finding_stands_under_its_file_with_place_line_and_caret(desk: Path) -> None:
    FILE.write_text(POLICIES + MISSPELT)
    checked = ask(*T)

    assert checked.exit_code == 1
    assert checked.stdout.splitlines()[2:] == [
        "",
        "policies/shop.cedar",
        '  27:39   error    x: no tool, method or target is called "shop___refnd": it can never '
        'match; did you mean "shop___refund"?  [unknown_action]',
        '          27 | @id("x") permit (principal, action == Callgate::Action::"shop___refnd", resource);',
        "             |                                       ^",
        "",
        "1 error",
    ]


def test_every_file_that_is_no_cedar_is_named(desk: Path) -> None:
    Path("policies/a.cedar").write_text("permit(;")
    Path("policies/b.cedar").write_text("\n  forbid(principal, action, resource) when { x };")
    checked = ask(*T)

    assert checked.exit_code == 1
    lines = checked.stdout.splitlines()
    assert "policies/a.cedar" in lines and "policies/b.cedar" in lines
    assert lines[-1] == "2 errors"


def test_an_id_that_is_used_twice_is_one_error(desk: Path) -> None:
    Path("policies/twice.cedar").write_text(POLICIES)
    checked = ask(*T)

    assert checked.exit_code == 1
    assert 'the id "support-refunds" is used in shop.cedar:1 already' in checked.stdout


@pytest.mark.parametrize(
    ("option", "code"), [("error", 0), ("warning", 1), ("never", 0)]
)  # fmt: skip
def test_what_counts_can_be_chosen(desk: Path, option: str, code: int) -> None:
    FILE.write_text(POLICIES + UNKNOWN)
    checked = ask(*T, "--fail-on", option)

    assert checked.exit_code == code
    assert 'has "input.nmae": it is never there; did you mean' not in checked.stdout
    assert checked.stdout.endswith("\n1 warning\n")


def test_findings_can_be_had_as_json(desk: Path) -> None:
    FILE.write_text(POLICIES + MISSPELT)
    (issue,) = json.loads(ask(*T, "--format", "json").stdout)["issues"]

    assert {key: issue[key] for key in ("rule", "level", "file", "line", "column", "policy")} == {
        "rule": "unknown_action",
        "level": "error",
        "file": "policies/shop.cedar",
        "line": 27,
        "column": 39,
        "policy": "x",
    }


def test_findings_can_be_had_as_sarif(desk: Path) -> None:
    FILE.write_text(POLICIES + MISSPELT)
    checked = ask(*T, "--format", "sarif")
    (result,) = json.loads(checked.stdout)["runs"][0]["results"]

    assert checked.exit_code == 1
    region = result["locations"][0]["physicalLocation"]["region"]
    assert (result["ruleId"], region) == ("unknown_action", {"startLine": 27, "startColumn": 39})


def test_nothing_is_asked_offline(desk: Path) -> None:
    Path("callgate.yaml").write_text(
        Path("callgate.yaml").read_text().replace("python: shop", "command: [no-such-program]")
    )
    checked = ask("check", "--offline")

    assert checked.exit_code == 0
    assert checked.stdout.splitlines()[1:] == [
        "whether they fit the tools was not looked at: --offline",
        "no findings",
    ]


def test_a_silent_target_is_named_and_what_is_not_known_of_it(desk: Path) -> None:
    Path("tools.json").write_text("{}")
    checked = ask(*T)

    assert checked.exit_code == 0
    assert checked.stdout.splitlines()[1:] == [
        "target shop: cannot be asked now (it is not in the snapshot)",
        "policies on the tools of shop were not looked at: it is not in the snapshot",
        "no findings",
    ]


def test_policies_that_permit_nothing_are_said(desk: Path) -> None:
    FILE.write_text("")

    assert "no policy permits anything: every call will be refused" in ask(*T).stdout


def test_a_configuration_that_cannot_be_read_exits_with_two(desk: Path) -> None:
    Path("callgate.yaml").write_text("gatewy: {}\n")

    assert ask("check").exit_code == 2


def test_meaning_waits_until_policies_fit(desk: Path) -> None:
    FILE.write_text(POLICIES + MISSPELT)
    checked = ask("check", "--tools", "tools.json")

    assert "meaning was not looked at: policies have to fit their tools first" in checked.stdout


def test_where_no_solver_is_installed_that_is_said(
    desk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(analysing, "is_available", lambda: False)
    checked = ask("check", "--tools", "tools.json")

    assert checked.exit_code == 0
    assert "meaning was not looked at: install callgate[analysis]\n" in checked.stdout


EVERYONE = '\n@id("z") permit (principal, action == Callgate::Action::"shop___report", resource);\n'


@pytest.mark.e2e
def test_meaning_is_proven_and_shown_with_a_request_that_can_be_tried(desk: Path) -> None:
    FILE.write_text(POLICIES + EVERYONE)
    checked = ask("check", "--tools", "tools.json", "--agentcore-names", "--fail-on", "never")

    assert checked.exit_code == 0
    lines = checked.stdout.splitlines()
    about = next(line for line in lines if "[allows_everyone]" in line)
    assert "everyone may use shop___report" in about and "ALLOW_ALL" in about
    command = next(line for line in lines[lines.index(about) :] if "callgate policy try" in line)
    tried = ask(*shlex.split(command)[2:], "--tools", "tools.json")
    assert (tried.exit_code, tried.stdout.splitlines()[0]) == (0, "permitted by z")
    assert any("leads-report: " in line and "[shadowed]" in line for line in lines)


@pytest.mark.e2e
def test_what_is_about_a_tool_stands_at_the_policy_that_decides_it_in_sarif(desk: Path) -> None:
    FILE.write_text(POLICIES + EVERYONE)
    checked = ask("check", "--tools", "tools.json", "--format", "sarif", "--fail-on", "never")

    results = json.loads(checked.stdout)["runs"][0]["results"]
    assert {
        one["ruleId"]: one["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        for one in results
    } == {"allows_everyone": "policies/shop.cedar", "shadowed": "policies/shop.cedar"}


@pytest.mark.parametrize("count", [60, 200])
def test_many_terms_in_a_row_have_no_findings(desk: Path, count: int) -> None:
    row = " || ".join(f"context.input.amount == {n}" for n in range(count))
    FILE.write_text(
        f'{POLICIES}\n@id("row") forbid (principal, action == Callgate::Action::"shop___refund", '
        f"resource) when {{ {row} }};"
    )

    assert "no findings" in ask(*T).stdout


@pytest.mark.parametrize(
    ("terms", "problem"),
    [
        ([f"context.input.amount == {n} ||" for n in range(1000)], "terms in a row; split"),
        ([f"if context.input.amount == {n} then true else" for n in range(60)], "split the policy"),
        ([f"(context.input.amount == {n} ||" for n in range(200)], "simplify"),
    ],
)
def test_a_policy_that_goes_too_deep_is_said_with_its_place(
    desk: Path, terms: list[str], problem: str
) -> None:
    FILE.write_text(
        f"{POLICIES}\nforbid (principal, action, resource)\nwhen {{ {' '.join(terms)} true "
        + ")" * sum(term.startswith("(") for term in terms)
        + " };"
    )
    checked = ask(*T)

    assert checked.exit_code == 1
    assert "policies/shop.cedar" in checked.stdout
    assert problem in checked.stdout
