from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from callgate.audit.record import Entry
from callgate.cli.calls import Instant, calls, store_path
from callgate.model import Ran
from callgate.storage.appending import Appender
from callgate.storage.settings import StoreSettings
from fakes.calls import a_principal
from fakes.clock import FakeClock
from fakes.store import NOW, an_intent, an_outcome


def fill(path: Path, *entries: Entry) -> Path:
    appender = Appender(StoreSettings(path=path), FakeClock())
    appender.open()
    appender.write(entries)
    appender.close()
    return path


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return fill(
        tmp_path / "r.db",
        an_intent("c0123456789", NOW),
        an_outcome("c0123456789", NOW + 1),
        an_outcome("d0123456789", NOW + 2, "not_permitted", ran=Ran.NO, reply=None, verdict=None),
        an_intent("e0123456789", NOW + 3),
    )


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(calls, [str(argument) for argument in arguments])


def test_without_a_terminal_calls_are_aligned_plain_text(store: Path) -> None:
    result = run("--store", store)
    assert result.exit_code == 0
    assert (
        result.stdout
        == """\
time                      call      who           tool           outcome        ran  delivered  ms    policies
2026-09-21 14:13:20.000Z  e0123456  ada (helper)  shop___refund  in flight      -    -          -     p1
2026-09-21 14:13:20.000Z  d0123456  ada (helper)  shop___refund  not_permitted  no   no         12.5  -
2026-09-21 14:13:20.000Z  c0123456  ada (helper)  shop___refund  ok             yes  yes        12.5  p1
"""
    )


def test_on_a_terminal_calls_are_a_table_in_colour(store: Path) -> None:
    parent, child = pty.openpty()
    environment = {**os.environ, "COLUMNS": "200", "TERM": "xterm-256color"}
    command = [sys.executable, "-m", "callgate", "calls", "--store", str(store)]
    with subprocess.Popen(command, stdout=child, stderr=child, env=environment) as process:
        os.close(child)
        shown = b""
        while piece := _read(parent):
            shown += piece
    os.close(parent)
    assert process.returncode == 0, shown
    assert b"\x1b[32mok\x1b[0m" in shown
    assert b"\x1b[31mnot_permitted\x1b[0m" in shown
    assert b"\x1b[33min flight\x1b[0m" in shown


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # how Linux says that the other end has closed
        return b""


def test_json_is_one_whole_call_a_line(store: Path) -> None:
    result = run("--store", store, "--json")
    in_flight, refused, let_through = map(json.loads, result.stdout.splitlines())
    assert (in_flight["call"], in_flight["code"]) == ("e0123456789", None)
    assert (refused["code"], refused["reason"]) == ("not_permitted", "It is not to be.")
    assert let_through["arguments"] == {"customer": "c1", "amount": 5}
    assert [place["seq"] for place in let_through["records"]] == [1, 2]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--refused"], ["d0123456789"]),
        (["--code", "ok"], ["c0123456789"]),
        (["--limit", "1"], ["e0123456789"]),
        (["--principal", "bob"], []),
        (["--agent", "helper", "--target", "shop", "--tool", "refund", "--code", "ok"], ["c0123456789"]),
        (["--since", "2026-09-21T14:13:22Z"], ["e0123456789", "d0123456789"]),
        (["--until", "2026-09-21T16:13:22+02:00"], ["c0123456789"]),
        (["--since", "1s"], []),
    ],
)  # fmt: skip
def test_options_choose(store: Path, options: list[str], expected: list[str]) -> None:
    result = run("--store", store, "--json", *options)
    assert result.exit_code == 0, result.output
    assert [json.loads(line)["call"] for line in result.stdout.splitlines()] == expected


def test_what_callers_wrote_cannot_fool_the_terminal(tmp_path: Path) -> None:
    principal = a_principal("ada\x1b[2K\n2026 root", agent="[red]x[/red]")
    store = fill(tmp_path / "r.db", an_outcome("c1", principal=principal))
    shown = run("--store", store).stdout
    assert len(shown.splitlines()) == 2
    assert "ada\\x1b[2K\\n2026 root ([red]x[/red])" in shown
    assert run("--store", store, "--json").stdout.strip().isprintable()


def test_missing_and_foreign_files_are_errors_without_a_traceback(tmp_path: Path) -> None:
    assert "does not exist" in run("--store", tmp_path / "r.db").stderr
    (tmp_path / "notes.txt").write_text("notes " * 1000)
    result = run("--store", tmp_path / "notes.txt")
    assert (result.exit_code, type(result.exception)) == (1, SystemExit)
    assert "not a database" in result.stderr


def test_record_is_where_the_configuration_says_however_broken_its_rest(tmp_path: Path) -> None:
    config = tmp_path / "callgate.yaml"
    config.write_text("store: {path: data/r.db}\ntargets: {x: {}}\nnonsense: true\n")
    assert store_path(config, None) == tmp_path / "data" / "r.db"
    assert store_path(config, tmp_path / "other.db") == tmp_path / "other.db"


@pytest.mark.parametrize("content", ["", "store:\n", "store: {}\n", "store: {path: }\n", "[]"])
def test_record_lies_beside_a_configuration_that_does_not_say(tmp_path: Path, content: str) -> None:
    config = tmp_path / "callgate.yaml"
    config.write_text(content)
    assert store_path(config, None) == tmp_path / "callgate.db"


def test_path_from_the_environment_is_looked_up_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "callgate.yaml"
    config.write_text("store: {path: '${env:RECORD_PATH}'}\n")
    monkeypatch.setenv("RECORD_PATH", "kept/r.db")
    assert store_path(config, None) == tmp_path / "kept" / "r.db"
    monkeypatch.delenv("RECORD_PATH")
    with pytest.raises(click.ClickException, match="RECORD_PATH"):
        store_path(config, None)


def test_unreadable_configuration_is_an_error_that_names_it(tmp_path: Path) -> None:
    config = tmp_path / "callgate.yaml"
    config.write_text("store: {path: [")
    with pytest.raises(click.ClickException, match=r"callgate\.yaml does not say where"):
        store_path(config, None)


def test_without_configuration_the_record_is_looked_for_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert store_path(None, None) == Path("callgate.db")
    (tmp_path / "callgate.yaml").write_text("store: {path: other.db}\n")
    assert store_path(None, None) == Path("other.db")
    assert "no record at other.db" in run().stderr


def test_instants_may_be_written_in_several_ways() -> None:
    def instant(value: Any) -> float:
        return Instant().convert(value, None, None)

    assert instant("2026-09-21") == NOW - 14 * 3600 - 13 * 60 - 20
    assert instant("2026-09-21T14:13:20") == NOW
    assert instant("2026-09-21T16:13:20+02:00") == NOW
    assert instant("2h") - instant("1d") == pytest.approx(22 * 3600, abs=5)
    assert instant("1.5m") - instant("90s") == pytest.approx(0, abs=5)
    with pytest.raises(click.BadParameter, match="neither like 90s"):
        instant("yesterday")
