"""`callgate policy what-can`: permitted, depends, refused."""

import json
from pathlib import Path

import pytest

from fakes.desk import ask

T = ("what-can", "--tools", "tools.json")


def test_tools_are_told_by_what_becomes_of_their_calls(desk: Path) -> None:
    said = ask(*T, "--as", "sam")

    assert said.exit_code == 0
    assert said.stdout.splitlines() == [
        "depends: 1 tool",
        "  shop___refund",
        "    permit members of support  (support-refunds, policies/shop.cedar:1)",
        "    forbid everybody, when context.input.amount > 100  "
        "(large-refunds-need-a-lead, policies/shop.cedar:8)",
        "refused: 1 tool",
        "  shop___report  (no policy permits this call)",
    ]
    assert ask(*T, "--as", "lea").stdout.splitlines() == [
        "permitted, whatever the arguments: 2 tools",
        "  shop___refund",
        "  shop___report",
    ]


def test_anybody_can_be_described(desk: Path) -> None:
    said = json.loads(ask(*T, "ada", "--group", "leads", "--json").stdout)

    assert said["principal"] == "ada"
    assert [(one["tool"], one["reach"]) for one in said["tools"]] == [
        ("shop___refund", "refused"),
        ("shop___report", "permitted"),
    ]


def test_methods_are_told_where_wanted(desk: Path) -> None:
    said = ask(*T, "--as", "lea", "--methods")

    assert "  shop___tools/list" in said.stdout.splitlines()
    assert "  shop___resources/read  (no policy permits this call)" in said.stdout.splitlines()


def test_tools_of_a_silent_target_are_not_known(desk: Path) -> None:
    text = Path("callgate.yaml").read_text()
    Path("callgate.yaml").write_text(text.replace("targets:", "targets:\n  web: {python: web}"))

    said = ask(*T, "--as", "lea").stdout.splitlines()
    assert said[-1] == "not known: the tools of web (it is not in the snapshot)"


@pytest.mark.parametrize("words", [(), ("ada", "--target", "none"), ("--as", "nobody")])
def test_what_cannot_be_said_exits_with_two(desk: Path, words: tuple[str, ...]) -> None:
    assert ask(*T, *words).exit_code == 2
