"""Which tools look alike to the policies that can match there: each such group is analysed once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from callgate.model import Tool, Value
from callgate.policy.analysis.findings import Subject
from callgate.policy.analysis.limits import Node, limits_along
from callgate.policy.index import ScopeIndex
from callgate.policy.names import Names
from callgate.policy.schema import context_shape, cut, input_shape
from callgate.policy.source import Policy
from callgate.protocol.jsonrpc import encode


class Environment(Value):
    """Tools that are one to the policies that can match there."""

    tool: Tool  # stands for all of them
    tools: tuple[str, ...]  # qualified names, sorted
    policies: tuple[Policy, ...]  # in the order of the set
    other: tuple[Policy, ...] = ()  # of the set that is compared with


def environments(subject: Subject) -> tuple[Environment, ...]:
    """The environments of a policy set in which any policy can match."""
    found = _Found(subject)
    matching = _Matching(subject.policies, subject.names)
    for tool in subject.tools:
        policies = matching(tool)
        if policies:
            found.add(tool, policies, ())
    return found.made()


def changed_environments(before: Subject, after: Sequence[Policy]) -> tuple[Environment, ...]:
    """The environments in which the policies that can match are not the same in both sets."""
    found = _Found(before)
    old, new = _Matching(before.policies, before.names), _Matching(after, before.names)
    for tool in before.tools:
        policies, other = old(tool), new(tool)
        if _digests(policies) != _digests(other):
            found.add(tool, policies, other)
    return found.made()


def _digests(policies: Iterable[Policy]) -> set[tuple[str, str, str]]:
    return {(policy.id, policy.digest, policy.mode) for policy in policies}


class _Matching:
    """Policies by tool, in the order of their set."""

    def __init__(self, policies: Iterable[Policy], names: Names) -> None:
        policies = tuple(policies)
        self._names = names
        self._index = ScopeIndex(policies)
        self._order = {policy.id: number for number, policy in enumerate(policies)}

    def __call__(self, tool: Tool) -> tuple[Policy, ...]:
        names = self._names
        found = self._index.for_action(names.action_of(tool), names.resource)
        return tuple(sorted(found, key=lambda policy: self._order[policy.id]))


class _Found:
    """Environments, as tools are added."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._made: dict[bytes, Environment] = {}
        self._names: dict[bytes, list[str]] = {}

    def add(self, tool: Tool, policies: tuple[Policy, ...], other: tuple[Policy, ...]) -> None:
        """Adds a tool to the environment that it belongs to."""
        key = self._key(tool, (*policies, *other))
        self._names.setdefault(key, []).append(tool.qualified_name)
        if key not in self._made:
            made = Environment(tool=tool, tools=(), policies=policies, other=other)
            self._made[key] = made

    def _key(self, tool: Tool, policies: tuple[Policy, ...]) -> bytes:
        """What the policies can see of a tool. The name counts where a condition asks for it."""
        arguments = input_shape(tool.input_schema)
        chains = {chain for policy in policies for chain in policy.chains}
        shape = cut(context_shape(arguments, self._subject.enrichments), chains)
        read = {chain[1:] for chain in chains if chain[:1] in (("input",), ("derived",))}
        is_all = () in chains or any(chain[:1] == ("meta",) for chain in chains)
        seen = arguments if is_all else cut(arguments, read)
        limits = list(limits_along(seen, Node.of(tool.input_schema)))
        asks = any(_names_actions(policy) for policy in policies)
        own = tool.qualified_name if asks else ""
        return encode([[policy.digest for policy in policies], shape, limits, own])

    def made(self) -> tuple[Environment, ...]:
        """All environments, those of many policies first: they take longest."""
        found = [
            _with_tools(environment, self._names[key]) for key, environment in self._made.items()
        ]
        return tuple(sorted(found, key=lambda one: -len(one.policies) - len(one.other)))


def _with_tools(environment: Environment, names: list[str]) -> Environment:
    return Environment(
        tool=environment.tool,
        tools=tuple(sorted(names)),
        policies=environment.policies,
        other=environment.other,
    )


def _names_actions(policy: Policy) -> bool:
    """Whether a condition looks at an action, be it that of the call or another."""
    return policy.reads_action or bool(
        set(policy.actions) - {identifier for _, identifier in policy.action.uids}
    )
