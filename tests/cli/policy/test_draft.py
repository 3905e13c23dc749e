"""From plain words to a draft, through the whole command; the model is a scripted endpoint."""

import json
import os
import pty
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from callgate.cli.policy import policy
from callgate.config.suites import Cast, cases_of, read_suite
from callgate.policy.source import read_policies
from fakes.calls import a_tool
from fakes.model_endpoint import ModelEndpoint, failing, model_endpoint, saying

TEXT = "Only finance may refund more than 1000"
KEY = "k-5ecret-value"
CONFIG = """
identity: {{anonymous: true}}
targets: {{shop: {{python: shop_for_drafting}}}}
policies:
  files: [policies/*.cedar]
  drafting: {{url: "{url}", model: some-model, api_key: "${{env:DRAFT_KEY}}"}}
"""
SHOP = '''
def refund(customer: str, amount: int) -> str:
    """Refund a customer."""
    return "refunded"
'''
PERMIT = '@id("refunds") permit(principal, action == Callgate::Action::"shop___refund", resource);'
FORBID = """forbid (principal, action == Callgate::Action::"shop___refund",
resource == Callgate::Gateway::"main") when { context.input.amount > 1000 }
unless { principal in Callgate::Group::"finance" };"""
SPLIT = {"requirements": [{"quote": TEXT, "meaning": "Others are refused above 1000."}]}


def a_case(amount: int, expect: str, *groups: str) -> dict[str, Any]:
    return {
        "name": f"{amount}",
        "principal": {"id": "ada", "groups": list(groups)},
        "tool": "shop___refund",
        "arguments": {"customer": "c", "amount": amount},
        "expect": expect,
    }


CASES = {
    "cases": [a_case(1000, "permit"), a_case(1001, "refuse"), a_case(2000, "permit", "finance")]
}
POLICY = {"id": "Finance limit", "policy": FORBID, "explanation": "It stops others."}


@pytest.fixture
def endpoint() -> Iterator[ModelEndpoint]:
    with model_endpoint() as one:
        yield one


@pytest.fixture
def directory(tmp_path: Path, endpoint: ModelEndpoint, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "callgate.yaml").write_text(CONFIG.format(url=endpoint.url))
    (tmp_path / "shop_for_drafting.py").write_text(SHOP)
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "shop.cedar").write_text(PERMIT)
    snapshot = {"shop": [{"name": "refund", "inputSchema": a_tool().input_schema}]}
    (tmp_path / "tools.json").write_text(json.dumps(snapshot))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DRAFT_KEY", KEY)
    return tmp_path


def draft(*words: str, text: str = TEXT, said: str | None = None) -> Result:
    return CliRunner().invoke(policy, ["draft", "--tools", "tools.json", *words, text], input=said)


def files(directory: Path) -> set[str]:
    return {path.relative_to(directory).as_posix() for path in directory.rglob("*.*")}


def test_a_requirement_becomes_a_policy_with_cases_that_were_tried(
    directory: Path, endpoint: ModelEndpoint
) -> None:
    pytest.importorskip("z3")  # without it, one more note says so
    endpoint.will(saying(SPLIT), saying(CASES), saying(POLICY))

    done = draft()

    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines() == [
        "",
        f'"{TEXT}"',
        "  understood as: Others are refused above 1000.",
        "",
        '    @id("finance-limit")',
        '    @mode("shadow")',
        "    forbid (",
        "      principal,",
        '      action == Callgate::Action::"shop___refund",',
        '      resource == Callgate::Gateway::"main"',
        "    )",
        "    when { context.input.amount > 1000 }",
        '    unless { principal in Callgate::Group::"finance" };',
        "",
        "  the model says: It stops others.",
        '  note: no policy or setting names the group "finance" yet: do tokens carry it?',
        "  ok    permit  1000: ada, customer='c', amount=1000",
        "  ok    refuse  1001: ada, customer='c', amount=1001",
        "  ok    permit  2000: ada in finance, customer='c', amount=2000",
        "",
        "1 policy for 1 requirement",
    ]
    assert {asked.headers["authorization"] for asked in endpoint.asked} == {f"Bearer {KEY}"}
    assert KEY not in done.output


