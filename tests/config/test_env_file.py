import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.config.env_file import EnvFileError, env_file_text, read_env_file


def test_names_and_values_are_read_as_a_shell_would(tmp_path: Path) -> None:
    file = tmp_path / "x.env"
    file.write_text(
        "# comment\n\nA=1\nexport B = two\nC='th ree' # c\nD=\"f#ur\"\nE=\nF=a=b\nG=x # note\nH=$A\n"
    )
    assert read_env_file(file) == {
        "A": "1", "B": "two", "C": "th ree", "D": "f#ur", "E": "", "F": "a=b", "G": "x", "H": "$A"
    }  # fmt: skip


@pytest.mark.parametrize("line", ["A", "=1", "1A=2", "A='x", "A='x' y", "set -e"])
def test_a_line_that_is_no_assignment_is_an_error_that_does_not_repeat_it(
    tmp_path: Path, line: str
) -> None:
    file = tmp_path / "x.env"
    file.write_text(f"B=1\n{line}\n")
    with pytest.raises(EnvFileError, match=r"x\.env:2: ") as caught:
        read_env_file(file)
    assert not str(caught.value).endswith(line)


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(EnvFileError, match="No such file"):
        read_env_file(tmp_path / "none")


@given(st.dictionaries(st.from_regex(r"[A-Z_]{1,8}", fullmatch=True), st.text(
    alphabet=st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=20
), max_size=4))  # fmt: skip
def test_what_we_write_reads_back_as_the_same(
    tmp_path_factory: pytest.TempPathFactory, variables: dict[str, str]
) -> None:
    file = tmp_path_factory.mktemp("env") / "x.env"
    file.write_text(env_file_text(variables), encoding="utf-8")
    assert read_env_file(file) == variables


def test_a_real_shell_reads_the_same(tmp_path: Path) -> None:
    file = tmp_path / "x.env"
    file.write_text(env_file_text({"SECRET": 'it\'s "$HOME" `ls` \\ #1'}))
    shown = subprocess.run(
        ["/bin/sh", "-c", f'set -a; . "{file}"; printenv SECRET'],
        capture_output=True,
        text=True,
        check=True,
        env=dict(os.environ),
    )
    assert shown.stdout == 'it\'s "$HOME" `ls` \\ #1\n'
