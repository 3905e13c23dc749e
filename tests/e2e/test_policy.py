"""`callgate policy`, as processes: on the demo's policies and on the example that tests its own."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from callgate.demo.directory import prepare
from fakes.forking import finished
from fakes.running import running

pytestmark = pytest.mark.e2e

EXAMPLE = Path(__file__).parents[2] / "examples" / "policy-tests"
MOST_SECONDS = 240
CASES = """\
defaults: {principal: sam, tool: shop___refund, arguments: {order: A-1001, amount: 60, reason: late}}
cases:
  - {name: support refunds, expect: permit}
  - {name: not that much, arguments: {amount: 101}, expect: refuse}
  - {name: the handbook is for all, principal: ida, tool: git___git_log,
     arguments: {repo_path: handbook}, expect: {verdict: permit, policies: [everyone-reads-the-handbook]}}
"""


def ask(directory: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return finished("policy", *words, cwd=directory, timeout=MOST_SECONDS)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's directory, with its policies as they are and a snapshot of its real servers."""
    directory = prepare(tmp_path_factory.mktemp("policy") / "demo").path
    written = ask(directory, "tools", "--output", "tools.json")
    assert written.returncode == 0, written.stderr
    assert {name: len(tools) for name, tools in json.loads(
        (directory / "tools.json").read_text()).items()} == {"git": 12, "shop": 5, "time": 2}  # fmt: skip
    return directory


def test_the_policies_of_the_demo_are_checked_against_real_servers(demo: Path) -> None:
    live = ask(demo, "check", "--no-meaning")
    whole = ask(demo, "check", "--tools", "tools.json", "--format", "json")

    assert (live.returncode, live.stdout.splitlines()[-1]) == (0, "no findings"), live.stderr
    assert whole.returncode == 0, whole.stderr
    said = json.loads(whole.stdout)
    assert [issue["rule"] for issue in said["issues"]] == [
        "allows_everyone",  # the clock and the handbook are meant for everyone
        "allows_everyone",
        "denies_everyone",  # nobody deletes customers
    ]
    assert said["undecided"] == said["skipped"] == []


def test_cases_run_with_the_targets_and_without(demo: Path) -> None:
    (demo / "policies" / "tests").mkdir()
    (demo / "policies" / "tests" / "shop.yaml").write_text(CASES)

    for words in ((), ("--tools", "tools.json", "--coverage")):
        ran = ask(demo, "test", *words)
        assert (ran.returncode, ran.stdout.splitlines()[-1]) == (
            0,
            "3 cases: 3 passed, 0 failed",
        ), ran.stderr


def test_a_change_is_compared_and_its_example_tried(demo: Path) -> None:
    after = demo / "after"
    shutil.copytree(demo / "policies", after)
    text = (after / "shop.cedar").read_text()
    (after / "shop.cedar").write_text(text.replace("amount > 100", "amount > 1000"))
    compared = ask(demo, "diff", "policies", "after", "--tools", "tools.json", "--format", "json")
    said = json.loads(compared.stdout)
    example = said["comparison"]["differences"][0]["gained"]

    assert (compared.returncode, said["relation"]) == (1, "more permissive")
    assert 100 < example["arguments"]["amount"] <= 1000
    words = ["try", "--tools", "tools.json", "--principal", example["principal"]["id"],
             *(word for group in example["principal"]["groups"] for word in ("--group", group)),
             "--tool", example["tool"], "--args", json.dumps(example["arguments"])]  # fmt: skip
    assert ask(demo, *words, "--policies", "policies").returncode == 1
    assert ask(demo, *words, "--policies", "after").returncode == 0


@pytest.fixture
def example(tmp_path: Path) -> Path:
    ignored = shutil.ignore_patterns("*.db*", ".callgate", "__pycache__")
    return shutil.copytree(EXAMPLE, tmp_path / "payments", ignore=ignored)


@pytest.mark.parametrize(
    ("words", "code", "last"),
    [
        ("fmt --check", 0, ""),
        ("check --tools tools.json", 0, "no findings"),
        ("test --tools tools.json --min-coverage 100", 0, "12 cases: 12 passed, 0 failed"),
        ("tools --check --output tools.json", 0, ""),
        ("diff policies", 0, "the policies are the same"),
        (
            "try --tools tools.json --as ben --tool bank___release --arg payment=P-1"
            " --fact ledger.prepared_by=ada --fact ledger.amount=250",
            0,
            None,
        ),
    ],
)
def test_what_the_example_runs_in_ci_passes(
    example: Path, words: str, code: int, last: str | None
) -> None:
    ran = ask(example, *words.split())

    assert ran.returncode == code, ran.stdout + ran.stderr
    assert last is None or ran.stdout.rstrip("\n").rpartition("\n")[2] == last


def test_a_broken_limit_is_caught_by_its_case(example: Path) -> None:
    policies = example / "policies" / "payments.cedar"
    policies.write_text(policies.read_text().replace("<= 10000", "<= 100000"))
    ran = ask(example, "test", "--tools", "tools.json")

    assert ran.returncode == 1
    assert "FAIL  more than 10000 euros is for nobody here" in ran.stdout
    assert "[context.enriched.ledger.amount = 10001]" in ran.stdout


def test_who_can_asks_for_principals_of_the_record(example: Path) -> None:
    with running(example, (example / "callgate.yaml").read_text()) as gateway:
        status, _ = gateway.post(
            "tools/call",
            {"name": "bank___list_payments", "arguments": {}},
            Authorization="Bearer cgk_example_ben",
        )
        assert status == 200
    config = example / "callgate.yaml"
    before, ben, after = config.read_text().partition("    - name: ben")
    config.write_text(before + after[after.index("\ntargets:") :])
    assert ben

    said = ask(example, "who-can", "bank___prepare", "--tools", "tools.json", "--from-record")
    assert said.returncode == 0, said.stderr
    lines = said.stdout.splitlines()
    permitted = "permitted; refused when context.input has urgent and context.input.urgent and "
    assert [line for line in lines if line.startswith(("  ada  ", "  ben  "))] == [
        f"  ben  {permitted}context.input.amount > 500",
        f"  ada  {permitted}context.input.amount > 500",
    ]
