"""Who could use a tool, and what a principal could use: permitted, refused, or what it depends on.

Nothing here decides a call. Each clause is evaluated as far as what is known allows; what stays
open is said as it is written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from functools import cached_property

import cedarpy
from msgspec.structs import replace

from callgate.model import Json, Principal, Tool, Value
from callgate.policy.account import Clause
from callgate.policy.answers import NO_PERMIT
from callgate.policy.context import Unrepresentable
from callgate.policy.engine import Engine
from callgate.policy.entities import facts_of
from callgate.policy.expressions import context_chains
from callgate.policy.preview import parsed
from callgate.policy.schema import Shape, cedar_schema, context_shape, cut, input_shape
from callgate.policy.source import ACTIVE, Policy, Scope
from callgate.policy.unknowns import timed, unknown, with_unknowns
from callgate.protocol.jsonrpc import encode
from callgate.protocol.methods import METHODS

_ANYBODY: dict[str, Json] = {
    "principal": {"op": "All"},
    "action": {"op": "All"},
    "resource": {"op": "All"},
}


class Reach(StrEnum):
    """Whether calls of a tool go through."""

    PERMITTED = "permitted"  # whatever the arguments
    DEPENDS = "depends"  # on arguments, facts or the time
    REFUSED = "refused"  # whatever the arguments


class Way(Value):
    """One policy that can decide, and on what that depends."""

    policy: str
    source: str
    line: int
    effect: str  # permit | forbid
    who: str  # `members of support`, as its scope says
    clauses: tuple[Clause, ...] = ()  # those that are open; none: it applies

    @property
    def conditions(self) -> str:
        """`when a and b, unless c`; empty where it applies to every call."""
        whens = [_plain(c.text) for c in self.clauses if c.kind == "when"]
        parts = ["when " + " and ".join(whens)] if whens else []
        parts += ["unless " + _plain(c.text) for c in self.clauses if c.kind == "unless"]
        return ", ".join(parts)


class Reachable(Value):
    """What becomes of calls of one tool."""

    tool: str
    reach: Reach
    permits: tuple[Way, ...] = ()
    forbids: tuple[Way, ...] = ()
    reason: str = ""  # why it is refused


class Known(Value):
    """What is known of a call. What is not stays open."""

    principal: Principal | None = None
    arguments: Mapping[str, Json] = {}
    now: float | None = None


def reach(engine: Engine, tool: Tool, known: Known) -> Reachable:
    """What becomes of the calls of one principal to one tool. `known` names the principal."""
    principal = known.principal
    assert principal is not None  # noqa: S101 - `ways` is for everybody
    name = tool.qualified_name
    if METHODS[tool.method].is_list:
        return _list(engine, tool, principal, known.now)
    scope = engine.may_permit(principal, tool)
    if not scope.is_permitted:
        return Reachable(tool=name, reach=Reach.REFUSED, reason=scope.reason)
    permits, forbids = ways(engine, tool, known)
    for way in forbids:
        if not way.clauses:
            reason = f"forbidden by {way.policy}"
            return Reachable(tool=name, reach=Reach.REFUSED, forbids=(way,), reason=reason)
    if not permits:
        return Reachable(tool=name, reach=Reach.REFUSED, reason=NO_PERMIT)
    at = known.now
    if at is None and not engine.varies_with_time(principal, [tool]):
        at = 0.0  # whenever it is
    if at is not None and not engine.could_be_used(principal, tool, dict(known.arguments), at):
        return Reachable(
            tool=name,
            reach=Reach.REFUSED,
            permits=permits,
            forbids=forbids,
            reason="no arguments satisfy the conditions together",
        )
    is_permitted = not forbids and any(not way.clauses for way in permits)
    return Reachable(
        tool=name,
        reach=Reach.PERMITTED if is_permitted else Reach.DEPENDS,
        permits=permits,
        forbids=forbids,
    )


def _list(engine: Engine, tool: Tool, principal: Principal, now: float | None) -> Reachable:
    """A list needs no permit; a forbid empties it."""
    if engine.is_forbidden(principal, tool, now):
        reason = "the list is forbidden"
        return Reachable(tool=tool.qualified_name, reach=Reach.REFUSED, reason=reason)
    return Reachable(tool=tool.qualified_name, reach=Reach.PERMITTED)


def ways(engine: Engine, tool: Tool, known: Known) -> tuple[tuple[Way, ...], tuple[Way, ...]]:
    """The permits and the forbids that could decide, each with the clauses that are open.

    Without a principal: for everybody whom their scopes mean.
    """
    view = _View(engine, tool, known)
    permits: list[Way] = []
    forbids: list[Way] = []
    for policy in view.policies():
        clauses = view.open_clauses(policy)
        if clauses is not None:
            way = Way(
                policy=policy.id,
                source=policy.source,
                line=policy.line,
                effect=policy.effect,
                who=who(policy.principal),
                clauses=clauses,
            )
            (permits if policy.effect == "permit" else forbids).append(way)
    return tuple(permits), tuple(forbids)


def who(scope: Scope) -> str:
    """Whom a scope means, in words."""
    kind = (scope.entity_type or "").rpartition("::")[2]
    names = " or ".join(identifier for _, identifier in scope.uids)
    match scope.op:
        case "All":
            return "everybody"
        case "==":
            return f"{scope.uids[0][0].rpartition('::')[2]} {names}"
        case "is" if not names:
            return f"every {kind}"
        case "is":
            return f"every {kind} in {names}"
    return f"members of {names}"


class _View:
    """One tool, seen with what is known of a call."""

    def __init__(self, engine: Engine, tool: Tool, known: Known) -> None:
        self._engine = engine
        self._tool = tool
        self._known = known
        self._action = engine.names.action_of(tool)
        self._facts = facts_of(known.principal, engine.names) if known.principal else None

    def policies(self) -> Iterator[Policy]:
        """Those in scope, as they stand in the files."""
        for policy in self._engine.policies:
            if (
                policy.mode == ACTIVE
                and self._action.meets(policy.action)
                and self._engine.names.resource.meets(policy.resource)
                and (self._facts is None or self._facts.lineage.meets(policy.principal))
            ):
                yield policy

    def open_clauses(self, policy: Policy) -> tuple[Clause, ...] | None:
        """The clauses that can hold or not; None where the policy cannot apply."""
        found = []
        for clause in policy.clauses:
            holds = self._holds(policy, clause)
            if holds is False:
                return None
            if holds is None:
                found.append(clause)
        return tuple(found)

    def _holds(self, policy: Policy, clause: Clause) -> bool | None:
        """None where that is open, or in doubt."""
        body = {"kind": clause.kind, "body": clause.est}
        alone = replace(policy, est={**_ANYBODY, "effect": policy.effect, "conditions": [body]})
        now = self._known.now
        handle = parsed([alone]) if now is None else timed([alone], now)
        outcomes = {self._outcome(handle, form) for form in self._forms(clause)}
        return outcomes.pop() if len(outcomes) == 1 else None

    def _forms(self, clause: Clause) -> list[Json]:
        """The arguments as far as they are known and the clause reads them."""
        chains = set(context_chains(clause.est))
        read = cut(self._context, chains).fields.get("input")
        if read is None or not self._known.arguments:
            return [unknown("input")]
        try:
            forms = with_unknowns(read.shape, self._known.arguments)
        except Unrepresentable:
            forms = None
        return [unknown("input")] if forms is None else list(forms)

    def _outcome(self, handle: cedarpy.PolicySet, arguments: Json) -> bool | None:
        uids = {"action": self._action.own, "resource": self._engine.names.resource.own}
        if self._facts is not None:
            uids["principal"] = self._facts.lineage.own
        if not all(_is_plain(identifier) for _, identifier in uids.values()):
            return None  # the partial evaluator takes uids as Cedar text only
        request: dict[str, Json] = {
            role: f'{kind}::"{identifier}"' for role, (kind, identifier) in uids.items()
        }
        request["context"] = {
            "input": arguments,
            **{name: unknown(name) for name in ("meta", "enriched", "system")},
        }
        result = cedarpy.is_authorized_partial(request, handle, self._entities)
        if result.diagnostics.errors or len(result.residuals) != 1:
            return None
        (residual,) = result.residuals.values()
        bodies = [condition["body"].get("Value") for condition in residual["conditions"]]
        if any(body is False for body in bodies):
            return False
        return True if all(body is True for body in bodies) else None

    @cached_property
    def _context(self) -> Shape:
        return context_shape(input_shape(self._tool.input_schema), self._engine.enrichments)

    @cached_property
    def _entities(self) -> cedarpy.Entities:
        # INVARIANT: built with the schema, or action groups do not exist.
        names = {name for policy in self.policies() for name in policy.actions}
        schema = cedar_schema(self._engine.names, [(self._tool, self._context)], names)
        entities = self._facts.entities if self._facts is not None else "[]"
        return cedarpy.Entities.from_json_str(
            entities, cedarpy.Schema.from_json_str(encode(schema).decode())
        )


def _is_plain(identifier: str) -> bool:
    return identifier.isascii() and identifier.isprintable() and not set('"\\') & set(identifier)


def _plain(text: str) -> str:
    return " ".join(text.split())
