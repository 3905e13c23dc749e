"""`callgate policy test`: cases pass or fail, and say why; coverage says what no case has shown."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from callgate.app.watching import Snapshot, look
from callgate.cli.policy.grounds import Chosen, Grounds
from callgate.cli.policy.test import Wanted, round_of, watched
from fakes.desk import ask

CASES = """\
suite: refunds
defaults: {principal: sam, tool: shop___refund, arguments: {order: A, amount: 5}}
cases:
  - {name: small ones go through, expect: permit}
  - name: large ones need a lead
    arguments: {amount: 101}
    expect: {verdict: refuse, policies: [large-refunds-need-a-lead], advice: to a lead}
"""
WRONG = "  - {name: this is wrong, arguments: {amount: 500}, expect: permit}\n"
MORE = """\
  - {name: a lead may, principal: lea, arguments: {amount: 500}, expect: permit}
  - {name: a lead reports, principal: lea, tool: shop___report, arguments: {month: x}, expect: permit}
"""
T = ("test", "--tools", "tools.json")


@pytest.fixture
def cases(desk: Path) -> Path:
    file = desk / "policies" / "tests" / "refunds.yaml"
    file.parent.mkdir()
    file.write_text(CASES)
    return file


def test_cases_that_pass_are_counted_and_named_where_wanted(cases: Path) -> None:
    assert (ask(*T).exit_code, ask(*T).stdout) == (0, "2 cases: 2 passed, 0 failed\n")
    assert ask(*T, "-v").stdout.splitlines() == [
        "policies/tests/refunds.yaml: refunds",
        "  ok    small ones go through",
        "  ok    large ones need a lead",
        "2 cases: 2 passed, 0 failed",
    ]


def test_a_case_that_fails_says_where_and_why(cases: Path) -> None:
    cases.write_text(CASES + WRONG)
    ran = ask(*T)

    assert ran.exit_code == 1
    assert ran.stdout.splitlines()[:6] == [
        "policies/tests/refunds.yaml: refunds",
        "  FAIL  this is wrong (policies/tests/refunds.yaml:8)",
        "        expected permit, but the call is refused: forbidden by large-refunds-need-a-lead",
        '        sam calls shop___refund {"order": "A", "amount": 500}',
        "          forbid large-refunds-need-a-lead (policies/shop.cedar:8) applies",
        "            true   when context.input.amount > 100   [context.input.amount = 500]",
    ]
    assert ran.stdout.endswith("3 cases: 2 passed, 1 failed\n")


def test_a_part_of_the_cases_can_be_run(cases: Path) -> None:
    cases.write_text(CASES + WRONG)

    assert ask(*T, "-k", "small").stdout == "1 case: 1 passed, 0 failed\n"
    assert ask(*T, "-k", "wrong").exit_code == 1
    assert ask(*T, "-k", "___refund").stdout.endswith("3 cases: 2 passed, 1 failed\n")
    nothing = ask(*T, "-k", "elephants")
    assert (nothing.exit_code, "no case has 'elephants'" in nothing.stderr) == (2, True)


def test_coverage_says_what_no_case_has_shown(cases: Path) -> None:
    ran = ask(*T, "--coverage")

    assert ran.exit_code == 0
    assert ran.stdout.splitlines() == [
        "  not covered  large-refunds-need-a-lead (policies/shop.cedar:17): never seen false: "
        'principal in Callgate::Group::"leads"',
        "  not covered  leads-report (policies/shop.cedar:20): in scope of no case",
        "coverage 71.4 %: 2 of 3 policies applied",
        "2 cases: 2 passed, 0 failed",
    ]


def test_too_little_coverage_fails(cases: Path) -> None:
    few = ask(*T, "--min-coverage", "90")
    assert (few.exit_code, few.stderr) == (1, "coverage is 71.4 %, less than 90 %\n")
    cases.write_text(CASES + MORE)
    all_of_it = ask(*T, "--min-coverage", "100")
    assert all_of_it.exit_code == 0
    assert "coverage 100.0 %: 3 of 3 policies applied" in all_of_it.stdout
    assert ask(*T, "--min-coverage", "50", "-k", "small").exit_code == 2


def test_results_can_be_had_as_json(cases: Path) -> None:
    cases.write_text(CASES + WRONG)
    ran = ask(*T, "--format", "json")
    said = json.loads(ran.stdout)

    assert (ran.exit_code, said["passed"], said["failed"]) == (1, 2, 1)
    assert said["cases"][1] == {
        "suite": "policies/tests/refunds.yaml",
        "line": 5,
        "name": "large ones need a lead",
        "principal": "sam",
        "tool": "shop___refund",
        "passed": True,
        "expected": "refuse",
        "ruling": "refuse",
        "reason": "forbidden by large-refunds-need-a-lead",
        "policies": ["large-refunds-need-a-lead"],
        "advice": "Hand this over to a lead.",
        "problems": [],
    }
    assert said["coverage"]["percent"] == 71.4


def test_results_can_be_had_as_junit(cases: Path) -> None:
    root = ElementTree.fromstring(ask(*T, "--format", "junit").stdout)

    assert [case.get("name") for case in root.iter("testcase")] == [
        "small ones go through",
        "large ones need a lead",
    ]


def test_files_and_directories_can_be_named(cases: Path, tmp_path: Path) -> None:
    other = tmp_path / "elsewhere.yaml"
    other.write_text(CASES)

    assert ask(*T, str(other), str(cases.parent)).stdout == "4 cases: 4 passed, 0 failed\n"


def test_everything_wrong_in_the_cases_is_said_at_once(cases: Path) -> None:
    cases.write_text(CASES.replace("expect: permit", "expct: permit"))
    (cases.parent / "more.yaml").write_text("cases: {}\n")
    ran = ask(*T)

    assert ran.exit_code == 2
    assert ran.stderr.splitlines() == [
        "Error: 3 problems in the cases",
        "policies/tests/more.yaml:1:1: cases: must be a list",
        "policies/tests/refunds.yaml:4:5: cases[0].expect: is missing; add it",
        "policies/tests/refunds.yaml:4:35: cases[0].expct: unknown key; did you mean 'expect'?",
    ]


def test_what_cases_name_must_be_there(cases: Path) -> None:
    cases.write_text(CASES.replace("principal: sam", "principal: sma"))
    ran = ask(*T)

    assert ran.exit_code == 2
    assert "nobody is called 'sma' under `principals`; did you mean 'sam'?" in ran.stderr


def test_without_cases_there_is_nothing_to_pass(desk: Path) -> None:
    ran = ask(*T)

    assert (ran.exit_code, "there are no cases in policies/tests" in ran.stderr) == (2, True)


def test_no_target_is_asked_where_the_suite_writes_its_tools_out(cases: Path) -> None:
    tool = "tools: {shop___refund: {inputSchema: {properties: {amount: {type: integer}}, required: [amount]}}}\n"
    cases.write_text(tool + CASES)
    Path("callgate.yaml").write_text(
        Path("callgate.yaml").read_text().replace("python: shop", "command: [no-such-program]")
    )

    assert ask("test").stdout == "2 cases: 2 passed, 0 failed\n"


def test_policies_that_are_no_cedar_are_said_with_their_place(cases: Path) -> None:
    Path("policies/bad.cedar").write_text("permit(;")
    ran = ask(*T)

    assert (ran.exit_code, "bad.cedar:1:8: not valid Cedar" in ran.stderr) == (2, True)


class StopError(Exception):
    pass


def test_a_watch_runs_again_when_a_file_changes_and_survives_mistakes(
    cases: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    policies, added = Path("policies/shop.cedar"), cases.with_name("added.yaml")
    text = policies.read_text()
    steps: list[Callable[[], Any]] = [
        lambda: None,
        lambda: policies.write_text(text.replace("> 100", "> 1000")),
        lambda: policies.write_text("permit(;"),
        lambda: policies.write_text(text + "// as before\n"),
        lambda: added.write_text(CASES),
    ]
    said: list[str] = []

    def step() -> None:
        out = capsys.readouterr()
        lines = out.out.splitlines()
        said.append(lines[-1] if lines else (out.err.splitlines() or [""])[0])
        if not steps:
            raise StopError
        steps.pop(0)()

    chosen, wanted = Chosen(tools=Path("tools.json")), Wanted()
    rounds: list[int] = []

    def once(known: Grounds | None) -> tuple[Grounds | None, Callable[[], Snapshot]]:
        rounds.append(1)
        return round_of(chosen, wanted, known)

    with pytest.raises(StopError):
        watched(once, step)

    assert len(rounds) == 5  # the first look found nothing new
    assert said == [
        "2 cases: 2 passed, 0 failed",
        "",
        "2 cases: 1 passed, 1 failed",
        "Error: shop.cedar:1:8: not valid Cedar: unexpected token `;`",
        "2 cases: 2 passed, 0 failed",
        "4 cases: 4 passed, 0 failed",
    ]


def test_ctrl_c_ends_a_watch_and_is_no_failure(
    cases: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("callgate.cli.policy.test.time.sleep", interrupted)
    ended = ask(*T, str(cases), "--watch")

    assert (ended.exit_code, "Aborted" in ended.output) == (0, False)


def test_a_watch_looks_at_everything_that_a_round_reads(cases: Path) -> None:
    grounds, files = round_of(Chosen(), Wanted(), None)

    watched_names = {path.name for path in files()}
    assert grounds is not None
    assert {"callgate.yaml", "policies", "shop.cedar", "tests", "refunds.yaml", "hooks.py"} <= (
        watched_names
    )
    assert files() == look(files())
