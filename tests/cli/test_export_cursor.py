from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from callgate.cli import commands
from callgate.storage.settings import StoreSettings
from fakes.store import an_intent, an_outcome
from fakes.writing import write


def called(path: Path, *ids: str) -> None:
    settings = StoreSettings(path=path)
    write(settings, *(entry for one in ids for entry in (an_intent(one), an_outcome(one))))


def export(path: Path) -> tuple[int, list[str], str]:
    """The exit code, the calls that were written, and what was said."""
    cursor = path.parent / "cursor"
    done = CliRunner().invoke(commands, ["export", "--store", str(path), "--cursor", str(cursor)])
    return (
        done.exit_code,
        [json.loads(line)["call"] for line in done.stdout.splitlines()],
        done.output,
    )


def copied(path: Path) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in path.parent.glob(f"{path.name}*")}


def put_back(path: Path, files: dict[Path, bytes]) -> None:
    for file in path.parent.glob(f"{path.name}*"):
        file.unlink()
    for file, content in files.items():
        file.write_bytes(content)
        file.chmod(0o600)


def test_it_goes_on_where_it_ended(tmp_path: Path) -> None:
    path = tmp_path / "callgate.db"
    called(path, "c1", "c2")
    assert export(path)[:2] == (0, ["c1", "c2"])
    called(path, "c3")
    assert export(path)[:2] == (0, ["c3"])
    assert export(path)[:2] == (0, [])


@pytest.mark.parametrize("later", [("c4",), ("c4", "c5", "c6", "c7", "c8")])
def test_in_a_record_that_was_put_back_nothing_is_passed_over(
    tmp_path: Path, later: tuple[str, ...]
) -> None:
    path = tmp_path / "callgate.db"
    called(path, "c1")
    before = copied(path)
    called(path, "c2", "c3")
    assert export(path)[:2] == (0, ["c1", "c2", "c3"])
    put_back(path, before)
    called(path, *later)  # shorter than what was read, or grown beyond it
    code, calls, said = export(path)
    assert (code, calls) == (1, [])
    assert "was put back to an earlier state" in said
    (tmp_path / "cursor").unlink()
    assert export(path)[:2] == (0, ["c1", *later])


def test_a_cursor_of_another_record_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "callgate.db"
    called(path, "c1")
    assert export(path)[0] == 0
    put_back(path, {})
    called(path, "d1", "d2")
    code, calls, said = export(path)
    assert (code, calls) == (1, [])
    assert "it is of the record callgate.dev/" in said
    assert "Take another --cursor" in said


def test_one_that_does_not_say_of_which_record_it_is_goes_on_as_far_as_can_be_told(
    tmp_path: Path,
) -> None:
    path = tmp_path / "callgate.db"
    called(path, "c1", "c2")
    assert export(path)[0] == 0
    cursor = tmp_path / "cursor"
    positions = json.loads(cursor.read_text())["positions"]
    cursor.write_text(json.dumps({"positions": positions, "chain": None}))
    assert export(path)[:2] == (0, [])
    cursor.write_text(json.dumps({"positions": {"1": 1000}}))
    assert export(path)[0] == 1
