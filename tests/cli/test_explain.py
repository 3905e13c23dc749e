from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from callgate.cli.explain import explain
from callgate.storage.settings import StoreSettings
from fakes.store import an_intent, an_outcome
from fakes.writing import write


@pytest.fixture
def store(tmp_path: Path) -> Path:
    path = tmp_path / "r.db"
    entries = (an_intent("ca1"), an_outcome("ca1"), an_outcome("ca12"), an_outcome("cb"))
    write(StoreSettings(path=path), *entries)
    return path


def run(call: str, store: Path, *options: str) -> Result:
    return CliRunner().invoke(explain, [call, "--store", str(store), *options])


def test_call_is_explained_in_words(store: Path) -> None:
    result = run("cb", store)
    assert result.exit_code == 0
    assert result.stdout.startswith("Call cb\nLet through.\n\nWho\n  The principal is ada")
    assert "record 3 of log 1" in result.stdout


def test_beginning_of_an_id_is_enough_where_only_one_call_has_it(store: Path) -> None:
    assert run("ca12", store).stdout.startswith("Call ca12\n")
    assert run("ca1", store).stdout.startswith("Call ca1\n")  # whole, and another's beginning
    ambiguous = run("c", store)
    assert ambiguous.exit_code == 1
    assert ambiguous.stderr == ("Error: more than one call begins with 'c':\n  ca1\n  ca12\n  cb\n")


def test_unknown_call_is_an_error_that_says_where_to_look(store: Path) -> None:
    result = run("x", store)
    assert result.exit_code == 1
    assert result.stderr == "Error: no call begins with 'x'; `callgate calls` lists them\n"


def test_json_has_the_words_and_the_records_behind_them(store: Path) -> None:
    told = json.loads(run("ca1", store, "--json").stdout)
    assert (told["call_id"], told["headline"]) == ("ca1", "Let through.")
    assert [section["title"] for section in told["sections"]][:2] == ["Who", "What"]
    assert [entry["kind"] for entry in told["entries"]] == ["intent", "outcome"]
    assert [entry["record"]["seq"] for entry in told["entries"]] == [0, 1]


def test_missing_record_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "r.db").touch()
    assert "holds no record yet" in run("c", tmp_path / "r.db").stderr
