"""Policies out of the history of their repository."""

import importlib.util
from pathlib import Path

import pytest
from dulwich import porcelain
from dulwich.repo import Repo

from callgate.cli.policy.grounds import CannotSay
from callgate.cli.policy.revisions import at_revision
from fakes.desk import POLICIES

PATTERNS = ("policies/*.cedar",)


@pytest.fixture
def repository(desk: Path) -> Path:
    """The desk is a directory of a repository with two commits; the second is tagged."""
    root = desk.parent
    porcelain.init(str(root))
    for text in (POLICIES, POLICIES + "// later\n"):
        (desk / "policies" / "shop.cedar").write_text(text)
        (desk / "policies" / "deep").mkdir(exist_ok=True)
        (desk / "policies" / "deep" / "more.cedar").write_text("// more\n")
        (root / "policies").mkdir(exist_ok=True)
        (root / "policies" / "other.cedar").write_text("// not ours\n")
        porcelain.add(str(root))
        porcelain.commit(str(root), message=b"x", author=b"A <a@x>", committer=b"A <a@x>")
    porcelain.tag_create(str(root), b"v2")
    return root


def _commits(root: Path) -> list[str]:
    with Repo(str(root)) as repo:
        return [entry.commit.id.decode() for entry in repo.get_walker()]


def test_the_files_of_the_patterns_are_read_as_they_were(desk: Path, repository: Path) -> None:
    first = _commits(repository)[-1]
    for revision in (first, first[:10]):
        (file,) = at_revision(revision, PATTERNS, desk)
        assert (file.source, file.text, file.shown) == (
            "shop.cedar",
            POLICIES,
            "policies/shop.cedar",
        )
    for revision in ("v2", "HEAD", "master"):
        (file,) = at_revision(revision, PATTERNS, desk)
        assert file.text.endswith("// later\n")


def test_patterns_reach_as_far_as_those_of_the_configuration(desk: Path, repository: Path) -> None:
    files = at_revision("HEAD", ("policies/**/*.cedar", "../policies/*.cedar"), desk)

    assert sorted(file.source for file in files) == ["more.cedar", "other.cedar", "shop.cedar"]


@pytest.mark.parametrize(
    ("revision", "pattern", "said"),
    [
        ("none", PATTERNS[0], "has no revision 'none'"),
        ("HEAD", "rules/*.cedar", r"git:HEAD holds no policy file \(rules/\*.cedar\)"),
    ],
)
def test_what_is_not_there_is_said(
    desk: Path, repository: Path, revision: str, pattern: str, said: str
) -> None:
    with pytest.raises(CannotSay, match=said):
        at_revision(revision, (pattern,), desk)


def test_a_directory_without_history_is_said(desk: Path) -> None:
    with pytest.raises(CannotSay, match="is in no git repository"):
        at_revision("HEAD", PATTERNS, desk)


def test_where_git_cannot_be_read_that_is_said(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)

    with pytest.raises(CannotSay, match=r"pip install 'callgate\[git\]'"):
        at_revision("HEAD", PATTERNS, desk)
