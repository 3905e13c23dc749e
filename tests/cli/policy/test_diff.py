"""`callgate policy diff`: what a change of policies means, proven, with a request for each side."""

import json
import shlex
from pathlib import Path

import pytest

from callgate.authoring import analysing
from callgate.cli.policy.diff import Edit, edits
from callgate.cli.policy.grounds import Chosen, ground
from fakes.desk import POLICIES, ask

T = ("diff", "--tools", "tools.json")
FILE = Path("policies/shop.cedar")


@pytest.fixture
def before(desk: Path) -> str:
    """The policies as they were."""
    Path("before.cedar").write_text(POLICIES)
    return "before.cedar"


def test_the_same_policies_decide_alike(before: str) -> None:
    compared = ask(*T, before)

    assert (compared.exit_code, compared.stdout) == (0, "the policies are the same\n")


def test_another_layout_is_no_difference(before: str) -> None:
    ask("fmt")

    assert FILE.read_text() != POLICIES
    assert ask(*T, before).stdout == "the policies are the same\n"


def test_a_shadow_policy_decides_nothing(before: str) -> None:
    FILE.write_text(POLICIES + '@id("s") @mode("shadow") permit (principal, action, resource);')
    compared = ask(*T, before)

    assert (compared.exit_code, compared.stdout.splitlines()) == (
        0,
        [
            "added s (policies/shop.cedar:26)",
            "",
            "no tool is decided otherwise: only policies that decide nothing differ",
        ],
    )


@pytest.mark.e2e
def test_what_becomes_more_and_what_less_permitted_is_shown(before: str) -> None:
    changed = POLICIES.replace("> 100", "> 1000").replace('Group::"leads",\n', 'Group::"bosses",\n')
    FILE.write_text(changed)
    compared = ask(*T, before)
    lines = compared.stdout.splitlines()

    assert compared.exit_code == 1
    assert lines[:4] == [
        "changed large-refunds-need-a-lead (policies/shop.cedar:8)",
        "changed leads-report (policies/shop.cedar:20)",
        "",
        "shop___refund, for OAuthUser: more permissive",
    ]
    assert "shop___report, for OAuthUser: incomparable" in lines
    assert lines[-1] == "2 of 2 tools differ: incomparable"
    command = lines[5].strip()
    assert lines[4].startswith("  now permitted: ")
    sides = [ask(*shlex.split(command)[2:], "--tools", "tools.json", "--policies", side).exit_code
             for side in (before, "policies")]  # fmt: skip
    assert sides == [1, 0]


@pytest.mark.e2e
def test_the_exit_code_can_be_zero_and_the_form_json(before: str) -> None:
    FILE.write_text(POLICIES.replace("> 100", "> 99"))
    compared = ask(*T, before, "policies", "--format", "json", "--exit-zero")
    said = json.loads(compared.stdout)

    assert compared.exit_code == 0
    assert said["relation"] == "less permissive"
    assert said["edits"] == [
        {
            "policy": "large-refunds-need-a-lead",
            "what": "changed",
            "place": "policies/shop.cedar:8",
        }
    ]
    (first, *_) = said["comparison"]["differences"]
    assert (first["tool"], first["lost"]["arguments"]["amount"]) == ("shop___refund", 100)


@pytest.mark.e2e
def test_a_change_that_changes_nothing_is_proven_so(before: str) -> None:
    FILE.write_text(
        POLICIES.replace("context.input.amount > 100", "!(context.input.amount <= 100)")
    )
    compared = ask(*T, before)

    assert compared.exit_code == 0
    assert compared.stdout.splitlines()[-1] == "no tool is decided otherwise: proven for 2 tools"


def test_policies_that_are_on_one_side_only_are_named(desk: Path) -> None:
    Path("other.cedar").write_text(POLICIES.replace("leads-report", "bosses-report"))
    tools = Path("tools.json")
    first = ground(Chosen(tools=tools))
    second = ground(Chosen(tools=tools, policies=(Path("other.cedar"),)))

    assert list(edits(first, second)) == [
        Edit(policy="bosses-report", what="added", place="other.cedar:20"),
        Edit(policy="leads-report", what="removed", place="policies/shop.cedar:20"),
    ]


def test_without_a_solver_a_change_cannot_be_judged(
    before: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(analysing, "is_available", lambda: False)
    FILE.write_text(POLICIES.replace("> 100", "> 99"))
    compared = ask(*T, before)

    assert (compared.exit_code, "install callgate[analysis]" in compared.stderr) == (2, True)


def test_an_answer_for_a_part_of_the_tools_is_none(before: str) -> None:
    Path("tools.json").write_text("{}")
    FILE.write_text(POLICIES.replace("> 100", "> 99"))
    compared = ask(*T, before)

    assert (compared.exit_code, "not every tool is known" in compared.stderr) == (2, True)


@pytest.mark.parametrize("side", ["none", "git:none", "bad.cedar"])
def test_a_side_that_cannot_be_read_is_named(before: str, side: str) -> None:
    Path("bad.cedar").write_text("permit(;")
    compared = ask(*T, side)

    assert (compared.exit_code, compared.stdout) == (2, "")
    assert compared.stderr.startswith("Error: ")
