from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from callgate.audit.questions import Condition
from callgate.audit.record import Entry
from callgate.cli.calls import Where, calls, followed
from callgate.model import Ran
from callgate.ports import CallFilter
from callgate.storage.reading import Records
from callgate.storage.settings import StoreSettings
from fakes.calls import a_principal
from fakes.store import NOW, an_intent, an_outcome
from fakes.writing import an_appender, write


def fill(path: Path, *entries: Entry) -> Path:
    write(StoreSettings(path=path), *entries)
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
    assert [place["seq"] for place in let_through["records"]] == [0, 1]


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
        (["--ran", "no"], ["d0123456789"]),
        (["--undelivered"], ["d0123456789"]),
        (["--delivered", "--policy", "p1", "--method", "tools/call"], ["c0123456789"]),
        (["--where", "arguments.amount=5", "--where", "code=ok"], ["c0123456789"]),
        (["--where", "arguments.amount>5"], []),
        (["--search", "c1", "--code", "ok"], ["c0123456789"]),
        (["--search", '"not to be"'], ["d0123456789"]),
        (["--run", "r0"], []),
        (["--session", "s0"], []),
        (["--trace", "0" * 32], []),
        (["--label", "pii"], []),
        (["--interceptor", "redact"], []),
        (["--tenant", "acme"], []),
        (["--tool-sha256", "0" * 64], []),
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


def test_pages_are_turned_by_what_the_page_before_says(store: Path) -> None:
    first = run("--store", store, "--json", "--limit", "2")
    cursor = first.stderr.split("--after ")[1].strip()
    second = run("--store", store, "--json", "--limit", "2", "--after", cursor)
    shown = [json.loads(line)["call"][0] for line in (first.stdout + second.stdout).splitlines()]
    assert shown == ["e", "d", "c"]
    assert second.stderr == ""


def test_as_many_calls_are_shown_as_wanted_however_many_questions_that_takes(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("callgate.storage.reading.paging.MOST_WORK", 1)  # one step a question
    monkeypatch.setattr("callgate.storage.rows.looking.FIRST_LOOK", 1)
    monkeypatch.setattr("callgate.storage.rows.looking.FURTHEST_LOOK", 1)
    result = run("--store", store, "--json")
    assert [json.loads(line)["call"][0] for line in result.stdout.splitlines()] == ["e", "d", "c"]
    assert len(Records(StoreSettings(path=store)).calls(CallFilter()).calls) < 3


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--where", "=5"], "is not a path"),
        (["--search", "***"], "no word to look for"),
        (["--search", '"half'], "without its other half"),
        (["--search", "-draft"], "add a word"),
        (["--after", "somewhere"], "is no cursor"),
        (["--after", "x", "--follow"], "choose one"),
        (["--ran", "perhaps"], "is not one of"),
    ],
)
def test_what_makes_no_sense_is_said_in_words(store: Path, options: list[str], said: str) -> None:
    result = run("--store", store, *options)
    assert result.exit_code == 2
    assert said in result.stderr


def test_what_comes_is_followed_each_call_once_when_it_ends(tmp_path: Path) -> None:
    settings = StoreSettings(path=tmp_path / "r.db")
    appender = an_appender(settings)
    appender.write([an_outcome("a"), an_outcome("x", code="not_permitted"), an_intent("b")])
    to_come = [
        [an_outcome("b"), an_intent("c")],
        [an_intent("z")],
        [an_outcome("y", code="not_permitted"), an_outcome("c")],
    ]

    def wait() -> bool:
        if not to_come:
            return False
        appender.write(to_come.pop(0))
        return True

    shown = list(followed(Records(settings), CallFilter(code="ok"), wait))
    appender.close()
    assert [(call["call"], call["code"]) for call in shown] == [
        ("a", "ok"),
        ("b", "ok"),
        ("c", "ok"),
    ]


@pytest.mark.parametrize("words", [[], ["--json"]])
def test_following_ends_in_peace_when_it_is_interrupted(
    store: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    def interrupted() -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules["callgate.cli.calls"], "_wait", interrupted)
    result = run("--store", store, "--follow", *words)
    assert result.exit_code == 0
    assert [line[:2] for line in result.stdout.splitlines()] == ['{"' if words else "20"] * 3


def test_missing_and_foreign_files_are_errors_without_a_traceback(tmp_path: Path) -> None:
    assert "does not exist" in run("--store", tmp_path / "r.db").stderr
    (tmp_path / "notes.txt").write_text("notes " * 1000)
    result = run("--store", tmp_path / "notes.txt")
    assert (result.exit_code, type(result.exception)) == (1, SystemExit)
    assert "not a database" in result.stderr


def test_conditions_are_read_once() -> None:
    condition = Condition.parse("arguments.amount>=500")
    assert Where().convert("arguments.amount>=500", None, None) == condition
    assert Where().convert(condition, None, None) == condition
