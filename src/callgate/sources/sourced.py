"""One policy text and where it came from: what every source gives, and how it fails."""

from __future__ import annotations

from callgate.model import Value

FILE, GIT, STORE = "file", "git", "store"


class Sourced(Value):
    """A policy text under the name that its policies give as their source."""

    name: str
    text: str
    kind: str  # file | git | store
    place: str  # the file; `<path>@<commit>`; the id in the store


class SourceError(Exception):
    """A source cannot be used now. `source` is what cannot, `problem` says why and what to do."""

    def __init__(self, source: str, problem: str) -> None:
        super().__init__(f"{source}: {problem}")
        self.source = source
        self.problem = problem
