from pathlib import Path

from click.testing import CliRunner, Result

from callgate.cli.audit import audit
from callgate.storage.settings import StoreSettings
from fakes.filled import fill
from fakes.tampering import calls


def bundled(settings: StoreSettings, out: Path, *more: str) -> Result:
    arguments = ["bundle", "--store", str(settings.path), "--out", str(out), *more]
    return CliRunner().invoke(audit, arguments)


def test_a_bundle_is_written_whole_and_never_over_another(tmp_path: Path) -> None:
    settings = fill(tmp_path / "r.db", calls(0, 20))
    out = tmp_path / "b.jsonl"

    result = bundled(settings, out)
    assert (result.exit_code, result.stdout.startswith(f"{out}: ")) == (0, True)
    assert bundled(settings, out).exit_code == 2
    assert sorted(path.name for path in tmp_path.glob("b*")) == ["b.jsonl"]


def test_payloads_are_left_out_where_that_is_wanted(tmp_path: Path) -> None:
    settings = fill(tmp_path / "r.db", calls(0, 20))
    bundled(settings, tmp_path / "b.jsonl", "--without-payloads")

    assert b'"of"' not in (tmp_path / "b.jsonl").read_bytes()


def test_what_one_left_that_was_killed_is_not_in_the_way(tmp_path: Path) -> None:
    settings = fill(tmp_path / "r.db", calls(0, 20))
    (tmp_path / "b.jsonl.part").write_text("half of")

    assert bundled(settings, tmp_path / "b.jsonl").exit_code == 0
    assert sorted(path.name for path in tmp_path.glob("b*")) == ["b.jsonl"]


def test_what_cannot_be_written_is_said(tmp_path: Path) -> None:
    settings = fill(tmp_path / "r.db", calls(0, 20))

    assert bundled(settings, tmp_path / "nowhere" / "b.jsonl").exit_code == 2
