"""From a record on disk to a draft that permits what ran, and says what else it would do."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from callgate.cli.policy import policy
from callgate.policy.engine import Engine
from callgate.policy.names import Names
from callgate.policy.source import SHADOW, read_policies
from callgate.storage.settings import StoreSettings
from fakes.calls import a_principal
from fakes.history import ADA, LEA, POLICIES, a_history
from fakes.losing import lose_descriptions

CONFIG = """
identity: {anonymous: true}
targets: {}
policies: {files: [policies/*.cedar]}
store: {path: record.db}
"""


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "callgate.yaml").write_text(CONFIG)
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "shop.cedar").write_text(POLICIES)
    monkeypatch.chdir(tmp_path)
    a_history(tmp_path / "record.db")
    return tmp_path


def draft(*words: str) -> Result:
    return CliRunner().invoke(policy, ["draft", "--from-calls", *words])


def test_a_draft_permits_what_each_did_within_what_they_did(directory: Path) -> None:
    done = draft()

    assert done.exit_code == 0, done.output
    found = read_policies([("draft", done.stdout)])
    assert {one.id: one.mode for one in found} == {
        "seen-shop-refund-ada": SHADOW, "seen-shop-refund-lea": SHADOW,
    }  # fmt: skip
    assert "when { context.input.amount >= 10 && context.input.amount <= 60 }" in done.stdout
    assert 'principal in Callgate::Group::"support" &&' in done.stdout


def test_it_is_tried_on_all_that_was_called(directory: Path) -> None:
    pytest.importorskip("z3")

    assert draft().stderr.splitlines() == [
        "",
        "tried on 5 decisions, with these permits alone:",
        "  permitted as before  4",
        "  would be refused  0",
        "  would be permitted, where policy refused  0",
        "proven: it permits nothing that the policies in force refuse",
    ]


def test_what_it_would_refuse_and_where_it_is_wider_is_said(directory: Path) -> None:
    pytest.importorskip("z3")

    said = draft("--principal", "ada", "--generalise", "open").stderr

    assert "  would be refused  2\n    shop___refund: 2 calls by lea 2; for example c" in said
    assert (
        "  would be permitted, where policy refused  1\n    shop___refund: 1 call by ada 1" in said
    )
    assert "wider than the policies in force, shop___refund: OAuthUser" in said


def test_forbids_in_force_stay_beside_it(directory: Path) -> None:
    forbid = '@id("cap") forbid (principal, action, resource) when { context.input.amount > 400 };'
    (directory / "policies" / "cap.cedar").write_text(
        forbid.replace("action,", 'action == Callgate::Action::"shop___refund",')
    )

    said = draft().stderr

    assert "with these permits and the 1 forbid in force:" in said
    assert "  would be refused  2" in said


def test_output_is_a_file_with_cases_that_pass(directory: Path) -> None:
    done = draft("--output", "drafts/seen.cedar", "--active")
    tested = CliRunner().invoke(
        policy, ["test", "--policies", "drafts/seen.cedar", "drafts/seen.cases.yaml"]
    )

    assert done.exit_code == 0, done.output
    assert "wrote drafts/seen.cedar: 2 policies, not in force" in done.stdout
    assert tested.exit_code == 0, tested.output
    assert "5 cases: 5 passed, 0 failed" in tested.output


def test_without_a_configuration_the_record_is_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    record = a_history(tmp_path / "r.db", (ADA, 10), (LEA, 7))

    done = draft("--store", str(record), "--generalise", "bounded")

    engine = Engine(read_policies([("draft", done.stdout)]), Names())
    assert done.exit_code == 0, done.output
    assert len(engine.policies) == 1


BY_ROLE = """
@id("by-role") permit (principal, action == Callgate::Action::"shop___refund", resource)
when { principal.hasTag("role") && principal.getTag("role") == "clerk" };
"""


def test_calls_of_callers_whose_claims_were_erased_are_left_out_and_said_to_be(
    directory: Path,
) -> None:
    Path("record.db").unlink()
    gil = a_principal("gil", claims={"role": "clerk"})
    a_history(Path("record.db"), (gil, 5), (LEA, 500), policies=POLICIES + BY_ROLE)
    known = draft()
    lose_descriptions(StoreSettings(path=Path("record.db")))
    strict, wide = draft(), draft("--generalise", "bounded")

    assert (known.exit_code, strict.exit_code, wide.exit_code) == (0, 0, 0)
    assert 'principal.getTag("role") == "clerk"' in known.stdout
    assert "left out 1 call: claims of their callers" in strict.stderr
    assert "gil" not in strict.stdout
    assert "gil" in wide.stdout


def test_ids_in_force_are_not_taken_again(directory: Path) -> None:
    draft("--output", "drafts/seen.cedar")
    (directory / "drafts" / "seen.cedar").rename(directory / "policies" / "seen.cedar")

    assert '@id("seen-shop-refund-ada-2")' in draft().stdout


def test_nothing_that_ran_is_nothing_to_draft_from(directory: Path) -> None:
    done = draft("--tool", "other")

    assert done.exit_code == 2
    assert "no call that was permitted and ran" in done.output


def test_words_and_calls_do_not_go_together(directory: Path) -> None:
    runner = CliRunner()

    assert draft("Only finance may").exit_code == 2
    assert runner.invoke(policy, ["draft"]).exit_code == 2
    assert runner.invoke(policy, ["draft", "--principal", "ada", "words"]).exit_code == 2
    assert draft("--install").exit_code == 2
