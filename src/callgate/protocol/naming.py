"""URIs on the aggregated route: each says which target it belongs to, in its scheme."""

from __future__ import annotations

from collections.abc import Iterable


def prefix(target: str) -> str:
    """What stands before the `+` of a target's URIs: a legal start of a URI scheme (RFC 3986).

    Lower case, because clients may fold the scheme; `_` is not legal there and becomes `..`.
    """
    folded = target.lower().replace("_", "..")
    return folded if folded[0].isalpha() else f"t.{folded}"


def shown_uri(target: str, uri: str) -> str:
    """A target's URI (or URI template) as the aggregated route shows it: `git+file:///x`."""
    return f"{prefix(target)}+{uri}"


def split_uri(shown: str, targets: Iterable[str]) -> tuple[str, str] | None:
    """(target, its own URI) of what the aggregated route showed; None where it names none."""
    said, plus, uri = shown.partition("+")
    if not plus or not uri:
        return None
    folded = said.lower()
    for target in targets:
        if prefix(target) == folded:
            return target, uri
    return None
