"""`callgate policy who-can`: by name, and in general."""

import json
from pathlib import Path

import pytest

from callgate.cli.policy.who_can import named
from fakes.calls import a_principal
from fakes.desk import ask

T = ("who-can", "--tools", "tools.json")


def test_principals_of_the_configuration_and_scopes_of_policies_are_told(desk: Path) -> None:
    said = ask(*T, "shop___refund")

    assert said.exit_code == 0
    assert said.stdout.splitlines() == [
        "shop___refund",
        "",
        "principals",
        "  sam      permitted; refused when context.input.amount > 100",
        "  lea      permitted",
        "  visitor  refused: no policy permits this call",
        "",
        "the policies permit",
        "  members of support  (support-refunds, policies/shop.cedar:1)",
        "",
        "and forbid",
        "  everybody, when context.input.amount > 100, unless principal in "
        'Callgate::Group::"leads"  (large-refunds-need-a-lead, policies/shop.cedar:8)',
    ]


def test_arguments_that_are_known_decide(desk: Path) -> None:
    large = ask(*T, "shop___refund", "--arg", "amount=101").stdout
    small = ask(*T, "shop___refund", "--args", '{"amount": 5}').stdout

    assert "  sam      refused: forbidden by large-refunds-need-a-lead" in large.splitlines()
    assert "  sam      permitted" in small.splitlines()
    assert "and forbid" not in small


def test_a_tool_that_nobody_may_use_says_so(desk: Path) -> None:
    Path("policies/shop.cedar").write_text("")

    assert ask(*T, "shop___report").stdout.endswith("the policies permit\n  nobody\n")


def test_the_same_can_be_had_as_json(desk: Path) -> None:
    said = json.loads(ask(*T, "shop___report", "--json").stdout)

    assert said["tool"] == "shop___report"
    assert [(one["id"], one["reach"]) for one in said["principals"]] == [
        ("sam", "refused"),
        ("lea", "permitted"),
        ("visitor", "refused"),
    ]
    assert said["permits"] == [
        {
            "policy": "leads-report",
            "source": "shop.cedar",
            "line": 20,
            "who": "members of leads",
            "conditions": "",
        }
    ]


@pytest.mark.parametrize(
    "words",
    [("shop___refnd",), ("shop___refund", "--from-record"), ("shop___refund", "--args", "5")],
)
def test_what_cannot_be_said_exits_with_two(desk: Path, words: tuple[str, ...]) -> None:
    assert ask(*T, *words).exit_code == 2


def test_principals_with_one_id_are_told_apart_and_the_latest_is_kept() -> None:
    latest, same = a_principal("ada", "new"), a_principal("ada", "old")
    agent = a_principal("ada", agent="desk")

    assert named([latest, same, a_principal("bob"), agent]) == {
        "ada (no agent, https://idp)": latest,
        "bob": a_principal("bob"),
        "ada (desk, https://idp)": agent,
    }
