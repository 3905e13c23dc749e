"""A request as words: values are what the tool's schema takes them for."""

import shlex
from pathlib import Path
from typing import Any

import click
import pytest

from callgate.cli.policy.asking import (
    Pairs,
    Who,
    arguments_of,
    command_of,
    facts_of,
    json_or_text,
    principal_of,
    tool_of,
)
from callgate.cli.policy.grounds import CannotSay, Chosen, Grounds, ground
from callgate.model import Principal
from callgate.policy.analysis.findings import Example
from callgate.protocol.methods import method_tool
from fakes.calls import a_tool
from fakes.desk import ask


@pytest.fixture
def grounds(desk: Path) -> Grounds:
    return ground(Chosen(tools=Path("tools.json")))


@pytest.mark.parametrize(
    ("text", "value"),
    [("5", 5), ("true", True), ('"5"', "5"), ("a b", "a b"), ("[1, 2]", [1, 2]), ("01", "01"),
     ('{"a": 1, "a": 2}', '{"a": 1, "a": 2}'), ("null", None), ("NaN", "NaN")],
)  # fmt: skip
def test_a_value_is_json_or_else_a_text(text: str, value: Any) -> None:
    assert json_or_text(text) == value


def test_where_the_tool_takes_a_text_it_is_one() -> None:
    single = (("customer", "17"), ("note", '"quoted"'), ("amount", "5"), ("more", "x"))

    assert arguments_of(a_tool(), '{"amount": 1, "kept": [2]}', single) == {
        "customer": "17",
        "note": "quoted",
        "amount": 5,
        "more": "x",
        "kept": [2],
    }


def test_all_arguments_may_stand_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "call.json"
    file.write_text('{"amount": 3}')

    assert arguments_of(a_tool(), f"@{file}", ()) == {"amount": 3}


@pytest.mark.parametrize(
    ("written", "said"),
    [("{", "not JSON"), ("[1]", "must be a JSON object"), ("@none.json", "cannot be read"),
     ('{"a": 1, "a": 2}', "twice")],
)  # fmt: skip
def test_what_are_no_arguments_is_said(written: str, said: str) -> None:
    with pytest.raises(CannotSay, match=said):
        arguments_of(a_tool(), written, ())


def test_a_principal_is_described_or_taken_from_the_configuration(grounds: Grounds) -> None:
    who = Who(groups=("g",), claims=(("role", "lead"), ("level", "3")), agent="a", tenant="t")

    assert principal_of(who, "ada", grounds) == Principal(
        id="ada",
        issuer="https://issuer.example",
        kind="jwt",
        claims={"role": "lead", "level": 3},
        groups=("g",),
        agent="a",
        tenant="t",
    )
    assert principal_of(Who(kind="api_key"), "ada", grounds).issuer == "callgate"
    assert principal_of(Who(issuer="https://i"), "ada", grounds).issuer == "https://i"
    assert principal_of(Who(named="sam"), None, grounds).agent == "support-agent"


@pytest.mark.parametrize(
    ("who", "identifier", "said"),
    [
        (Who(), None, "say who calls: --principal ID, or --as NAME"),
        (Who(named="sma"), None, "knows no principal 'sma'; did you mean 'sam'?"),
        (Who(named="sam", groups=("leads",)), None, "--as takes a principal whole"),
        (Who(named="sam"), "ada", "--as takes a principal whole"),
    ],
)
def test_a_principal_that_is_not_clear_is_said(
    grounds: Grounds, who: Who, identifier: str | None, said: str
) -> None:
    with pytest.raises(CannotSay, match=said.replace("?", r"\?")):
        principal_of(who, identifier, grounds)


def test_a_tool_has_its_full_name_its_own_where_that_is_clear_or_is_a_method(
    grounds: Grounds,
) -> None:
    assert tool_of("shop___refund", grounds) == tool_of("refund", grounds)
    assert tool_of("shop___resources/read", grounds) == method_tool("shop", "resources/read")


@pytest.mark.parametrize("name", ["shop___refnd", "refnd"])
def test_a_tool_that_is_not_there_is_said_with_the_nearest(grounds: Grounds, name: str) -> None:
    with pytest.raises(CannotSay, match="did you mean 'shop___refund'"):
        tool_of("shop___refnd", grounds)


def test_facts_are_those_that_interceptors_declare() -> None:
    known = {"risk": {"score": "integer", "label": "string"}}

    assert facts_of((("risk.score", "7"), ("risk.label", "7")), known) == {
        "risk": {"score": 7, "label": "7"}
    }
    with pytest.raises(CannotSay, match=r"the fact 'risk.scor'; did you mean 'risk.score'"):
        facts_of((("risk.scor", "7"),), known)


def test_an_example_can_be_tried_as_it_is_written(desk: Path) -> None:
    example = Example(
        principal=Principal(id="it's", issuer="https://i", kind="jwt", groups=("support",),
                            claims={"n": [1]}, tenant="t"),
        principal_type="OAuthUser",
        tool="shop___refund",
        arguments={"order": "a b", "amount": 101},
        enriched={"risk": {"score": 1}},
        now=0.0,
        outcome="",
    )  # fmt: skip
    words = command_of(example)
    assert words.startswith("callgate policy try --principal 'it'\"'\"'s' --group support")

    tried = ask(*shlex.split(words)[2:], "--tools", "tools.json", "--json")
    assert (tried.exit_code, '"at": "1970-01-01T00:00:00.000Z"' in tried.stdout) == (1, True)


def test_what_is_no_pair_is_refused() -> None:
    with pytest.raises(click.BadParameter, match="is not of the form name=value"):
        Pairs().convert("a", None, None)
