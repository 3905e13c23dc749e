"""callgate audit erase and hold, without a gateway."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from callgate.cli.audit import audit
from callgate.storage.settings import StoreSettings
from fakes.small_entries import an_intent, an_outcome
from fakes.writing import write

EVE: dict[str, Any] = {"principal": {"id": "eve", "kind": "jwt"}}


@pytest.fixture
def store(tmp_path: Path) -> Path:
    path = tmp_path / "r.db"
    write(
        StoreSettings(path=path),
        an_intent("c1"),
        an_outcome("c1"),
        an_intent("c2", **EVE),
        an_outcome("c2", **EVE),
    )
    return path


def run(store: Path | None, *arguments: str) -> Result:
    place = [] if store is None else ["--offline", "--store", str(store)]
    return CliRunner().invoke(audit, [*arguments, *place])


def counted(store: Path, *arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run(store, "erase", *arguments, "--json").stdout)
    return found


def test_it_only_counts_until_it_is_told_to_do_it(store: Path) -> None:
    told = run(store, "erase", "--principal", "ada")
    assert told.exit_code == 0
    assert "2 entries of 1 calls would be erased; do it with --yes" in told.stdout
    assert counted(store, "--everything")["calls"] == 2

    done = run(store, "erase", "--principal", "ada", "--yes", "--reason", "asked for")
    assert (done.exit_code, done.stdout) == (0, "2 entries of 1 calls were erased.\n")
    assert counted(store, "--everything")["calls"] == 1
    verified = CliRunner().invoke(audit, ["verify", "--store", str(store), "--strict"])
    assert verified.exit_code == 0, verified.output


def test_what_is_held_stays_and_that_is_said(store: Path) -> None:
    placed = run(store, "hold", "place", "--principal", "eve", "--reason", "a case")
    assert placed.exit_code == 0, placed.output
    hold = placed.stdout.partition(":")[0]
    listed = CliRunner().invoke(audit, ["hold", "list", "--store", str(store)])
    assert f"{hold}  " in listed.stdout
    assert "principal eve. a case" in listed.stdout

    done = run(store, "erase", "--everything", "--yes", "--reason", "x")
    assert (done.exit_code, done.stdout) == (1, "2 entries of 1 calls were erased.\n")
    assert "1 calls are under hold" in done.stderr

    assert run(store, "hold", "release", "zzz", "--reason", "x").exit_code == 2
    assert run(store, "hold", "release", hold, "--reason", "over").exit_code == 0
    empty = CliRunner().invoke(audit, ["hold", "list", "--store", str(store), "--json"])
    assert json.loads(empty.stdout) == {"holds": []}
    assert run(store, "erase", "--everything", "--yes", "--reason", "x").exit_code == 0
    assert counted(store, "--everything")["calls"] == 0


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--principal", ""),
        ("--everything", "--run", "r1"),
        ("--everything", "--yes"),
        ("--everything", "--yes", "--reason", " "),
        ("--everything", "--what", "events"),
    ],
)
def test_what_does_not_say_enough_is_refused(store: Path, arguments: tuple[str, ...]) -> None:
    assert run(store, "erase", *arguments).exit_code == 2
    assert counted(store, "--everything")["calls"] == 2


def test_a_record_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    (tmp_path / "callgate.yaml").write_text("store: {path: none.db}\n")
    config = ["--offline", "--config", str(tmp_path / "callgate.yaml")]
    told = CliRunner().invoke(audit, ["erase", "--everything", *config])
    assert (told.exit_code, "there is no record" in told.stderr) == (2, True)
    assert list(tmp_path.iterdir()) == [tmp_path / "callgate.yaml"]


def test_what_could_not_be_done_is_told_from_what_is_held(tmp_path: Path) -> None:
    (tmp_path / "callgate.yaml").write_text("targets: {x: {python: x}}\n")
    config = ["--config", str(tmp_path / "callgate.yaml"), "--control", "http://127.0.0.1:1"]
    told = CliRunner().invoke(audit, ["erase", "--everything", *config])
    assert told.exit_code == 2
    assert ("no gateway answers" in told.stderr, "<urlopen" in told.stderr) == (True, False)


def test_a_store_is_not_named_to_a_gateway(store: Path) -> None:
    told = CliRunner().invoke(audit, ["erase", "--everything", "--store", str(store)])
    assert (told.exit_code, "--offline" in told.stderr) == (2, True)
