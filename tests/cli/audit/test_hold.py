"""callgate audit hold refuses what does not say enough; the rest is in test_erase."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from callgate.cli.audit import audit


@pytest.mark.parametrize(
    "arguments",
    [
        ("place", "--reason", "x"),
        ("place", "--run", "r1"),
        ("place", "--run", "r1", "--reason", " "),
        ("release", "e1", "--reason", ""),
        ("release", "e1"),
        ("release", "--reason", "x"),
    ],
)
def test_what_does_not_say_enough_is_refused(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    file = tmp_path / "callgate.yaml"
    file.write_text("store: {path: none.db}\n")
    told = CliRunner().invoke(audit, ["hold", *arguments, "--offline", "--config", str(file)])
    assert told.exit_code == 2
    assert list(tmp_path.iterdir()) == [file]


def test_holds_of_a_record_that_is_not_there_are_no_answer(tmp_path: Path) -> None:
    file = tmp_path / "callgate.yaml"
    file.write_text("store: {path: none.db}\n")
    told = CliRunner().invoke(audit, ["hold", "list", "--config", str(file)])
    assert told.exit_code == 2
