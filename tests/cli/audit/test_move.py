from pathlib import Path

import pytest
from click.testing import CliRunner

from callgate.cli.audit import audit
from callgate.storage.settings import StoreSettings
from fakes.filled import fill
from fakes.kept import kept_at
from fakes.postgres import a_database
from fakes.tampering import calls


@pytest.fixture
def old(tmp_path: Path) -> StoreSettings:
    return fill(tmp_path / "r.db", calls(0, 60))


def test_a_record_goes_to_postgresql_and_back(
    old: StoreSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = kept_at(old)
    runner = CliRunner()
    back = tmp_path / "back.db"
    with a_database() as url:
        there = runner.invoke(audit, ["move", url, "--store", str(old.path)])
        assert there.exit_code == 0, there.output
        assert "Set store.url" in there.stdout
        assert "postgres@" not in there.stdout
        again = runner.invoke(audit, ["move", str(back), "--store", str(old.path)])
        assert (again.exit_code, "was moved to" in again.stderr) == (2, True)

        here = runner.invoke(audit, ["move", str(back), "--store", url])

        assert "Set store.path" in here.stdout
    assert kept_at(StoreSettings(path=back)) == before


@pytest.mark.parametrize(
    ("to", "reason"),
    [
        ("postgresql://u:secret@host", "names no database"),
        ("r.db", "where the record is"),
    ],
)
def test_a_place_that_cannot_be_is_said(
    old: StoreSettings, monkeypatch: pytest.MonkeyPatch, to: str, reason: str
) -> None:
    monkeypatch.chdir(old.path.parent)

    result = CliRunner().invoke(audit, ["move", to, "--store", "r.db"])

    assert (result.exit_code, reason in result.stderr) == (2, True)
    assert "secret" not in result.output


def test_a_record_that_is_not_there_is_not_moved(tmp_path: Path) -> None:
    (tmp_path / "callgate.yaml").write_text("store: {path: none.db}\n")
    config = str(tmp_path / "callgate.yaml")

    result = CliRunner().invoke(audit, ["move", str(tmp_path / "s.db"), "--config", config])

    assert (result.exit_code, "there is no record at" in result.stderr) == (2, True)
