"""Do the policies in force fit the tools? Asked when either changes; what is new is said."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence, Set

from callgate.model import SEPARATOR
from callgate.pipeline.gateway import Gateway
from callgate.policy.names import Names
from callgate.policy.source import Policy
from callgate.policy.validation import Finding, findings
from callgate.protocol.methods import widest_offer
from callgate.upstream.catalog import LiveCatalog

_log = logging.getLogger("callgate")


class Checks:
    """What is wrong with the policies in force, as far as it has been looked at."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[Finding, ...]] = {}  # by policy

    @property
    def present(self) -> tuple[Finding, ...]:
        """All findings."""
        return tuple(finding for found in self._found.values() for finding in found)

    def are_new(self, found: Iterable[Finding]) -> list[Finding]:
        """The errors among findings that are not present: nobody lives with them yet."""
        known = {(finding.policy, finding.message) for finding in self.present}
        return [
            finding
            for finding in found
            if finding.is_error and (finding.policy, finding.message) not in known
        ]

    def take(self, policies: Iterable[Policy], found: Iterable[Finding]) -> None:
        """Puts what was found about these policies in place of what was known; says what is new."""
        fresh: dict[str, list[Finding]] = {policy.id: [] for policy in policies}
        for finding in found:
            fresh.setdefault(finding.policy, []).append(finding)
        for identifier, now in fresh.items():
            before = self._found.pop(identifier, ())
            _tell(identifier, before, now)
            if now:
                self._found[identifier] = tuple(now)

    def keep_only(self, identifiers: Set[str]) -> None:
        """Only these policies are left."""
        for gone in self._found.keys() - identifiers:
            del self._found[gone]


def _tell(identifier: str, before: Sequence[Finding], now: Sequence[Finding]) -> None:
    known = {finding.message for finding in before}
    for finding in now:
        if finding.message not in known:
            _log.error("policy %s (%s): %s", identifier, finding.source, finding.message)
    if before and not now:
        _log.info("policy %s (%s): it fits again", identifier, before[0].source)


async def look(
    gateway: Gateway, targets: Iterable[str], policies: Sequence[Policy], *, is_lazy: bool = False
) -> list[Finding]:
    """What is wrong with these policies, against the tools known now. Off the event loop."""
    names = tuple(targets)
    found = await _findings(gateway, names, policies)
    if not found or is_lazy:
        return found
    # Some targets list more to clients that can be asked; only now is that worth a session.
    catalog = gateway.catalog
    offers = {name: widest_offer(gateway.may_ask.get(name, ())) for name in names}
    await asyncio.gather(*(catalog.ensure(name, offer) for name, offer in offers.items()))
    return await _findings(gateway, names, policies)


async def _findings(
    gateway: Gateway, targets: tuple[str, ...], policies: Sequence[Policy]
) -> list[Finding]:
    if not policies:
        return []
    engine, catalog = gateway.engine, gateway.catalog
    assert isinstance(catalog, LiveCatalog)  # noqa: S101 - the only one we build
    tools = list(catalog.every_tool())
    listed = {
        name: bool(catalog.every_tool(name)) or catalog.connector(name).status.is_ready
        for name in targets
    }
    return await asyncio.to_thread(
        findings, engine.names, policies, tools, gateway.chain.enrichments, listed
    )


def changed(old: Iterable[Policy], new: Iterable[Policy]) -> tuple[Policy, ...]:
    """The policies of a new set that say something else than in the old one, or are new."""
    before: Mapping[str, str] = {policy.id: policy.digest for policy in old}
    return tuple(policy for policy in new if before.get(policy.id) != policy.digest)


def concerned(policies: Iterable[Policy], names: Names, target: str) -> list[Policy]:
    """The policies that a change of a target's tools may concern."""
    start = f"{target}{SEPARATOR}"
    groups = names.GROUPS | {target}
    return [
        policy
        for policy in policies
        if policy.action.op == "All"
        or any(action in groups or action.startswith(start) for action in policy.actions)
    ]
