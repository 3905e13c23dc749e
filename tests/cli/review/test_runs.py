"""`callgate review runs`: the runs of the latest calls, found by anything recorded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from callgate.cli.review import review
from callgate.storage.settings import StoreSettings
from fakes.runs import a_world
from fakes.writing import write


@pytest.fixture
def store(tmp_path: Path) -> Path:
    write(StoreSettings(path=tmp_path / "r.db"), *a_world().entries)
    return tmp_path / "r.db"


def run(store: Path, *arguments: str) -> Result:
    return CliRunner().invoke(review, ["runs", "--store", str(store), *arguments])


def test_runs_are_listed_the_latest_first(store: Path) -> None:
    heading, latest, before = run(store).stdout.splitlines()

    assert heading.split()[:3] == ["began", "run", "who"]
    assert latest.split()[3:] == ["ada", "3", "2", "ok,", "1", "refused", "shop___refund"]
    assert before.split()[4:7] == ["25", "25", "ok"]


def test_a_listed_beginning_is_enough_for_a_review(store: Path) -> None:
    named = run(store).stdout.splitlines()[1].split()[2]
    told = CliRunner().invoke(review, [named, "--store", str(store)])

    assert told.exit_code == 0
    assert told.stdout.startswith(f"Run {named}")


def test_runs_are_found_by_what_their_calls_were(store: Path) -> None:
    (only,) = run(store, "--refused", "--json").stdout.splitlines()

    assert json.loads(only)["outcomes"] == {"refused": 1}
    assert len(run(store, "--most", "2").stdout.splitlines()) == 2


def test_a_record_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "r.db").touch()

    assert run(tmp_path / "r.db").exit_code == 1
