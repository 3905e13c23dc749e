"""Policies as they stood at a revision of the git repository that holds them."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from callgate.cli.policy.grounds import CannotSay, PolicyFile, named_files
from callgate.sources.git_child import pattern_of

PREFIX = "git:"
MISSING = "reading revisions needs dulwich: pip install 'callgate[git]'"


def at_revision(revision: str, patterns: Sequence[str], directory: Path) -> tuple[PolicyFile, ...]:
    """The files that fit the patterns, relative to the directory, as they were committed.

    `revision` is a branch, a tag, or the beginning of a commit id. Raises CannotSay.
    """
    if importlib.util.find_spec("dulwich") is None:
        raise CannotSay(MISSING)
    found = list(_texts(revision, patterns, Path(os.path.realpath(directory))))
    if not found:
        raise CannotSay(f"{PREFIX}{revision} holds no policy file ({', '.join(patterns)})")
    return named_files(found)


def _texts(revision: str, patterns: Sequence[str], directory: Path) -> Iterator[tuple[Path, str]]:
    from dulwich.errors import NotGitRepository  # noqa: PLC0415 - an extra
    from dulwich.objectspec import parse_commit  # noqa: PLC0415 - an extra
    from dulwich.repo import Repo  # noqa: PLC0415 - an extra

    try:
        repo = Repo.discover(str(directory))
    except NotGitRepository:
        raise CannotSay(f"{directory} is in no git repository") from None
    with repo:
        root = Path(os.path.realpath(repo.path))
        try:
            commit = parse_commit(repo, revision.encode())
        except (KeyError, ValueError):
            raise CannotSay(f"{root} has no revision {revision!r}") from None
        expressions = [pattern_of(_from_root(pattern, directory, root)) for pattern in patterns]
        for entry in repo.object_store.iter_tree_contents(commit.tree):
            path = (entry.path or b"").decode("utf-8", "surrogateescape")
            if any(expression.fullmatch(path) for expression in expressions):
                yield root / path, _text(repo[entry.sha].as_raw_string(), path, revision)


def _from_root(pattern: str, directory: Path, root: Path) -> str:
    whole = os.path.normpath(directory / pattern)
    return os.path.relpath(whole, root).replace(os.sep, "/")


def _text(content: bytes, path: str, revision: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise CannotSay(f"{PREFIX}{revision}: {path} is not UTF-8 text") from None
