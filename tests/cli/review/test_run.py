"""`callgate review`: a run in words, as JSON and as a page; verdicts go to the gateway."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from callgate.cli.review import review
from callgate.review.verdicts import Judgement, ReviewVerdict
from callgate.storage.settings import StoreSettings
from fakes.pages import read
from fakes.runs import a_world
from fakes.writing import write


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("record") / "r.db"
    world = a_world()
    said = ReviewVerdict(about="c28", verdict=Judgement.OVER_BLOCKED, author="lea", note="a lead")
    world.judge(said)
    write(StoreSettings(path=path), *world.entries)
    return path


def run(store: Path, *arguments: str) -> Result:
    return CliRunner().invoke(review, [*arguments, "--store", str(store)])


def test_the_last_run_is_told_call_by_call(store: Path) -> None:
    result = run(store, "--last")

    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("Run r")
    assert "held against the 25 calls of ada before" in result.stdout
    assert "/customer from call 1 /content/0/text" in result.stdout
    assert "lea says over-blocked: a lead" in result.stdout


def test_a_run_is_named_by_itself_a_call_or_a_session(store: Path) -> None:
    last = run(store, "--last").stdout

    assert run(store, "c26").stdout == last
    assert run(store, "run", "s1").stdout == last
    assert run(store, last.split()[1][:10]).stdout == last


def test_everything_is_there_as_json(store: Path) -> None:
    told = json.loads(run(store, "--last", "--json").stdout)

    assert [step["outcome"] for step in told["steps"]] == ["ok", "ok", "refused"]
    assert told["flows"][0]["sink_path"] == "/customer"


def test_a_report_is_one_file(store: Path, tmp_path: Path) -> None:
    file = tmp_path / "run.html"
    result = run(store, "--last", "--html", str(file))

    assert result.exit_code == 0
    assert result.stdout == f"{file}: {len(file.read_bytes()) // 1024 + 1} kB\n"
    assert file.stat().st_mode & 0o777 == 0o600
    assert "ACME-77120" in read(file.read_text("utf-8")).text
    assert run(store, "--last", "--html", str(tmp_path / "no" / "x.html")).exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "name a run, a call or a session"),
        (("c26", "--last"), "name a run, a call or a session"),
        (("nothing",), "no run, call or session begins with 'nothing'"),
        (("c2",), "is not one run"),
        (("c26", "--verdict", "3=shrugged"), "is not CALL=justified|over-blocked|missed"),
        (("c26", "--verdict", "9=justified"), "no call of the run"),
        (("c26", "--verdict", "c2=justified"), "more than one call of the run"),
        (("c26", "--verdict", "3=justified", "--note", "x" * 2001), "at most 2000 characters"),
    ],
)
def test_what_makes_no_sense_is_an_error(
    store: Path, arguments: tuple[str, ...], said: str
) -> None:
    result = run(store, *(arguments or ("run",)))

    assert result.exit_code in (1, 2)
    assert said in result.output
