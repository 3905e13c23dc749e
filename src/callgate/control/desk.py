"""What operators may do with policies and the record: ports, filled in by the application."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from callgate.audit.holds import Hold
from callgate.audit.retaining import Kept, Tally
from callgate.audit.selecting import Selector
from callgate.model import Json, Value
from callgate.policy.validation import Finding
from callgate.policy.versions import Change, Version, VersionInfo


class Origin(Value):
    """Where the policies of one source come from."""

    kind: str  # file | git | store
    place: str  # the file; `<path>@<commit>`; the id in the store


class Standing(Value):
    """The policy set in force, beyond its policies."""

    mode: str  # enforce | observe
    stored: VersionInfo | None  # None: no policies are kept in the store
    origins: dict[str, Origin]  # by the source that policies give
    findings: tuple[Finding, ...]
    commit: dict[str, Json] | None = None  # of git: id, author, message, committed_at
    problems: tuple[str, ...] = ()  # why a source is not as new as it could be


class Terms(Value):
    """How a change is asked for."""

    author: str
    message: str = ""
    if_version: int | None = None  # refuse where the newest version is another one
    is_tagged: bool = False  # that came as `If-Match`
    is_dry: bool = False  # say what would happen, and change nothing


class Changed(Value):
    """What a change came to."""

    version: VersionInfo  # where nothing was changed: the version as it is
    change: Change
    findings: tuple[Finding, ...]  # about the policies that changed
    is_dry: bool
    in_force: str  # the version of the policy set that decides now


class PolicyDesk(Protocol):
    """Changes to the policies in the store. Raises Problem where one cannot be made.

    INVARIANT: a change that is refused leaves store and running set as they were.
    """

    def standing(self) -> Standing:
        """How things stand; costs little."""

    async def put(self, identifier: str, text: str, terms: Terms) -> Changed:
        """Adds or replaces a policy."""

    async def delete(self, identifier: str, terms: Terms) -> Changed:
        """Removes a policy."""

    async def rollback(self, number: int, terms: Terms) -> Changed:
        """Makes a new version of what an earlier one held."""

    async def promote(self, identifier: str, terms: Terms) -> Changed:
        """Turns a shadow policy into an active one."""

    async def versions(self, limit: int) -> Sequence[VersionInfo]:
        """The newest first."""

    async def version(self, number: int) -> Version:
        """One version with its policies."""


class ErasingDesk(Protocol):
    """Blocking: not for the loop. All of it raises StoreError."""

    def holds(self) -> Sequence[Hold]:
        """Those in force."""

    def place(self, selector: Selector, reason: str, author: str) -> Hold:
        """When it returns, nothing that the hold covers is erased any more."""

    def release(self, hold: str, reason: str, author: str) -> Hold | None:
        """By its id, or the beginning of it; None where there is not exactly one."""

    def count(self, selector: Selector, kept: Kept) -> Tally:
        """What `erase` would do."""

    def erase(self, selector: Selector, kept: Kept, reason: str, author: str) -> Tally:
        """Returns when it is gone."""
