from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from callgate.cli import commands
from callgate.storage.settings import StoreSettings
from fakes.store import an_intent, an_outcome
from fakes.writing import write


@pytest.fixture
def store(tmp_path: Path) -> str:
    settings = StoreSettings(path=tmp_path / "callgate.db")
    write(settings, an_intent("c1"), an_outcome("c1"), an_outcome("c2", code="not_permitted"))
    return str(settings.path)


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(commands, ["export", *arguments])
    return result.exit_code, result.output


def test_calls_are_printed_one_a_line(store: str) -> None:
    code, output = run("--store", store)
    assert code == 0
    assert [line[:1] for line in output.splitlines()] == ["{", "{", "2"]
    assert output.endswith("2 calls written\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--format", "parquet"), "parquet needs --out DIRECTORY"),
        (("--format", "records", "--refused"), "leave the filters out"),
        (("--format", "invented"), "is not one of"),
    ],
)
def test_what_does_not_go_together_is_said(
    store: str, arguments: tuple[str, ...], said: str
) -> None:
    code, output = run("--store", store, *arguments)
    assert code == 2
    assert said in output


def test_a_cursor_that_is_none_is_not_taken_for_the_beginning(store: str, tmp_path: Path) -> None:
    cursor = tmp_path / "cursor"
    cursor.write_text("[]")
    code, output = run("--store", store, "--cursor", str(cursor))
    assert code == 1
    assert "is no cursor of an export" in output


def test_a_place_that_cannot_be_written_is_said(store: str, tmp_path: Path) -> None:
    code, output = run("--store", store, "--out", str(tmp_path / "gone" / "calls.jsonl"))
    assert code == 1
    assert "gone" in output
