"""The whole command on a record on disk: what it says, and how it ends, for people and for CI."""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import click
import pytest
from click.testing import CliRunner, Result

from callgate.audit.keeping import Keeping
from callgate.audit.masks import Masks
from callgate.cli.replay import Allowed, Share, excess, replay, undecided
from callgate.policy.cases import Ruling
from callgate.policy.simulated import Kind, Simulated, Tally
from fakes.history import ADA, POLICIES, a_history

STRICTER = POLICIES.replace("<= 100", "<= 50")
WIDER = POLICIES.replace("<= 100", "<= 1000")


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return a_history(tmp_path / "record.db")


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(replay, [str(word) for word in words])


def tried(record: Path, policies: str, *words: str) -> Result:
    place = record.parent / "candidate.cedar"
    place.write_text(policies)
    return run("--store", record, "--policies", place, *words)


def test_the_policies_that_decided_decide_the_same(record: Path) -> None:
    done = tried(record, POLICIES)

    assert done.exit_code == 0, done.output
    assert done.output.splitlines() == [
        "5 decisions from 2026-09-21 14:13:20Z to 2026-09-21 14:17:20Z",
        "5 recorded verdicts were reproduced first, by the policies of then",
        "",
        "nothing flips: 5 decisions come out as recorded",
    ]


def test_what_flips_is_told_with_the_policy_the_values_and_the_calls(record: Path) -> None:
    done = tried(record, STRICTER)

    assert done.exit_code == 1
    assert done.output.splitlines()[3:] == [
        "permit → refuse: 1 call of shop___refund",
        "  because: support-refunds no longer permits",
        "  principals: ada 1",
        "  first 2026-09-21 14:14:20Z, last 2026-09-21 14:14:20Z",
        f"  c{1:028}  ada, 2026-09-21 14:14:20Z: no policy permits this call",
        "    permit support-refunds (candidate.cedar:2) does not apply",
        "      false  when context.input.amount <= 50   [context.input.amount = 60]",
        "    would be permitted if context.input.amount <= 50 (support-refunds)",
        '    would be permitted if principal in Callgate::Group::"leads" (leads-refund)',
        "",
        "1 of 5 decisions flip: 1 permit-to-refuse",
    ]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ((), 1),
        (("--allow-flips", "permit-to-refuse=1"), 0),
        (("--allow-flips", "permit-to-refuse=0"), 1),
        (("--allow-flips", "refuse-to-permit=5"), 1),
        (("--allow-flips", "any=1"), 0),
    ],
)
def test_so_many_flips_of_a_kind_may_be(record: Path, words: tuple[str, ...], code: int) -> None:
    assert tried(record, STRICTER, *words).exit_code == code


def test_filters_choose_the_calls(record: Path) -> None:
    assert tried(record, STRICTER, "--principal", "lea").exit_code == 0
    assert "2 decisions" in tried(record, STRICTER, "--principal", "lea").output
    assert tried(record, STRICTER, "--since", "2026-09-21T14:15:00Z").exit_code == 0
    assert tried(record, STRICTER, "--until", "2026-09-21T14:14:30Z").exit_code == 1
    nothing = tried(record, STRICTER, "--tool", "other")
    assert nothing.exit_code == 2
    assert "the record holds no decision that was asked for" in nothing.output


