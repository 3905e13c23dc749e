"""`callgate policy fmt`: one layout, and never another meaning."""

from pathlib import Path

import pytest

from callgate.policy.layout import laid_out
from fakes.desk import POLICIES, ask

FILE = Path("policies/shop.cedar")
UGLY = "// why\npermit(principal,action,resource)when{1<2};// end\n"


def test_files_are_laid_out_once_and_keep_their_mode(desk: Path) -> None:
    FILE.chmod(0o600)
    first, second = ask("fmt"), ask("fmt")

    assert (first.exit_code, first.stdout) == (0, "policies/shop.cedar\n")
    assert FILE.read_text() == laid_out("x", POLICIES) != POLICIES
    assert FILE.stat().st_mode & 0o777 == 0o600
    assert (second.exit_code, second.stdout) == (0, "")


@pytest.mark.parametrize("option", ["--check", "--diff"])
def test_looking_changes_nothing_and_fails_where_something_would(desk: Path, option: str) -> None:
    looked = ask("fmt", option)

    assert (looked.exit_code, FILE.read_text()) == (1, POLICIES)
    assert ("+++ policies/shop.cedar (laid out)" in looked.stdout) == (option == "--diff")
    ask("fmt")
    assert ask("fmt", option).exit_code == 0


def test_a_file_that_is_no_cedar_is_left_and_the_others_are_done(desk: Path) -> None:
    Path("more").mkdir()
    Path("more/a.cedar").write_text("permit (;")
    Path("more/b.cedar").write_text(UGLY)
    done = ask("fmt", "more")

    assert done.exit_code == 2
    assert "more/a.cedar:1:9: not valid Cedar" in done.stderr
    assert Path("more/a.cedar").read_text() == "permit (;"
    assert Path("more/b.cedar").read_text() == laid_out("x", UGLY)


def test_a_text_can_be_piped_through(desk: Path) -> None:
    piped = ask("fmt", "-", given=UGLY)

    assert (piped.exit_code, piped.stdout) == (0, laid_out("x", UGLY))
    assert ask("fmt", "-", given="permit (;").exit_code == 2
