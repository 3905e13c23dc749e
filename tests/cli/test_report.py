"""`callgate report`: a period as one file."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner, Result

from callgate.cli.report import report
from callgate.storage.settings import StoreSettings
from fakes.pages import read
from fakes.runs import a_world
from fakes.writing import write


def run(directory: Path, *arguments: str) -> Result:
    store = directory / "r.db"
    if not store.exists():
        write(StoreSettings(path=store), *a_world().entries)
    html = str(directory / "week.html")
    return CliRunner().invoke(report, ["--store", str(store), "--html", html, *arguments])


def test_a_period_is_written_as_one_page(tmp_path: Path) -> None:
    result = run(tmp_path, "--since", "2026-09-21", "--until", "2026-09-22")

    assert result.exit_code == 0, result.output
    text = read((tmp_path / "week.html").read_text("utf-8")).text
    assert "Calls from 2026-09-21T00:00Z to 2026-09-22T00:00Z" in text
    assert "1 principal, 2 runs" in text
    assert "No policy permits this call" in text or "not_permitted" in text


def test_bounds_are_said(tmp_path: Path) -> None:
    run(tmp_path, "--since", "2026-09-21", "--most", "5")

    assert "Only the latest 5 calls" in read((tmp_path / "week.html").read_text("utf-8")).text


def test_a_record_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "r.db").touch()

    assert run(tmp_path).exit_code == 1
