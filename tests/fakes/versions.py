"""Policies in a store in memory."""

from __future__ import annotations

from callgate.policy.versions import EMPTY, Version, VersionInfo, digest_of
from callgate.ports import ConflictError


def a_version(number: int = 1, /, author: str = "ada", **policies: str) -> Version:
    """The version `number`, after the one before it."""
    info = VersionInfo(
        number=number,
        parent=number - 1,
        author=author,
        message=f"change {number}",
        created_at=1_790_000_000.0 + number,
        digest=digest_of(policies),
    )
    return Version(info=info, policies=policies)


class FakePolicyVersions:
    """Implements PolicyVersions."""

    def __init__(self, *kept: Version) -> None:
        self.kept = [EMPTY, *kept]

    def has_begun(self) -> bool:
        return True

    def newest(self) -> Version:
        return self.kept[-1]

    def newest_number(self) -> int:
        return len(self.kept) - 1

    def get(self, number: int) -> Version | None:
        return self.kept[number] if 0 <= number < len(self.kept) else None

    def infos(self, limit: int) -> list[VersionInfo]:
        return [version.info for version in reversed(self.kept[1:])][:limit]

    def add(self, made: Version) -> None:
        newest = self.newest_number()
        if (made.info.parent, made.info.number) != (newest, newest + 1):
            raise ConflictError(newest)
        self.kept.append(made)