def test_the_tools_of_running_targets_are_what_the_model_is_told(
    directory: Path, endpoint: ModelEndpoint
) -> None:
    endpoint.will(saying(SPLIT), saying(CASES), saying(POLICY))

    done = CliRunner().invoke(policy, ["draft", TEXT])

    assert done.exit_code == 0, done.output
    assert 'described by its server as "Refund a customer."' in endpoint.asked[2].system
    assert '"refunds"' in endpoint.asked[2].system


def test_a_draft_is_a_file_that_the_gateway_does_not_read(
    directory: Path, endpoint: ModelEndpoint
) -> None:
    endpoint.will(saying(SPLIT), saying(CASES), saying(POLICY))

    done = draft("--output", "drafts/finance.cedar")

    assert done.exit_code == 0, done.output
    text = (directory / "drafts" / "finance.cedar").read_text()
    (made,) = read_policies([("finance.cedar", text)])
    assert (made.id, made.mode) == ("finance-limit", "shadow")
    assert f'// "{TEXT}"\n// Understood as: Others' in text
    suite = read_suite((directory / "drafts" / "finance.cases.yaml").read_text(), "f")
    cases = cases_of(suite, Cast(tools=(a_tool(),)))
    assert [str(case.expected.ruling) for case in cases] == ["permit", "refuse", "permit"]
    assert cases[2].principal.groups == ("finance",)
    assert [path.name for path in (directory / "policies").iterdir()] == ["shop.cedar"]


def test_cases_that_are_written_pass_once_the_policy_decides(
    directory: Path, endpoint: ModelEndpoint
) -> None:
    endpoint.will(saying(SPLIT), saying(CASES), saying(POLICY))
    assert draft("--active", "--output", "drafts/finance.cedar").exit_code == 0

    words = ["--policies", "policies", "--policies", "drafts", "--tools", "tools.json"]
    tested = CliRunner().invoke(policy, ["test", *words, "drafts/finance.cases.yaml"])

    assert tested.exit_code == 0, tested.output


def test_a_contradiction_is_shown_as_one(directory: Path, endpoint: ModelEndpoint) -> None:
    wrong = {**POLICY, "policy": FORBID.replace(">", ">=")}
    endpoint.will(saying(SPLIT), saying(CASES), saying(wrong), saying(wrong))

    done = draft("--output", "drafts/finance.cedar")

    assert done.exit_code == 0, done.output
    (line,) = [line for line in done.stdout.splitlines() if "CONTRADICTION" in line]
    assert "expected permit, but the call is refused: forbidden by finance-limit" in line
    assert done.stdout.splitlines()[-3] == (
        "1 policy for 1 requirement; 1 contradiction or doubt: read those first"
    )
    assert "// Contradicted by the case: 1000\n" in (directory / "drafts/finance.cedar").read_text()


def test_what_has_no_policy_makes_the_command_fail_and_is_not_written(
    directory: Path, endpoint: ModelEndpoint
) -> None:
    endpoint.will(saying(SPLIT), saying(CASES), saying({"impossible": "Cedar cannot count."}))

    done = draft("--output", "drafts/x.cedar")

    assert done.exit_code == 1
    assert "no policy: the model says it cannot: Cedar cannot count." in done.stdout
    assert not (directory / "drafts").exists()


def test_the_text_may_come_from_standard_input(directory: Path, endpoint: ModelEndpoint) -> None:
    endpoint.will(saying(SPLIT), saying(CASES), saying(POLICY))

    done = draft(text="-", said=f"{TEXT}.\n")

    assert done.exit_code == 0
    assert f"{TEXT}.\n" in endpoint.asked[0].said[1][1]


def test_without_an_endpoint_it_is_said_how_to_configure_one(directory: Path) -> None:
    file = directory / "callgate.yaml"
    file.write_text(file.read_text().partition("  drafting:")[0])

    done = draft()

    assert done.exit_code == 2
    assert "no language model is configured" in done.stderr
    assert "policies:\n  drafting:\n    url: https://" in done.stderr


