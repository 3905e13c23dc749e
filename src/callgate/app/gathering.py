"""The policies of all sources as one set: files, git and the store, read in a process apart."""

from __future__ import annotations

import logging
from pathlib import Path

from callgate.audit.definitions import World
from callgate.audit.event import POLICIES, event
from callgate.audit.record import Entry
from callgate.config import Config
from callgate.model import Json, Value
from callgate.policy.source import Policy, PolicyError
from callgate.policy.versions import EMPTY, Version
from callgate.ports import PolicyVersions
from callgate.sources import files, git, store
from callgate.sources.git import GitRepository
from callgate.sources.git_child import Commit, Found
from callgate.sources.parsing import Parser
from callgate.sources.sourced import Sourced, SourceError

_log = logging.getLogger("callgate")


class PolicySet(Value):
    """One set of policies, and where each came from."""

    policies: tuple[Policy, ...]
    texts: tuple[Sourced, ...] = ()
    files: tuple[Path, ...] = ()
    commit: Commit | None = None
    stored: Version = EMPTY

    def in_force(self, version: str, at: float, world: World) -> Entry:
        """What the record keeps of this set coming into force; `version` is what verdicts name."""
        stored, commit = self.stored.info, self.commit
        said: dict[str, Json] = {
            "version": version,
            "policies": len(self.policies),
            "mode": world.mode,
            "namespace": world.namespace,
            "gateway": world.gateway,
        }
        if stored.number:
            said["stored"] = {
                "number": stored.number,
                "author": stored.author,
                "sha256": stored.digest,
            }
        if commit is not None:
            said["commit"] = {"id": commit.id, "author": commit.author}
        return event(POLICIES, at, said)


class Sources:
    """The sources of one configuration. Blocking: ask from a thread.

    INVARIANT: a set is whole or there is none: a source that cannot be read may hold a forbid.
    """

    def __init__(
        self,
        config: Config,
        versions: PolicyVersions,
        parser: Parser,
        like: Sources | None = None,
    ) -> None:
        """`like`: those before, whose commit stays at hand. Raises SourceError."""
        self._settings = config.policies
        self._directory = config.directory
        self._versions = versions
        self._parser = parser
        self._git: GitRepository | None = None
        self.found = Found()  # what the last look at the repository gave
        settings = self._settings.git
        if settings is not None:
            self._git = GitRepository(settings, self._directory)
            if like is not None and like._settings.git == settings:
                self.found = like.found

    @property
    def poll_seconds(self) -> float | None:
        """How long between two looks at the repository; None where there is none."""
        return self._settings.git.poll_seconds if self._settings.git is not None else None

    @property
    def has_store(self) -> bool:
        """Whether policies may be kept in the store."""
        return self._settings.store

    def watched(self) -> frozenset[Path]:
        """Policy files, and directories where another would count."""
        patterns = self._settings.files
        found = files.find(patterns, self._directory)
        return files.places(patterns, self._directory) | frozenset(found)

    def look(self) -> Found:
        """What the repository has now. Never raises."""
        return self._git.look() if self._git is not None else Found()

    def stay(self, problem: str | None) -> None:
        """The commit at hand stays, and this is why there is no newer one."""
        self.found = Found(commit=self.found.commit, problem=problem)

    def newest_number(self) -> int:
        """The newest version in the store, 0 where there is none. Raises StoreError."""
        return self._versions.newest_number() if self._has_record() else 0

    def load(self, stored: Version | None = None) -> PolicySet:
        """All policies as they are now; with `stored` in place of the store's newest version.

        Raises PolicyError, SourceError, StoreError: there is no set then.
        """
        found = files.find(self._settings.files, self._directory)
        texts = list(files.read(found))
        commit = self._commit()
        if commit is not None:
            texts += git.sourced(commit)
        if stored is None:
            stored = self._versions.newest() if self._has_record() else EMPTY
        texts += store.sourced(stored)
        policies = self._parser.parse([(one.name, one.text) for one in texts])
        return PolicySet(
            policies=policies, texts=tuple(texts), files=found, commit=commit, stored=stored
        )

    def first(self) -> PolicySet:
        """The set to start with: of the newest commit, or else of the last that was in force.

        Raises as `load`.
        """
        if self._git is None:
            return self.load()
        if self.found.commit is None:
            self.found = self.look()
        try:
            return self.load()
        except (PolicyError, SourceError) as error:
            newest = self.found.commit
            kept = self._git.look(may_fetch=False).commit
            if newest is None or kept is None or kept.id == newest.id:
                raise
            _log.error(
                "policies.git: commit %s is not used, %s stays: %s",
                newest.id[:12],
                kept.id[:12],
                error,
            )
            self.found = Found(commit=kept, problem=f"commit {newest.id[:12]}: {error}")
            return self.load()

    def keep(self, made: PolicySet) -> None:
        """Notes what is in force now, to fall back on."""
        if self._git is None or made.commit is None:
            return
        try:
            self._git.keep(made.commit.id)
        except OSError as error:
            _log.warning("policies.git: what is in force cannot be noted: %s", error)

    def parse(self, name: str, text: str) -> tuple[Policy, ...]:
        """One text by itself. Raises PolicyError, SourceError."""
        return self._parser.parse([(name, text)])

    def _commit(self) -> Commit | None:
        if self._git is None:
            return None
        if self.found.commit is None:
            problem = self.found.problem or "it has not been looked at"
            raise SourceError("policies.git", f"there is no commit to use: {problem}")
        return self.found.commit

    def _has_record(self) -> bool:
        # A configuration can be looked at before its gateway ran for the first time.
        return self._settings.store and self._versions.has_begun()
