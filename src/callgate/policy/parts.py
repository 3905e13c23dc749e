"""The policies in scope at one tool: what they read there, and what is left of them to ask."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import cedarpy

from callgate.model import Json, Tool
from callgate.policy.answers import Verdicts
from callgate.policy.deciding import Deciding, deciding, without_levels
from callgate.policy.expressions import Chain
from callgate.policy.hints import Narrowing
from callgate.policy.hoisting import Flattening, flat, hoisted
from callgate.policy.index import Lineage
from callgate.policy.leaves import Leaf, Limits
from callgate.policy.schema import Shape, cut
from callgate.policy.source import Policy
from callgate.policy.validation import Validator


class Choice:
    """Some policies, and what they read together. Tools and principals share it."""

    def __init__(self, key: frozenset[str], policies: tuple[Policy, ...]) -> None:
        self.key = key  # their ids
        self.policies = policies
        self.has_permit = any(policy.effect == "permit" for policy in policies)
        self.reads_action = any(policy.reads_action for policy in policies)
        self.reads_facts = any(policy.reads_facts for policy in policies)
        chains = {chain for policy in policies for chain in policy.chains}
        self.chains = frozenset(chains)
        self.reads_context = bool(chains)
        self.reads_time = any(not chain or chain[0] == "system" for chain in chains)


class Deciders:
    """What is left of some policies at one tool, and what that reads."""

    def __init__(self, left: tuple[Deciding, ...], context: Shape) -> None:
        self.left = left
        self.key = frozenset(one.key for one in left)
        self.context = context
        self.chains = frozenset(chain for one in left for chain in one.chains)
        self.reads_context = bool(self.chains)
        self.schema: cedarpy.Schema | None = None

    @cached_property
    def flat(self) -> Flat:
        """The same of a context without levels."""
        records = hoisted(self.context, self.chains)
        left = tuple(without_levels(one, records) for one in self.left)
        return Flat(
            flattening=Flattening(self.context, records),
            deciders=Deciders(left, flat(self.context, records)),
        )


@dataclass(frozen=True, slots=True)
class Flat:
    """What decides on a context without levels, and how a context becomes one."""

    flattening: Flattening
    deciders: Deciders


class Part:
    """Some policies that matter at one tool, and what they read there, found out when asked."""

    def __init__(self, action: Action, choice: Choice, validator: Validator) -> None:
        self.action = action
        self.choice = choice
        self.key = choice.key
        self.policies = choice.policies
        self.has_permit = choice.has_permit
        self.reads_context = choice.reads_context
        self.reads_time = choice.reads_time
        self.schema: cedarpy.Schema | None = None
        self.narrowing: Narrowing | None = None  # where no condition looks beyond the context
        self.verdicts = Verdicts({policy.id: policy for policy in choice.policies})
        self._validator = validator

    @cached_property
    def context(self) -> Shape:
        """The context, cut to what these policies can read."""
        return cut(self.action.context, self.choice.chains)

    @cached_property
    def deciders(self) -> Deciders:
        """What is left of them to evaluate, for requests that their scopes match."""
        left = deciding(self.policies, self.action.context)
        chains = {chain for one in left for chain in one.chains}
        return Deciders(left, cut(self.action.context, chains))

    @cached_property
    def invalid(self) -> frozenset[str]:
        """Ids of the policies that do not type-check for this tool."""
        action = self.action
        return frozenset(self._validator.invalid(action.tool, action.context, self.policies))

    @cached_property
    def problem(self) -> str | None:
        """Why these policies refuse every call of this tool."""
        if not self.invalid:
            return None
        return f"policy {', '.join(sorted(self.invalid))} does not fit the tool's schema"


@dataclass(frozen=True, slots=True)
class Action:
    """One tool, as policy sees it."""

    tool: Tool
    uid: dict[str, Json]
    lineage: Lineage
    above: Lineage  # its groups, and a name that no policy can say
    input: Shape
    context: Shape
    limits: Limits
    parts: dict[frozenset[str], Part] = field(default_factory=dict)
    places: dict[Chain, Leaf | None] = field(default_factory=dict)
    views: dict[str, View] = field(default_factory=dict)  # by the id of a policy


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """One policy at all tools where it reads the same places. They share it."""

    policy: Policy
