"""`callgate review export-cases`: verdicts become cases that `callgate policy test` runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from callgate.cli.policy import policy
from callgate.cli.review import review
from callgate.review.verdicts import Judgement, ReviewVerdict
from callgate.storage.settings import StoreSettings
from fakes.runs import RULES, a_world
from fakes.writing import write

VERDICTS = (
    ("c28", Judgement.OVER_BLOCKED),
    ("c26", Judgement.JUSTIFIED),
    ("c27", Judgement.MISSED),
    ("gone", Judgement.JUSTIFIED),
)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    world = a_world()
    for about, verdict in VERDICTS:
        world.judge(ReviewVerdict(about=about, verdict=verdict, author="lea"))
    write(StoreSettings(path=tmp_path / "r.db"), *world.entries)
    return tmp_path / "r.db"


def export(store: Path, *arguments: str) -> Result:
    return CliRunner().invoke(review, ["export-cases", "--store", str(store), *arguments])


def checked(directory: Path, rules: str) -> Result:
    (directory / "p.cedar").write_text(rules)
    arguments = ["test", "--policies", str(directory / "p.cedar"), str(directory / "cases")]
    return CliRunner().invoke(policy, arguments)


def test_cases_are_written_and_can_be_run(store: Path, tmp_path: Path) -> None:
    file = tmp_path / "cases" / "verdicts.yaml"
    result = export(store, "--output", str(file))

    assert result.exit_code == 0, result.output
    assert result.stdout == f"{file}: 3 cases\n"
    assert "left out: call gone: policy was not asked" in result.stderr

    before = checked(tmp_path, RULES)
    assert before.exit_code == 1
    assert "2 failed" in before.output or before.output.count("expected") == 2
    better = RULES.replace("<= 100", '<= 500 && context.input.customer != "ACME-77120"')
    after = checked(tmp_path, better)
    assert after.exit_code == 0, after.output


def test_without_a_file_they_are_printed(store: Path) -> None:
    assert export(store).stdout.startswith("suite: verdicts of reviewers\n")


def test_where_there_is_none_that_is_an_error(store: Path) -> None:
    assert export(store, "--since", "2036-01-01").exit_code == 1
