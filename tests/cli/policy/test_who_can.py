"""`callgate policy who-can`: by name, and in general."""

import json
from pathlib import Path

import pytest

from callgate.audit.principals import Recalled
from callgate.cli.policy.who_can import named
from callgate.model import Principal
from callgate.storage.settings import StoreSettings
from fakes.calls import a_principal
from fakes.desk import ask
from fakes.history import a_history
from fakes.losing import lose_descriptions

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
    latest, same, agent, bob, sam = (
        Recalled(principal=one)
        for one in (
            a_principal("ada", "new"),
            a_principal("ada", "old"),
            a_principal("ada", agent="desk"),
            a_principal("bob"),
            a_principal("sam"),
        )
    )

    assert named([latest, same, bob, agent, sam], taken=["sam"]) == {
        "ada (no agent, https://idp)": latest,
        "bob": bob,
        "ada (desk, https://idp)": agent,
        "sam (no agent, https://idp)": sam,
    }


BY_CLAIM = """
@id("by-claim")
permit (
  principal,
  action == Callgate::Action::"shop___report",
  resource == Callgate::Gateway::"main"
) when { principal.hasTag("role") && principal.getTag("role") == "auditor" };
"""
GIL = a_principal("gil", "temps", issuer="https://idp", claims={"role": "auditor", "exp": 1})


def seen(*calls: tuple[Principal, int]) -> StoreSettings:
    """A record of the desk, where it looks for one."""
    with Path("policies/shop.cedar").open("a") as file:
        file.write(BY_CLAIM)
    settings = StoreSettings(path=Path("callgate.db").absolute())
    a_history(settings.path, *calls)
    return settings


def of(said: str, name: str) -> list[str]:
    return [line for line in said.splitlines() if line.startswith(f"  {name}")]


def test_who_is_known_from_the_record_has_the_claims_of_its_last_call(desk: Path) -> None:
    before = a_principal("gil", "temps", claims={"role": "clerk"})
    other = a_principal("hal", "temps", claims={"role": "clerk"})
    seen((before, 1), (GIL, 1), (other, 1))

    said = ask(*T, "shop___report", "--from-record").stdout

    assert of(said, "gil") == ["  gil      permitted"]
    assert of(said, "hal") == ["  hal      refused: no policy permits this call"]


def test_claims_that_were_erased_are_said_to_be_where_policies_read_claims(desk: Path) -> None:
    settings = seen((GIL, 1))
    lose_descriptions(settings)

    assert of(ask(*T, "shop___report", "--from-record").stdout, "gil") == [
        "  gil      not known: policies read claims here, and its claims were erased"
    ]
    said = json.loads(ask(*T, "shop___report", "--from-record", "--json").stdout)
    assert next(one for one in said["principals"] if one["id"] == "gil") == {
        "name": "gil",
        "id": "gil",
        "tool": "shop___report",
        "reach": "unknown",
        "reason": "its claims were erased",
        "permits": [],
        "forbids": [],
    }
    assert of(ask(*T, "shop___refund", "--from-record").stdout, "gil") == [
        "  gil      refused: no policy permits this call"
    ]


def test_who_the_configuration_knows_is_as_it_says_and_others_of_that_name_are_told_too(
    desk: Path,
) -> None:
    key = a_principal("lea", "temps", issuer="callgate", kind="api_key", claims={"role": "auditor"})
    person = a_principal("lea", "temps", claims={"role": "clerk"})
    seen((key, 1), (person, 1))

    assert of(ask(*T, "shop___report", "--from-record").stdout, "lea") == [
        "  lea (no agent, https://idp)  refused: no policy permits this call",
        "  lea                          permitted",
    ]
