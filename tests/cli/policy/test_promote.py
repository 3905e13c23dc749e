"""callgate policy promote."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from callgate.cli.policy import policy
from fakes.application import CONFIG, written
from fakes.repository import Repository

FILE = """\
// Refunds.\r
@id("other") permit(principal, action, resource);\r
  @id("cap")\r
  @mode("shadow") // for now
  @reason("At most 100.")
  forbid(principal, action, resource)
  when { context.input.amount > 100 };
"""


def promote(directory: Path, identifier: str) -> Result:
    arguments = ["promote", identifier, "--config", str(directory / "callgate.yaml")]
    return CliRunner().invoke(policy, arguments)


def test_only_the_annotation_leaves_the_file(tmp_path: Path) -> None:
    written(tmp_path, CONFIG)
    file = tmp_path / "policies" / "p.cedar"
    file.write_bytes(b"\xef\xbb\xbf" + FILE.encode())
    file.chmod(0o640)

    result = promote(tmp_path, "cap")

    assert result.output == f"cap is active: {file}:3\n"
    expected = FILE.replace('@mode("shadow") // for now', "// for now")
    assert file.read_bytes() == b"\xef\xbb\xbf" + expected.encode()
    if sys.platform != "win32":
        assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.skipif(sys.platform == "win32", reason="links need privileges there")
def test_a_link_stays_a_link(tmp_path: Path) -> None:
    written(tmp_path, CONFIG)
    real = tmp_path / "real.cedar"
    real.write_text(FILE)
    link = tmp_path / "policies" / "p.cedar"
    link.symlink_to(real)

    promote(tmp_path, "cap")

    assert link.is_symlink()
    assert "@mode" not in real.read_text()


@pytest.mark.parametrize(
    ("identifier", "said"),
    [("other", "is active already"), ("nobody", "no policy has the id nobody")],
)
def test_what_cannot_be_promoted_is_said_and_left(
    tmp_path: Path, identifier: str, said: str
) -> None:
    written(tmp_path, CONFIG, p=FILE)
    before = (tmp_path / "policies" / "p.cedar").read_bytes()

    result = promote(tmp_path, identifier)

    assert (result.exit_code, said in result.output) == (1, True)
    assert (tmp_path / "policies" / "p.cedar").read_bytes() == before


def test_what_comes_from_git_is_changed_there(tmp_path: Path) -> None:
    written(tmp_path, CONFIG + "policies: {git: {repository: origin}}\n")
    identifier = Repository(tmp_path / "origin").commit(q_dot_cedar=FILE)

    result = promote(tmp_path, "cap")

    assert result.exit_code == 1
    assert f"cap comes from git (q.cedar@{identifier}): take its" in result.output


def test_a_set_that_cannot_be_read_promotes_nothing(tmp_path: Path) -> None:
    written(tmp_path, CONFIG, p=FILE, q="permit(")

    result = promote(tmp_path, "cap")

    assert result.exit_code == 1
    assert "q.cedar:1:7: not valid Cedar" in result.output


@pytest.mark.skipif(
    sys.platform == "win32" or os.geteuid() == 0, reason="permissions do not hold for all"
)
def test_a_directory_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    written(tmp_path, CONFIG, p=FILE)
    (tmp_path / "policies").chmod(0o500)

    result = promote(tmp_path, "cap")
    (tmp_path / "policies").chmod(0o700)

    assert (result.exit_code, "Permission denied" in result.output) == (1, True)
