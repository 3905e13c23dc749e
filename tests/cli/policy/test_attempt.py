"""`callgate policy try`: one request, its verdict, and why."""

import json
from pathlib import Path

import pytest

from fakes.desk import ask

REFUND = ("try", "--tools", "tools.json", "--tool", "shop___refund", "--arg", "order=A")


def test_a_permitted_request_exits_with_zero_and_says_by_what(desk: Path) -> None:
    tried = ask(*REFUND, "--as", "sam", "--arg", "amount=100")

    assert tried.exit_code == 0
    assert tried.stdout.splitlines()[:2] == [
        "permitted by support-refunds",
        "  permit support-refunds (policies/shop.cedar:1) applies",
    ]


def test_a_refused_request_exits_with_one_and_says_why_and_what_would_change_it(desk: Path) -> None:
    tried = ask(*REFUND, "--principal", "ada", "--group", "support", "--arg", "amount=500")
    lines = tried.stdout.splitlines()

    assert tried.exit_code == 1
    assert lines[:3] == [
        "refused: forbidden by large-refunds-need-a-lead",
        "the agent is told: Hand this over to a lead.",
        "  forbid large-refunds-need-a-lead (policies/shop.cedar:8) applies",
    ]
    assert any("[context.input.amount = 500]" in line for line in lines)
    assert any(line.startswith("  would be permitted if") for line in lines)


def test_arguments_are_checked_as_the_gateway_checks_them(desk: Path) -> None:
    tried = ask(*REFUND, "--as", "sam", "--args", '{"amount": "many"}')

    assert tried.exit_code == 1
    assert tried.stdout.startswith("refused: the arguments do not fit the tool: /amount")


def test_everything_can_be_had_as_json(desk: Path) -> None:
    tried = ask(*REFUND, "--as", "lea", "--arg", "amount=500", "--fact", "risk.score=3",
                "--at", "2026-10-01T12:00Z", "--json")  # fmt: skip
    said = json.loads(tried.stdout)

    assert tried.exit_code == 0
    assert {
        key: said[key] for key in ("ruling", "policies", "principal", "arguments", "at", "facts")
    } == {
        "ruling": "permit",
        "policies": ["support-refunds"],
        "principal": "lea",
        "arguments": {"order": "A", "amount": 500},
        "at": "2026-10-01T12:00:00.000Z",
        "facts": {"risk": {"score": 3}},
    }
    assert [policy["state"] for policy in said["account"]["policies"]] == [
        "satisfied",
        "unsatisfied",
    ]


@pytest.mark.parametrize(
    "words",
    [
        ("--as", "nobody"),
        (),
        ("--as", "sam", "--fact", "x.y=1"),
        ("--as", "sam", "--arg", "amount"),
        ("--as", "sam", "--at", "noon"),
    ],
)
def test_what_cannot_be_decided_exits_with_two(desk: Path, words: tuple[str, ...]) -> None:
    assert ask(*REFUND, *words).exit_code == 2


def test_targets_are_asked_where_there_is_no_snapshot(desk: Path) -> None:
    words = [word for word in REFUND if word not in ("--tools", "tools.json")]

    assert ask(*words, "--as", "sam", "--arg", "amount=1").exit_code == 0
