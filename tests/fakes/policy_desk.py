"""A desk for policies that keeps versions in memory and tries nothing out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from callgate.control.desk import Changed, Standing, Terms
from callgate.control.problems import Problem
from callgate.policy.versions import EMPTY, Version, VersionInfo, difference, digest_of


@dataclass
class FakePolicyDesk:
    """Implements PolicyDesk."""

    told: Standing = field(
        default_factory=lambda: Standing(mode="enforce", stored=None, origins={}, findings=())
    )
    kept: list[Version] = field(default_factory=lambda: [EMPTY])
    asked: list[Terms] = field(default_factory=list)

    def standing(self) -> Standing:
        return self.told

    async def put(self, identifier: str, text: str, terms: Terms) -> Changed:
        return self._change({**self.kept[-1].policies, identifier: text}, terms)

    async def delete(self, identifier: str, terms: Terms) -> Changed:
        policies = dict(self.kept[-1].policies)
        if policies.pop(identifier, None) is None:
            raise Problem(404, f"The store holds no policy {identifier}.")
        return self._change(policies, terms)

    async def rollback(self, number: int, terms: Terms) -> Changed:
        return self._change((await self.version(number)).policies, terms)

    async def promote(self, identifier: str, terms: Terms) -> Changed:
        if identifier not in self.kept[-1].policies:
            raise Problem(404, f"The store holds no policy {identifier}.")
        return self._change({**self.kept[-1].policies, identifier: "promoted"}, terms)

    async def versions(self, limit: int) -> Sequence[VersionInfo]:
        return [version.info for version in reversed(self.kept[1:])][:limit]

    async def version(self, number: int) -> Version:
        if not 0 <= number < len(self.kept):
            raise Problem(404, f"There is no version {number} of the policies.")
        return self.kept[number]

    def _change(self, policies: dict[str, str], terms: Terms) -> Changed:
        self.asked.append(terms)
        before = self.kept[-1]
        info = VersionInfo(
            number=len(self.kept),
            parent=len(self.kept) - 1,
            author=terms.author,
            message=terms.message,
            created_at=1_790_000_000.0,
            digest=digest_of(policies),
        )
        if not terms.is_dry:
            self.kept.append(Version(info=info, policies=policies))
        return Changed(
            version=before.info if terms.is_dry else info,
            change=difference(before.policies, policies),
            findings=(),
            is_dry=terms.is_dry,
            in_force="f" * 12,
        )
