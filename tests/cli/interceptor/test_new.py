"""What is written to start from works at once, and harms nothing that is there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from callgate.cli.interceptor import interceptor
from callgate.cli.interceptor.starters import STARTERS
from callgate.config import load_config


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def new(*words: str) -> Result:
    return CliRunner().invoke(interceptor, ["new", *words])


def settings_of(result: Result) -> str:
    text = result.stdout.partition("interceptors:\n")[2].partition("\nOn a call")[0]
    return f"interceptors:\n{text}"


@pytest.mark.parametrize("kind", STARTERS)
def test_the_test_passes_at_once_without_anything_of_this_repository(
    kind: str, tmp_path: Path
) -> None:
    result = new("tidy", "--kind", kind, "--directory", "hooks")
    assert result.exit_code == 0, result.output

    # No configuration of pytest, no path of ours: as somebody runs it who has installed callgate.
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error",
         "hooks/test_tidy.py"],
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        capture_output=True,
        text=True,
        timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("kind", STARTERS)
def test_the_settings_that_are_printed_are_valid(kind: str, tmp_path: Path) -> None:
    printed = settings_of(new("tidy", "--kind", kind, "--directory", "hooks"))

    file = tmp_path / "callgate.yaml"
    file.write_text(printed)
    secret = {"tidy_SECRET": "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="}
    (made,) = load_config(file, secret).interceptors
    assert (made.name, made.kind, sorted(made.on)) == ("tidy", kind, ["request"])
    if kind == "python":
        assert yaml.safe_load(printed)["interceptors"][0]["python"] == "hooks.tidy:tidy"


def test_a_python_function_takes_ten_lines(tmp_path: Path) -> None:
    new("tidy")

    assert len((tmp_path / "tidy.py").read_text().splitlines()) <= 10


def test_nothing_is_overwritten_and_nothing_is_written_by_halves(tmp_path: Path) -> None:
    (tmp_path / "test_tidy.py").write_text("mine")

    result = new("tidy")

    assert result.exit_code == 1
    assert result.stderr == "Error: test_tidy.py is there already; choose another name\n"
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [
        ("test_tidy.py", "mine")
    ]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("no-name", "is no name"),
        ("class", "is no name"),
        ("9a", "is no name"),
        ("../out", "is no name"),
        ("json", "Python has a module json already"),
        ("callgate", "Python has a module callgate already"),
    ],
)
def test_a_name_that_cannot_be_or_would_hide_a_module_is_refused(
    name: str, words: str, tmp_path: Path
) -> None:
    result = new(name)

    assert result.exit_code == 2 and words in result.stderr
    assert list(tmp_path.iterdir()) == []