def test_a_key_that_is_not_set_is_said_so(
    directory: Path, endpoint: ModelEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DRAFT_KEY")

    done = draft()

    assert (done.exit_code, endpoint.asked) == (2, [])
    assert "`policies.drafting.api_key` names is not set" in done.stderr


def test_an_endpoint_that_fails_is_said_plainly(directory: Path, endpoint: ModelEndpoint) -> None:
    endpoint.will(failing(429, "slow down", Retry_After="7"))

    done = draft("--output", "drafts/x.cedar")

    assert done.exit_code == 2
    assert done.stderr.endswith("takes no more requests now (429); try again in 7 s\n")
    assert not (directory / "drafts").exists()


@pytest.mark.parametrize(
    ("output", "problem"),
    [
        ("policies/new.cedar", "would read policies/new.cedar at once"),
        ("policies/../policies/new.cedar", "would read"),
        ("policies/shop.cedar", "is there already"),
        ("drafts/new.txt", "is called something.cedar"),
    ],
)
def test_a_draft_is_never_written_to_where_it_would_be_in_force(
    directory: Path, endpoint: ModelEndpoint, output: str, problem: str
) -> None:
    before = files(directory)

    done = draft("--output", output)

    assert (done.exit_code, endpoint.asked) == (2, [])
    assert problem in done.stderr
    assert files(directory) == before
    assert (directory / "policies" / "shop.cedar").read_text() == PERMIT


def test_a_link_to_the_policies_is_no_way_around_that(
    directory: Path, endpoint: ModelEndpoint
) -> None:
    (directory / "elsewhere").symlink_to("policies", target_is_directory=True)

    done = draft("--output", "elsewhere/new.cedar")

    assert (done.exit_code, endpoint.asked) == (2, [])
    assert "would read elsewhere/new.cedar at once" in done.stderr


def test_cases_that_are_there_are_not_written_over(
    directory: Path, endpoint: ModelEndpoint
) -> None:
    (directory / "new.cases.yaml").write_text("mine")

    done = draft("--output", "new.cedar")

    assert (done.exit_code, endpoint.asked) == (2, [])
    assert (directory / "new.cases.yaml").read_text() == "mine"


def test_nothing_is_installed_without_a_terminal(directory: Path, endpoint: ModelEndpoint) -> None:
    done = draft("--output", "drafts/x.cedar", "--install", said="y\n")

    assert (done.exit_code, endpoint.asked) == (2, [])
    assert "--install needs a person at a terminal" in done.stderr
    assert draft("--install", said="y\n").exit_code == 2


def test_what_a_model_says_cannot_steer_the_terminal_or_leave_its_comment(
    directory: Path, endpoint: ModelEndpoint
) -> None:
    evil = {**POLICY, "explanation": "a\x1b]52;c;aGk=\x07b"}
    sly = {**POLICY, "assumptions": ["x\npermit (principal, action, resource);"]}
    endpoint.will(saying(SPLIT), saying(CASES), saying(evil), saying(sly))

    done = draft("--output", "drafts/x.cedar")

    assert done.exit_code == 0, done.output
    assert "\x1b" not in done.output
    assert "invisible characters" in endpoint.asked[3].said[-1][1]
    assert len(read_policies([("x", (directory / "drafts" / "x.cedar").read_text())])) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals")
@pytest.mark.parametrize(("answer", "is_installed"), [(b"y\n", True), (b"\n", False)])
def test_a_person_at_a_terminal_installs_it(
    directory: Path, endpoint: ModelEndpoint, answer: bytes, is_installed: bool
) -> None:
    endpoint.will(saying(SPLIT), saying(CASES), saying(POLICY))
    words = ["policy", "draft", "--install", "--output", "drafts/finance.cedar", TEXT]

    with at_a_terminal(words) as (process, terminal):
        shown = until(terminal, b"[y/N]")
        assert b"Install 1 policy as policies/finance.cedar (shadow mode" in shown
        assert not (directory / "policies" / "finance.cedar").exists()
        os.write(terminal, answer)
        until(terminal, b"installed")
        assert process.wait(120) == 0

    assert (directory / "policies" / "finance.cedar").exists() is is_installed


@contextmanager
def at_a_terminal(words: list[str]) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The command in a process whose terminal is ours to read and write."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "callgate", *words]
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    try:
        yield process, ours
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        os.close(ours)


def until(terminal: int, mark: bytes) -> bytes:
    """What the terminal shows, up to a mark."""
    shown = b""
    while mark not in shown:
        assert select.select([terminal], [], [], 60)[0], shown
        shown += os.read(terminal, 4096)
    return shown
