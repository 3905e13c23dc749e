"""Policies in a git repository: real ones, on the disk and over HTTP."""

from __future__ import annotations

import importlib.util
import os
import stat
import sys
from pathlib import Path
from typing import Any

import pytest
from dulwich import porcelain
from dulwich.repo import Repo

from callgate.sources.git import GitRepository, sourced
from callgate.sources.git_child import Commit, Found
from callgate.sources.settings import GitSettings
from callgate.sources.sourced import Sourced, SourceError
from fakes.repository import Repository, lying, silent

POLICY = "permit(principal, action, resource);\n"


@pytest.fixture
def origin(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "origin")


def looking(tmp_path: Path, repository: str = "origin", **settings: Any) -> GitRepository:
    return GitRepository(GitSettings(repository=repository, **settings), tmp_path)


def commit_of(found: Found) -> Commit:
    assert found.problem is None
    assert found.commit is not None
    return found.commit


def test_a_commit_is_known_with_its_author_message_and_files(
    tmp_path: Path, origin: Repository
) -> None:
    identifier = origin.commit(
        "Refunds\n\nFor all.", p__a_dot_cedar=POLICY, deep__er__b_dot_cedar="// b\n", notes="x"
    )

    commit = commit_of(looking(tmp_path).look())

    assert commit == Commit(
        id=identifier,
        author="Ada <ada@example.org>",
        message="Refunds\n\nFor all.",
        committed_at=commit.committed_at,
        files={"p/a.cedar": POLICY, "deep/er/b.cedar": "// b\n"},
    )
    assert sourced(commit) == (
        Sourced(name="b.cedar", text="// b\n", kind="git", place=f"deep/er/b.cedar@{identifier}"),
        Sourced(name="a.cedar", text=POLICY, kind="git", place=f"p/a.cedar@{identifier}"),
    )


def test_new_commits_are_fetched_over_http(tmp_path: Path, origin: Repository) -> None:
    first = origin.commit(a_dot_cedar=POLICY)
    with origin.served() as url:
        repository = looking(tmp_path, url)
        assert commit_of(repository.look()).id == first
        second = origin.commit(a_dot_cedar=None, b_dot_cedar=POLICY)
        commit = commit_of(repository.look())

    assert (commit.id, commit.files) == (second, {"b.cedar": POLICY})


def test_history_is_not_fetched(tmp_path: Path, origin: Repository) -> None:
    for number in range(5):
        origin.commit(a_dot_cedar=f"// {number}\n")
    with origin.served() as url:
        looking(tmp_path, url).look()
    (copy,) = (tmp_path / ".callgate" / "git").iterdir()

    with Repo(str(copy)) as repo:
        assert len(list(repo.object_store)) == 3  # a commit, its tree, its file


def test_a_password_is_sent_and_never_said(tmp_path: Path, origin: Repository) -> None:
    identifier = origin.commit(a_dot_cedar=POLICY)
    with origin.served("hunter2") as url:
        assert commit_of(looking(tmp_path, url, password="hunter2").look()).id == identifier
        found = looking(tmp_path, url, password="hunter3", ref="master").look()

    assert found.commit is None
    assert "hunter" not in (found.problem or "")
    assert not any(b"hunter" in file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())


@pytest.mark.parametrize("ref", ["master", "refs/heads/master", "v1", "refs/tags/v1", "HEAD"])
def test_a_ref_may_be_a_branch_or_a_tag(tmp_path: Path, origin: Repository, ref: str) -> None:
    identifier = origin.commit(a_dot_cedar=POLICY)
    origin.tag("v1")

    assert commit_of(looking(tmp_path, ref=ref).look()).id == identifier


