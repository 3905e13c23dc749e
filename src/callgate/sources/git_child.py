"""What runs in the process that reads a git repository: fetches one ref, gives files and commit."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from callgate.model import Value
from callgate.sources.confined import confine, protocol_streams
from callgate.sources.framing import read_frame, write_frame

MAX_FILES = 10_000
MAX_TEXT_BYTES = 64 << 20  # of all files together
COMMIT_ID = re.compile(r"[0-9a-f]{40}")
_WORDS = 300


class Wanted(Value):
    """What is asked for."""

    repository: str  # a URL, or an absolute path
    ref: str
    path: str  # a pattern
    directory: str  # where our copy is
    may_fetch: bool
    kept: str | None = None  # the commit to fall back on
    username: str | None = None
    password: str | None = None
    memory_bytes: int = 1 << 30
    file_bytes: int = 256 << 20


class Commit(Value):
    """One commit, and the policy files in it."""

    id: str
    author: str
    message: str
    committed_at: float
    files: dict[str, str]  # path in the repository → text


class Found(Value):
    """What came of it. Both: the fetch failed, and this is the commit at hand."""

    commit: Commit | None = None
    problem: str | None = None


class UnusableError(Exception):
    """The repository is not what is wanted; the message says why, without any secret."""


def look(wanted: Wanted) -> Found:
    """Fetches where that may be done; and reads the commit, or the one that was there before."""
    from dulwich.repo import Repo  # noqa: PLC0415 - an extra; what is missing is said by the parent

    directory = Path(wanted.directory)
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    is_there = (directory / "HEAD").exists()
    problem = None
    with Repo(str(directory)) if is_there else Repo.init_bare(str(directory)) as repo:
        try:
            commit_id = _fetched(repo, wanted) if wanted.may_fetch else _kept(wanted)
            return Found(commit=_commit(repo, commit_id, wanted.path))
        except Exception as error:  # noqa: BLE001 - whatever a repository does, the last one counts
            problem = _words(error, wanted)
        try:
            return Found(commit=_commit(repo, _kept(wanted), wanted.path), problem=problem)
        except Exception:  # noqa: BLE001 - there is none at hand; the problem above says why
            return Found(problem=problem)


def _fetched(repo: Any, wanted: Wanted) -> bytes:
    ref = wanted.ref
    if COMMIT_ID.fullmatch(ref) and ref.encode() in repo.object_store:
        return ref.encode()
    client, path = _client(wanted)
    chosen: list[bytes] = []

    def wants(refs: dict[bytes, bytes], depth: int | None = None) -> list[bytes]:
        chosen.append(_resolved(refs, ref))
        return [one for one in chosen if one not in repo.object_store]

    client.fetch(path, repo, determine_wants=wants, depth=1)
    if not chosen:
        raise UnusableError("the server listed nothing")
    return _peeled(repo, chosen[0])


def _client(wanted: Wanted) -> tuple[Any, str]:
    from dulwich.client import (  # noqa: PLC0415 - an extra
        LocalGitClient,
        get_transport_and_path_from_url,
    )

    parts = urlsplit(wanted.repository)
    if parts.scheme in ("http", "https", "ssh"):
        further: dict[str, Any] = {}
        if wanted.password is not None and parts.scheme != "ssh":
            further = {"username": wanted.username or "git", "password": wanted.password}
        client, path = get_transport_and_path_from_url(wanted.repository, **further)
        return client, path
    return LocalGitClient(), parts.path if parts.scheme == "file" else wanted.repository


def _resolved(refs: dict[bytes, bytes], ref: str) -> bytes:
    """The id that a ref stands for, on their side."""
    if COMMIT_ID.fullmatch(ref):
        return ref.encode()
    name = ref.encode()
    for candidate in (name, b"refs/heads/" + name, b"refs/tags/" + name):
        if candidate in refs:
            return refs[candidate]
    raise UnusableError(f"it has no branch or tag {ref!r}; correct `policies.git.ref`")


def _peeled(repo: Any, identifier: bytes) -> bytes:
    """The commit that a tag stands for."""
    for _ in range(10):
        found = repo[identifier]
        if found.type_name != b"tag":
            return identifier
        identifier = found.object[1]
    raise UnusableError("a tag leads to no commit")


def _kept(wanted: Wanted) -> bytes:
    if wanted.kept is None:
        raise UnusableError("no commit of it was ever in force here")
    return wanted.kept.encode()


def _commit(repo: Any, identifier: bytes, pattern: str) -> Commit:
    commit = repo[identifier]
    if commit.type_name != b"commit":
        raise UnusableError(f"{identifier.decode()} is not a commit")
    files: dict[str, str] = {}
    size = 0
    for path, blob_id in _matching(repo, commit.tree, pattern):
        content = repo[blob_id].data
        size += len(content)
        if len(files) >= MAX_FILES or size > MAX_TEXT_BYTES:
            raise UnusableError(f"more than {MAX_FILES} files or {MAX_TEXT_BYTES} bytes match")
        try:
            files[path] = content.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise UnusableError(f"{path} is not UTF-8 text") from None
    return Commit(
        id=identifier.decode(),
        author=commit.author.decode("utf-8", "replace"),
        message=commit.message.decode("utf-8", "replace").strip(),
        committed_at=float(commit.commit_time),
        files=files,
    )


def _matching(repo: Any, tree_id: bytes, pattern: str) -> Iterator[tuple[str, bytes]]:
    """Regular files whose path fits. Links are not followed: they could lead anywhere."""
    expression = pattern_of(pattern)
    for entry in repo.object_store.iter_tree_contents(tree_id):
        path = entry.path.decode("utf-8", "surrogateescape")
        if entry.mode & 0o170000 == 0o100000 and expression.fullmatch(path):
            if not path.isprintable() or posixpath.normpath(path) != path:
                raise UnusableError(f"{path!r} is no path for a policy file")
            yield path, entry.sha


def pattern_of(pattern: str) -> re.Pattern[str]:
    """`*` and `?` stay within one directory, `**` crosses them; as for files."""
    parts = pattern.split("/")
    text = ""
    for number, part in enumerate(parts):
        is_last = number == len(parts) - 1
        if part == "**":
            text += ".*" if is_last else "(?:[^/]+/)*"
        else:
            one = re.escape(part).replace(r"\*", "[^/]*").replace(r"\?", "[^/]")
            text += one if is_last else f"{one}/"
    return re.compile(text, re.DOTALL)


def _words(error: Exception, wanted: Wanted) -> str:
    text = str(error) or type(error).__name__
    if not isinstance(error, UnusableError):
        text = f"{type(error).__name__}: {text}"
    for secret in filter(None, (wanted.password,)):
        text = text.replace(secret, "***")
    return " ".join(text.split())[:_WORDS]


def main() -> None:
    """One question, one answer."""
    incoming, outgoing = protocol_streams()
    wanted = msgspec.json.decode(read_frame(incoming), type=Wanted)
    confine(memory_bytes=wanted.memory_bytes, file_bytes=wanted.file_bytes)
    write_frame(outgoing, msgspec.json.encode(look(wanted)))


if __name__ == "__main__":
    main()
