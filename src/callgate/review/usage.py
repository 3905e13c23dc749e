"""What of everything that is permitted is used: by policy, tool and principal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from callgate.audit.principals import Recalled, description_of, principal_of, recalled
from callgate.model import Json, Principal, Tool
from callgate.policy.claims import claims_matter
from callgate.policy.engine import Engine
from callgate.policy.source import SHADOW, Policy
from callgate.review.steps import name_of

NEVER = "never"

Defined = Callable[[str], dict[str, Json] | None]
"""What the event with this id defined: `ports.RecordReader.defined`. Raises StoreError."""


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
    unclear: list[str] = field(default_factory=list)  # where claims decide that are not known
    lacks: str = ""  # why its claims are not known


@dataclass(slots=True)
class Usage:
    """Everything counted, against what is permitted now."""

    calls: int = 0
    erased: int = 0  # calls beside these of which nothing is left: neither who nor what
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
        self.erased = 0
        self.first_at = ""
        self.last_at = ""
        self._tools: dict[str, Use] = {}
        self._policies: dict[str, Use] = {}
        self._pairs: set[tuple[str, str]] = set()  # policy, tool
        self._who: dict[str, Use] = {}
        self._used: dict[str, set[str]] = {}  # key of a principal → tools it was let through to
        self._last: dict[str, dict[str, Json]] = {}  # key of a principal → its latest call

    def add(self, call: Mapping[str, Json]) -> None:
        """One call, as `audit.explain.whole` has it."""
        if "received_at" not in call:  # every entry of a call has it, until it is erased
            self.erased += 1
            return
        at = str(call["received_at"])
        self.calls += 1
        self.first_at = min(self.first_at or at, at)
        self.last_at = max(self.last_at, at)
        tool = name_of(dict(call))
        self._tools.setdefault(tool, Use()).add(at)
        for policy in (call.get("decision") or {}).get("policies") or ():
            self._policies.setdefault(policy, Use()).add(at)
            self._pairs.add((policy, tool))
        body = {"principal": call.get("principal"), "format": call.get("format", 1)}
        principal = principal_of(body, None)
        if principal is not None:
            self._last[principal.key] = body
            self._who.setdefault(principal.key, Use()).add(at)
            if call.get("ran") != "no":
                self._used.setdefault(principal.key, set()).add(tool)

    def against(
        self,
        engine: Engine,
        tools: Sequence[Tool],
        principals: Iterable[Principal],
        now: float,
        defined: Defined,
    ) -> Usage:
        """Held against the policies and tools of now, for principals that are known or called.

        Who is known only from calls has the claims of the last one. Raises StoreError.
        """
        everybody = {key: [one] for key, one in self._recalled(defined).items()}
        known: dict[str, list[Recalled]] = {}
        for principal in principals:  # several keys may stand for one, with claims of their own
            known.setdefault(principal.key, []).append(Recalled(principal=principal))
        everybody |= known
        names = [tool.qualified_name for tool in tools]
        present = {policy.id for policy in engine.policies}
        return Usage(
            calls=self.calls,
            erased=self.erased,
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

    def _recalled(self, defined: Defined) -> dict[str, Recalled]:
        """Who called, as each was last seen; each description is looked up once."""
        described: dict[str, dict[str, Json] | None] = {}
        found: dict[str, Recalled] = {}
        for key, body in self._last.items():
            of = description_of(body["principal"])
            if of is not None and of not in described:
                described[of] = defined(of)
            one = recalled(body, described.get(of or ""))
            if one is not None:
                found[key] = one
        return found

    def _principal(
        self, engine: Engine, proofs: Sequence[Recalled], tools: Sequence[Tool], now: float
    ) -> PrincipalUse:
        """What it may by any of its proofs."""
        principal = proofs[0].principal
        listed = {
            tool.qualified_name
            for proof in proofs
            for tool in engine.listed(proof.principal, tools, now)[0]
        }
        lacks = next((proof.lacks for proof in proofs if proof.lacks), "")
        unclear = [
            tool.qualified_name
            for tool in tools
            if lacks and claims_matter(engine, principal, tool)
        ]
        names = [tool.qualified_name for tool in tools]
        may = [name for name in names if name in listed and name not in unclear]
        used = self._used.get(principal.key, set())
        use = self._who.get(principal.key, Use())
        return PrincipalUse(
            principal=principal.id,
            agent=principal.agent,
            calls=use.calls,
            last_at=use.last_at,
            may=may,
            unused=[name for name in may if name not in used],
            unclear=unclear,
            lacks=lacks if unclear else "",
        )