def test_a_commit_id_is_not_asked_for_twice(tmp_path: Path, origin: Repository) -> None:
    identifier = origin.commit(a_dot_cedar=POLICY)
    repository = looking(tmp_path, ref=identifier)
    commit = commit_of(repository.look())
    origin.directory.rename(tmp_path / "gone")

    assert commit_of(repository.look()) == commit


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"ref": "nowhere"}, "it has no branch or tag 'nowhere'; correct `policies.git.ref`"),
        ({"repository": "not-there"}, "NotGitRepository"),
        ({"repository": "http://127.0.0.1:1/"}, "Connection refused"),
    ],
)
def test_what_cannot_be_had_is_said(
    tmp_path: Path, origin: Repository, settings: dict[str, Any], problem: str
) -> None:
    origin.commit(a_dot_cedar=POLICY)

    found = looking(tmp_path, **settings).look()

    assert found.commit is None
    assert problem in (found.problem or "")


def test_a_repository_that_is_down_leaves_the_commit_that_was_in_force(
    tmp_path: Path, origin: Repository
) -> None:
    first = origin.commit(a_dot_cedar=POLICY)
    with origin.served() as url:
        repository = looking(tmp_path, url)
        before = commit_of(repository.look())
        repository.keep(first)
        origin.commit(a_dot_cedar="bad")
        repository.look()  # never in force

    found = looking(tmp_path, url).look()

    assert found.commit == before
    assert "Connection refused" in (found.problem or "")


def test_a_silent_server_is_given_up_in_time(tmp_path: Path) -> None:
    with silent() as url:
        found = looking(tmp_path, url, timeout_seconds=1).look()

    problem = "the repository cannot be read: reading it took longer than 1 s"
    assert found == Found(problem=problem)


@pytest.mark.parametrize(
    ("answer", "media_type"),
    [
        (b"<html>", "text/html"),
        (b"", "application/x-git-upload-pack-advertisement"),
        (
            b"001e# service=git-upload-pack\n0000"
            + b"00711111111111111111111111111111111111111111 HEAD\0"
            + b" " * 55
            + b"\n0000",
            "application/x-git-upload-pack-advertisement",
        ),
    ],
)
def test_a_server_that_lies_gives_no_policies(
    tmp_path: Path, answer: bytes, media_type: str
) -> None:
    with lying(answer, media_type) as url:
        found = looking(tmp_path, url, timeout_seconds=20).look()

    assert found.commit is None
    assert found.problem


def test_more_than_was_allowed_is_not_taken(tmp_path: Path, origin: Repository) -> None:
    origin.commit(large=os.urandom(3 << 20), a_dot_cedar=POLICY)
    with origin.served() as url:
        found = looking(tmp_path, url, max_megabytes=1).look()

    assert found.commit is None
    assert found.problem


def test_a_file_that_is_not_text_or_a_link_is_no_policy(tmp_path: Path, origin: Repository) -> None:
    (tmp_path / "secret.cedar").write_text(POLICY)
    (origin.directory / "link.cedar").symlink_to(tmp_path / "secret.cedar")
    porcelain.add(str(origin.directory), [str(origin.directory / "link.cedar")])
    origin.commit(a_dot_cedar=POLICY)
    assert commit_of(looking(tmp_path).look()).files == {"a.cedar": POLICY}

    origin.commit(a_dot_cedar=b"\xe9")
    assert looking(tmp_path).look().problem == "a.cedar is not UTF-8 text"


@pytest.mark.skipif(sys.platform == "win32", reason="a program of the shell")
def test_ssh_is_the_account_s_own(
    tmp_path: Path, origin: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    identifier = origin.commit(a_dot_cedar=POLICY)
    programs = tmp_path / "bin"
    programs.mkdir()
    ssh = programs / "ssh"
    ssh.write_text('#!/bin/sh\nfor command; do :; done\nexec sh -c "$command"\n')
    ssh.chmod(ssh.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")

    found = looking(tmp_path, f"ssh://git@host.example{origin.directory}").look()

    assert commit_of(found).id == identifier


def test_without_the_extra_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)

    with pytest.raises(SourceError, match=r"pip install 'callgate\[git\]'"):
        looking(tmp_path)
