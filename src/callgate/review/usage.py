"""What of everything that is permitted is used: by policy, tool and principal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from callgate.model import Json, Principal, Tool
from callgate.policy.engine import Engine
from callgate.policy.source import SHADOW, Policy
from callgate.review.steps import name_of

NEVER = "never"


@dataclass(slots=True)
class Use:
    """How often something was used, and when last."""

    calls: int = 0
    last_at: str = ""  # RFC 3339; "" where it never was

    def add(self, at: str) -> None:
        """Once more."""
        self.calls += 1
        self.last_at = max(self.last_at, at)


@dataclass(slots=True)
class PolicyUse:
    """One policy: how often it decided, and at which of its tools it never did."""

    policy: str
    place: str
    effect: str
    mode: str
    use: Use
    unused_tools: list[str]  # that its scope names or takes in, and where it never decided

    @property
    def is_unused(self) -> bool:
        """Whether it never decided anything."""
        return self.use.calls == 0


@dataclass(slots=True)
class PrincipalUse:
    """One principal: which tools it may use, and which of them it never did."""

    principal: str
    agent: str | None
    calls: int
    last_at: str
    may: list[str]
    unused: list[str]


@dataclass(slots=True)
class Usage:
    """Everything counted, against what is permitted now."""

    calls: int = 0
    first_at: str = ""
    last_at: str = ""
    tools: dict[str, Use] = field(default_factory=dict)  # all that there are now
    policies: list[PolicyUse] = field(default_factory=list)
    principals: list[PrincipalUse] = field(default_factory=list)
    former_policies: list[str] = field(default_factory=list)  # that decided and are gone
    former_tools: list[str] = field(default_factory=list)  # that were called and are gone


class Counting:
    """Counts recorded calls, each once."""

    def __init__(self) -> None:
        self.calls = 0
        self.first_at = ""
        self.last_at = ""
        self._tools: dict[str, Use] = {}
        self._policies: dict[str, Use] = {}
        self._pairs: set[tuple[str, str]] = set()  # policy, tool
        self._who: dict[str, Use] = {}
        self._used: dict[str, set[str]] = {}  # key of a principal → tools it was let through to
        self._principals: dict[str, Principal] = {}

    def add(self, call: Mapping[str, Json]) -> None:
        """One call, as `audit.explain.whole` has it."""
        at = str(call.get("received_at") or "")
        self.calls += 1
        self.first_at = min(self.first_at or at, at)
        self.last_at = max(self.last_at, at)
        tool = name_of(dict(call))
        self._tools.setdefault(tool, Use()).add(at)
        for policy in (call.get("decision") or {}).get("policies") or ():
            self._policies.setdefault(policy, Use()).add(at)
            self._pairs.add((policy, tool))
        said = call.get("principal")
        if isinstance(said, dict):
            self._add_principal(said, tool, at, was_let_through=call.get("ran") != "no")

    def _add_principal(
        self, said: Mapping[str, Json], tool: str, at: str, *, was_let_through: bool
    ) -> None:
        principal = principal_of(said)
        self._principals[principal.key] = principal
        self._who.setdefault(principal.key, Use()).add(at)
        if was_let_through:
            self._used.setdefault(principal.key, set()).add(tool)

    def against(
        self,
        engine: Engine,
        tools: Sequence[Tool],
        principals: Iterable[Principal],
        now: float,
    ) -> Usage:
        """Held against the policies and tools of now, for principals that are known or called.

        Claims are not in the calls, so that conditions on them are open only for `principals`.
        """
        known = {principal.key: principal for principal in principals}
        everybody = {**self._principals, **known}
        names = [tool.qualified_name for tool in tools]
        present = {policy.id for policy in engine.policies}
        return Usage(
            calls=self.calls,
            first_at=self.first_at,
            last_at=self.last_at,
            tools={name: self._tools.get(name, Use()) for name in names},
            policies=[self._policy(engine, policy, tools) for policy in engine.policies],
            principals=[self._principal(engine, one, tools, now) for one in everybody.values()],
            former_policies=sorted(self._policies.keys() - present),
            former_tools=sorted(self._tools.keys() - set(names)),
        )

    def _policy(self, engine: Engine, policy: Policy, tools: Sequence[Tool]) -> PolicyUse:
        mine = [
            tool.qualified_name
            for tool in tools
            if engine.names.action_of(tool).meets(policy.action)
        ]
        is_watched = policy.mode == SHADOW
        return PolicyUse(
            policy=policy.id,
            place=policy.place,
            effect=policy.effect,
            mode=policy.mode,
            use=self._policies.get(policy.id, Use()),
            unused_tools=[]
            if is_watched
            else [name for name in mine if (policy.id, name) not in self._pairs],
        )

    def _principal(
        self, engine: Engine, principal: Principal, tools: Sequence[Tool], now: float
    ) -> PrincipalUse:
        may = [tool.qualified_name for tool in engine.listed(principal, tools, now)[0]]
        used = self._used.get(principal.key, set())
        use = self._who.get(principal.key, Use())
        return PrincipalUse(
            principal=principal.id,
            agent=principal.agent,
            calls=use.calls,
            last_at=use.last_at,
            may=may,
            unused=[name for name in may if name not in used],
        )


def principal_of(said: Mapping[str, Json]) -> Principal:
    """Who called, as a recorded call tells it: without claims."""
    return Principal(
        id=str(said.get("id") or ""),
        issuer=str(said.get("issuer") or ""),
        kind=str(said.get("kind") or "jwt"),
        groups=tuple(said.get("groups") or ()),
        tenant=said.get("tenant"),
        agent=said.get("agent"),
    )