def test_what_cannot_be_made_again_fails_unless_it_may(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    masked = a_history(tmp_path / "masked.db", keeping=Keeping(masks=Masks.parse(("amount",))))

    assert tried(masked, POLICIES).exit_code == 2
    assert "3 of 5 decisions could not be made again" in tried(masked, POLICIES).output
    assert tried(masked, POLICIES, "--max-undecided", "3").exit_code == 0
    assert tried(masked, POLICIES, "--max-undecided", "60%").exit_code == 0
    assert tried(masked, POLICIES, "--max-undecided", "59%").exit_code == 2


def test_two_sets_can_be_compared_whatever_was_decided(record: Path) -> None:
    other = record.parent / "other.cedar"
    other.write_text(WIDER)

    done = tried(record, POLICIES, "--against", str(other))

    assert done.exit_code == 1
    assert "1 of 5 decisions flip: 1 permit-to-refuse" in done.output


def test_shadow_policies_decide_only_where_that_is_wanted(record: Path) -> None:
    shadow = POLICIES + '@id("none") @mode("shadow") forbid (principal, action, resource);'

    still = tried(record, shadow)
    active = tried(record, shadow, "--active")

    assert still.exit_code == 0
    assert "1 shadow policy decides nothing here; --active lets them" in still.output
    assert "4 of 5 decisions flip: 4 permit-to-refuse" in active.output


def test_policies_that_decide_nothing_are_named(record: Path) -> None:
    more = (
        POLICIES + '@id("idle") permit (principal in Callgate::Group::"nobody", action, resource);'
    )

    assert "  idle (candidate.cedar:15): in scope of none" in tried(record, more).output


def test_without_a_check_recorded_verdicts_stand(record: Path) -> None:
    assert "reproduced" not in tried(record, POLICIES, "--no-check").output


def test_several_processes_find_the_same(record: Path) -> None:
    alone, together = (tried(record, STRICTER, *words) for words in ((), ("--jobs", "2")))

    assert together.output == alone.output


def test_json_holds_all_of_it(record: Path) -> None:
    told = json.loads(tried(record, STRICTER, "--json").output)

    assert (told["decided"], told["reproduced"], told["changes"]) == (5, 5, {"permit-to-refuse": 1})
    (flip,) = told["flips"]
    assert flip["causes"] == [{"what": "no longer permits", "policy": "support-refunds"}]
    assert flip["examples"][0]["call"] == f"c{1:028}"
    assert told["policies"][0] == {
        "id": "support-refunds", "place": "candidate.cedar:2", "mode": "active",
        "in_scope": 3, "decided": 1, "alone": 1,
    }  # fmt: skip
    assert told["fails"] == {"flips": ["permit-to-refuse"], "undecided": None}


def test_junit_fails_where_the_command_does(record: Path) -> None:
    failing = ElementTree.fromstring(tried(record, STRICTER, "--format", "junit").output)
    passing = ElementTree.fromstring(tried(record, POLICIES, "--format", "junit").output)

    assert (failing.get("tests"), failing.get("failures")) == ("2", "1")
    assert (passing.get("tests"), passing.get("failures")) == ("2", "0")


def test_markdown_is_a_table(record: Path) -> None:
    lines = tried(record, STRICTER, "--format", "markdown").output.splitlines()

    assert lines[0] == "### 1 of 5 decisions flip: 1 permit-to-refuse"
    assert lines[-1].startswith("| permit → refuse | 1 | shop&#95;&#95;&#95;refund |")


def test_tools_may_be_as_they_are_now(record: Path) -> None:
    schema = {
        "type": "object",
        "properties": {"amount": {"type": "integer"}},
        "additionalProperties": False,
    }
    snapshot = record.parent / "tools.json"
    snapshot.write_text(json.dumps({"shop": [{"name": "refund", "inputSchema": schema}]}))

    done = tried(record, POLICIES, "--tools", str(snapshot))

    assert done.exit_code == 1
    assert "permit → invalid: 4 calls of shop___refund" in done.output


@pytest.mark.parametrize(
    ("policies", "problem"),
    [
        ("permit (", "not valid Cedar"),
        ('@id("a") permit (principal, action, resource); ' * 2, "is used"),
    ],
)
def test_policies_that_cannot_be_used_end_it(record: Path, policies: str, problem: str) -> None:
    done = tried(record, policies)

    assert done.exit_code == 2
    assert problem in done.output


def test_without_a_configuration_policies_must_be_named(record: Path) -> None:
    assert run("--store", record).exit_code == 2


@pytest.mark.parametrize(
    "value", ["permit-to-refuse", "sideways=3", "any=-1", "permit-to-permit=1"]
)
def test_what_is_no_allowance_is_refused(value: str) -> None:
    with pytest.raises(click.BadParameter):
        Allowed().convert(value, None, None)


@pytest.mark.parametrize("value", ["x", "-1", "1.5", "-2%", "%"])
def test_what_is_no_share_is_refused(value: str) -> None:
    with pytest.raises(click.BadParameter):
        Share().convert(value, None, None)


def flips(**counts: int) -> Simulated:
    found = Simulated(decided=100)
    for name, count in counts.items():
        before, after = (Ruling(word) for word in name.split("_to_"))
        kind = Kind(before=before, after=after, causes=(), tool="t")
        found.flips[kind] = Tally(count=count)
    return found


@pytest.mark.parametrize(
    ("allowed", "over"),
    [
        ([], ["permit-to-refuse", "refuse-to-permit"]),
        ([("any", 5)], []),
        ([("any", 4)], ["refuse-to-permit"]),
        ([("permit-to-refuse", 2)], ["refuse-to-permit"]),
        ([("permit-to-refuse", 1), ("any", 4)], []),
    ],
)
def test_what_is_over_is_known(allowed: list[tuple[str, int]], over: list[str]) -> None:
    assert list(excess(flips(permit_to_refuse=2, refuse_to_permit=3), allowed)) == over


def test_too_little_known_is_said() -> None:
    found = Simulated(decided=99, undecided={"masked": Tally(count=1)})

    assert undecided(found, "1%") is None
    assert undecided(found, "1") is None
    assert (
        undecided(found, "0")
        == "1 of 100 decisions could not be made again; --max-undecided allows 0"
    )
    assert ADA.id == "ada"
