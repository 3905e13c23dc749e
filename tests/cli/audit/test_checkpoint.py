from pathlib import Path

from click.testing import CliRunner

from callgate.audit.checkpoints import read_checkpoint
from callgate.audit.notes import split_notes
from callgate.cli.audit import audit
from fakes.filled import fill
from fakes.tampering import calls


def test_the_newest_checkpoint_is_printed_as_it_is_kept(tmp_path: Path) -> None:
    store = str(fill(tmp_path / "r.db", calls(0, 60)).path)
    runner = CliRunner()

    newest = runner.invoke(audit, ["checkpoint", "--store", store]).stdout
    said, _ = read_checkpoint(newest)
    assert said.origin.endswith("/0")

    of_one, _ = read_checkpoint(
        runner.invoke(audit, ["checkpoint", "--store", store, "--log", "1"]).stdout
    )
    assert (of_one.origin, of_one.size >= 120) == (said.origin[:-1] + "1", True)

    every = split_notes(runner.invoke(audit, ["checkpoint", "--store", store, "--all"]).stdout)
    assert [read_checkpoint(note)[0].origin for note in every] == [said.origin, of_one.origin]


def test_where_there_is_none_that_is_said(tmp_path: Path) -> None:
    store = str(fill(tmp_path / "r.db", calls(0, 1)).path)

    result = CliRunner().invoke(audit, ["checkpoint", "--store", store, "--log", "77"])
    assert (result.exit_code, "no checkpoint of log 77 yet" in result.stderr) == (2, True)
