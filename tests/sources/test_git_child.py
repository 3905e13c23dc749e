"""Which files of a commit are policies, and which bounds hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from callgate.sources import git_child
from callgate.sources.git_child import Found, Wanted, look, pattern_of
from fakes.repository import Repository


@pytest.mark.parametrize(
    ("pattern", "fitting", "others"),
    [
        ("**/*.cedar", ["a.cedar", "p/a.cedar", "p/q/a.cedar"], ["a.cedar.txt", "acedar"]),
        ("*.cedar", ["a.cedar"], ["p/a.cedar"]),
        ("p/**", ["p/a", "p/q/b"], ["a", "pp/a"]),
        ("p/*/a?.cedar", ["p/q/a1.cedar"], ["p/a1.cedar", "p/q/r/a1.cedar", "p/q/a.cedar"]),
        ("a[1].cedar", ["a[1].cedar"], ["a1.cedar"]),
    ],
)
def test_patterns_mean_what_they_mean_for_files(
    pattern: str, fitting: list[str], others: list[str]
) -> None:
    expression = pattern_of(pattern)

    assert [path for path in (*fitting, *others) if expression.fullmatch(path)] == fitting


def wanted(tmp_path: Path, **more: object) -> Wanted:
    settings = {"ref": "HEAD", "path": "*.cedar", "may_fetch": True, **more}
    return Wanted(
        repository=str(tmp_path / "origin"),
        directory=str(tmp_path / "copy"),
        **settings,  # type: ignore[arg-type] # of a test's own making
    )


def test_too_many_files_are_no_policies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Repository(tmp_path / "origin").commit(a_dot_cedar="// a", b_dot_cedar="// b")
    monkeypatch.setattr(git_child, "MAX_FILES", 1)

    assert look(wanted(tmp_path)) == Found(problem="more than 1 files or 67108864 bytes match")


def test_without_fetching_there_is_what_was_in_force(tmp_path: Path) -> None:
    origin = Repository(tmp_path / "origin")
    first = origin.commit(a_dot_cedar="// a")
    look(wanted(tmp_path))
    origin.commit(a_dot_cedar="// b")
    look(wanted(tmp_path))

    found = look(wanted(tmp_path, may_fetch=False, kept=first))
    none = look(wanted(tmp_path, may_fetch=False))

    assert found.commit is not None
    assert (found.commit.id, found.commit.files) == (first, {"a.cedar": "// a"})
    assert none == Found(problem="no commit of it was ever in force here")
