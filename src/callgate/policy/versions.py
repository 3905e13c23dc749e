"""Versions of the policies in the store: what each holds, and what lies between two."""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Mapping

import msgspec

from callgate.model import Value
from callgate.policy.source import Policy

ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:@-]{0,127}")
RESERVED = frozenset({"versions", "rollback", "promote"})  # words of the control API's paths
MAX_MESSAGE_CHARACTERS = 2000


class VersionInfo(Value):
    """One version of all policies in the store, without their texts."""

    number: int  # 1, 2, 3 …
    parent: int  # the version that it changed; 0: there was nothing
    author: str
    message: str
    created_at: float  # seconds since the epoch
    digest: str  # sha256 of all its policies, hex


class Version(Value):
    """One version with its policies."""

    info: VersionInfo
    policies: dict[str, str]  # id → text


EMPTY = Version(
    info=VersionInfo(number=0, parent=0, author="", message="", created_at=0.0, digest=""),
    policies={},
)


class Change(Value):
    """What two versions differ in. Ids are in order."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]
    text: str  # a unified diff of each

    @property
    def is_empty(self) -> bool:
        """Whether they do not differ."""
        return not (self.added or self.removed or self.changed)


def digest_of(policies: Mapping[str, str]) -> str:
    """The digest of a version: of its ids and texts, in order."""
    return hashlib.sha256(msgspec.json.encode(sorted(policies.items()))).hexdigest()


def difference(old: Mapping[str, str], new: Mapping[str, str]) -> Change:
    """What has to change in `old` for it to be `new`."""
    changed = sorted(one for one in old.keys() & new.keys() if old[one] != new[one])
    touched = sorted((old.keys() ^ new.keys()) | set(changed))
    return Change(
        added=tuple(sorted(new.keys() - old.keys())),
        removed=tuple(sorted(old.keys() - new.keys())),
        changed=tuple(changed),
        text="".join(_diff(one, old.get(one), new.get(one)) for one in touched),
    )


def _diff(identifier: str, old: str | None, new: str | None) -> str:
    before, after = (_lines(text) for text in (old, new))
    lines = difflib.unified_diff(
        before,
        after,
        "/dev/null" if old is None else f"a/{identifier}",
        "/dev/null" if new is None else f"b/{identifier}",
    )
    return "".join(lines)


def _lines(text: str | None) -> list[str]:
    return [f"{line}\n" for line in (text or "").splitlines()]


def problem_of_id(identifier: str) -> str | None:
    """Why a policy in the store cannot be called so; None where it can."""
    if identifier in RESERVED:
        return f"{identifier!r} is a word of this API; choose another id"
    if not ID.fullmatch(identifier):
        return (
            "an id in the store begins with a letter or digit, goes on with letters, digits and "
            "`_.:@-`, and has at most 128 characters"
        )
    return None


class Named(Value):
    """A text with its id in it, or what is wrong with it."""

    text: str
    further_lines: int = 0  # that stand before what was written
    problem: str | None = None


def named(identifier: str, text: str, policies: tuple[Policy, ...]) -> Named:
    """The text as the store keeps it. `policies` is what it reads as: one, under no other id."""
    if len(policies) != 1:
        return Named(text=text, problem=f"must be one policy, not {len(policies)}")
    (policy,) = policies
    if "id" not in (policy.est.get("annotations") or {}):
        return Named(text=f'@id("{identifier}")\n{text}', further_lines=1)
    if policy.id != identifier:
        problem = f'its @id is "{policy.id}", the request names {identifier!r}; make them equal'
        return Named(text=text, problem=problem)
    return Named(text=text)
