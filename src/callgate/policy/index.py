"""Which policies can matter for this principal and tool: exact scope tests before the engine."""

from __future__ import annotations

from collections.abc import Iterable

from callgate.model import Tool
from callgate.policy.entities import Facts
from callgate.policy.names import Names
from callgate.policy.source import Policy


class ScopeIndex:
    """Policies by the actions their scope names, so that one tool's few are found without a scan.

    Dropping a policy whose scope is false leaves decision, reasons and errors unchanged: scope
    tests cannot err (cedar-spec, PolicySlice.lean; cedar.md §2.2).
    """

    def __init__(self, policies: Iterable[Policy], names: Names) -> None:
        self._names = names
        gateway = (f"{names.namespace}::{names.GATEWAY}", names.gateway)
        self._any_action: list[Policy] = []
        self._by_action: dict[tuple[str, str], list[Policy]] = {}
        for policy in policies:
            if not policy.resource.matches(gateway[0], frozenset({gateway}), gateway):
                continue
            if policy.action.op == "All":
                self._any_action.append(policy)
            for uid in policy.action.uids:
                self._by_action.setdefault(uid, []).append(policy)

    def for_tool(self, tool: Tool) -> tuple[Policy, ...]:
        """Every policy whose action and resource scope matches a use of this tool."""
        kind = f"{self._names.namespace}::Action"
        own = (kind, tool.qualified_name)
        lineage = frozenset((kind, action) for action in self._names.parents(tool))
        found = {policy.id: policy for policy in self._any_action}
        for uid in lineage:
            for policy in self._by_action.get(uid, ()):
                if policy.action.matches(kind, lineage, own):
                    found[policy.id] = policy
        return tuple(found[identifier] for identifier in sorted(found))

    @staticmethod
    def for_principal(policies: Iterable[Policy], facts: Facts) -> tuple[Policy, ...]:
        """Those whose principal scope matches as well."""
        return tuple(
            p for p in policies if p.principal.matches(facts.uid[0], facts.lineage, facts.uid)
        )
