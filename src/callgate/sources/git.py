"""Policies in a git repository: looked at in a process of its own, bounded in time and size."""

from __future__ import annotations

import hashlib
import importlib.util
import os
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from callgate.sources.confined import Child, ChildError
from callgate.sources.git_child import COMMIT_ID, Commit, Found, Wanted
from callgate.sources.settings import GitSettings
from callgate.sources.sourced import GIT, Sourced, SourceError

MODULE = "callgate.sources.git_child"
MAX_ANSWER_BYTES = 160 << 20
MEMORY_BYTES = 1 << 30  # beside what a fetch may bring
# What ssh and HTTPS need to know of this account and of the way out.
PASSED_ON = ("HOME", "SSH_AUTH_SOCK", "SSL_CERT_FILE", "SSL_CERT_DIR", "HTTPS_PROXY", "https_proxy",
             "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy")  # fmt: skip
MISSING = "policies.git needs dulwich: pip install 'callgate[git]'"


class GitRepository:
    """One repository, with our copy of it below `.callgate/git`. Blocking: ask from a thread.

    Down, slow, too large or lying: the last commit that could be read is given, with the reason.
    """

    def __init__(self, settings: GitSettings, directory: Path) -> None:
        """`directory` is where the configuration is. Raises SourceError where the extra misses."""
        if importlib.util.find_spec("dulwich") is None:
            raise SourceError("policies.git", MISSING)
        self._settings = settings
        repository = settings.repository
        if not urlsplit(repository).scheme:
            repository = str(directory / Path(repository).expanduser())
        self._repository = repository
        name = hashlib.sha256(f"{repository}\0{settings.ref}".encode()).hexdigest()[:16]
        self._copy = directory / ".callgate" / "git" / name
        self._in_force = self._copy / "callgate-in-force"

    def look(self, *, may_fetch: bool = True) -> Found:
        """The commit that the ref stands for now, or else the last one, and why. Never raises."""
        settings = self._settings
        password = settings.password
        wanted = Wanted(
            repository=self._repository,
            ref=settings.ref,
            path=settings.path,
            directory=str(self._copy),
            may_fetch=may_fetch,
            kept=self._kept(),
            username=settings.username,
            password=None if password is None else password.get_secret_value(),
            memory_bytes=MEMORY_BYTES + (settings.max_megabytes << 20),
            file_bytes=settings.max_megabytes << 20,
        )
        try:
            return self._ask(wanted)
        except (ChildError, OSError, msgspec.DecodeError) as error:
            problem = f"the repository cannot be read: reading it {error}"
        if not may_fetch:
            return Found(problem=problem)
        return Found(commit=self.look(may_fetch=False).commit, problem=problem)

    def keep(self, commit_id: str) -> None:
        """Notes that this commit is in force: it is what `look` falls back on. Raises OSError."""
        if self._kept() == commit_id:
            return
        fresh = self._in_force.with_suffix(".new")
        fresh.write_text(commit_id)
        fresh.replace(self._in_force)

    def _kept(self) -> str | None:
        try:
            text = self._in_force.read_text().strip()
        except OSError:
            return None
        return text if COMMIT_ID.fullmatch(text) else None

    def _ask(self, wanted: Wanted) -> Found:
        further = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        child = Child(MODULE, further)
        timer = child.deadline(self._settings.timeout_seconds)
        try:
            child.send(msgspec.json.encode(wanted))
            return msgspec.json.decode(child.receive(MAX_ANSWER_BYTES), type=Found)
        finally:
            timer.cancel()
            child.close()


def sourced(commit: Commit) -> tuple[Sourced, ...]:
    """The files of a commit, as any source gives them."""
    return tuple(
        Sourced(name=path.rpartition("/")[2], text=text, kind=GIT, place=f"{path}@{commit.id}")
        for path, text in sorted(commit.files.items())
    )
