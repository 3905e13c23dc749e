"""Policy texts → policies with ids, scopes and the context attributes that each can read."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from typing import Any

import cedarpy
import msgspec

from callgate.model import Json, Value

MAX_NESTING = 100  # cedarpy dies of a stack overflow from about 500 nested parentheses on
MAX_TEXT_BYTES = 1 << 20

Chain = tuple[str, ...]
_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*"|//[^\n]*|[(\[{]|[)\]}]|[!-]+', re.DOTALL)
_ACCESS = frozenset({".", "has"})


class PolicyError(Exception):
    """A policy text cannot be used. `source` is the file, `problem` says what to change."""

    def __init__(self, source: str, problem: str) -> None:
        super().__init__(f"{source}: {problem}")
        self.source = source
        self.problem = problem


class Scope(Value):
    """One of the three scope constraints of a policy head."""

    op: str  # All | == | in | is
    uids: tuple[tuple[str, str], ...] = ()  # (type, id)
    entity_type: str | None = None

    def matches(
        self, of_type: str, lineage: frozenset[tuple[str, str]], own: tuple[str, str]
    ) -> bool:
        """Exactly Cedar's scope test; `lineage` holds the entity itself and all its ancestors."""
        if self.op == "All":
            return True
        if self.op == "==":
            return own in self.uids
        if self.op == "in":
            return not lineage.isdisjoint(self.uids)
        if self.entity_type != of_type:
            return False
        return not self.uids or not lineage.isdisjoint(self.uids)


class Policy(Value):
    """One static policy."""

    id: str
    source: str  # file name
    effect: str  # permit | forbid
    principal: Scope
    action: Scope
    resource: Scope
    chains: tuple[Chain, ...]  # attribute chains rooted at `context`
    actions: tuple[str, ...]  # every action id the policy names
    has_conditions: bool
    reads_action: bool  # whether a condition looks at `action`, beyond what the scope says
    est: dict[str, Any]  # Cedar's JSON policy format
    text: str
    advice: str | None = None  # @reason: what the agent may be told


def read_policies(sources: Iterable[tuple[str, str]]) -> tuple[Policy, ...]:
    """All policies of (file name, text) pairs. Raises PolicyError.

    The id is the `@id` annotation, else `<file name>#<position>`; ids must be unique.
    """
    found: dict[str, Policy] = {}
    for source, text in sources:
        for policy in _read(source, text):
            known = found.get(policy.id)
            if known is not None:
                raise PolicyError(
                    source,
                    f'the id "{policy.id}" is used in {known.source} already; change its @id',
                )
            found[policy.id] = policy
    return tuple(found.values())


def version_of(policies: Iterable[Policy]) -> str:
    """A short digest that changes with any policy."""
    digest = hashlib.sha256()
    for policy in policies:
        digest.update(msgspec.json.encode([policy.id, policy.est], order="sorted"))
    return digest.hexdigest()[:12]


def check_nesting(source: str, text: str) -> None:
    """Refuses a text whose nesting could overflow the parser's stack. Raises PolicyError."""
    if len(text) > MAX_TEXT_BYTES:
        raise PolicyError(source, f"the text is longer than {MAX_TEXT_BYTES} characters; split it")
    depth = 0
    for token in _TOKENS.finditer(text):
        first = token[0][0]
        if first in "([{":
            depth += 1
        elif first in ")]}":
            depth -= 1
        if depth > MAX_NESTING or (first in "!-" and len(token[0]) > MAX_NESTING):
            line = text.count("\n", 0, token.start()) + 1
            raise PolicyError(source, f"line {line}: nested deeper than {MAX_NESTING}; simplify it")


def _read(source: str, text: str) -> Iterator[Policy]:
    check_nesting(source, text)
    try:
        document = msgspec.json.decode(cedarpy.policies_to_json_str(text))
    except ValueError as error:
        raise PolicyError(source, f"not valid Cedar: {error}") from None
    if document["templates"]:
        raise PolicyError(source, "templates (?principal, ?resource) are not supported here")
    ests = document["staticPolicies"]
    for number in range(len(ests)):
        yield _policy(source, number, ests[f"policy{number}"])


def _policy(source: str, number: int, est: dict[str, Any]) -> Policy:
    annotations = est.get("annotations") or {}
    bodies = [condition["body"] for condition in est["conditions"]]
    chains = {chain for body in bodies for chain in context_chains(body)}
    scope = _scope(source, est["action"])
    named = {uid[1] for uid in scope.uids}
    for body in bodies:
        named.update(_actions_in(body))
    single = {"staticPolicies": {"policy": est}, "templates": {}, "templateLinks": []}
    return Policy(
        id=annotations.get("id") or f"{source}#{number + 1}",
        source=source,
        effect=est["effect"],
        principal=_scope(source, est["principal"]),
        action=scope,
        resource=_scope(source, est["resource"]),
        chains=tuple(sorted(chains)),
        actions=tuple(sorted(named)),
        has_conditions=bool(bodies),
        reads_action=any(_reads_variable(body, "action") for body in bodies),
        est=est,
        text=cedarpy.policies_from_json_str(msgspec.json.encode(single).decode()).strip(),
        advice=annotations.get("reason") or None,
    )


def _scope(source: str, scope: dict[str, Any]) -> Scope:
    op = scope["op"]
    if op == "All":
        return Scope(op=op)
    if op in ("==", "in") and ("entity" in scope or "entities" in scope):
        entities = scope.get("entities") or [scope["entity"]]
        return Scope(op=op, uids=tuple((e["type"], e["id"]) for e in entities))
    if op == "is":
        within = scope.get("in")
        uids = ((within["entity"]["type"], within["entity"]["id"]),) if within else ()
        return Scope(op=op, uids=uids, entity_type=scope["entity_type"])
    # INVARIANT: an operator we do not know is refused, never guessed: slicing must stay exact.
    raise PolicyError(source, f"the scope operator {op!r} is not known to this version")


def context_chains(expression: Json) -> Iterator[Chain]:
    """Every maximal attribute chain rooted at `context`; () where the context is used whole."""
    operator, operands = next(iter(expression.items()))
    chain = chain_of(expression)
    if chain is not None:
        yield chain
    elif operator not in ("Value", "Var", "Slot", "Unknown"):
        for operand in _operands(operands):
            yield from context_chains(operand)


def _operands(operands: Json) -> Iterator[dict[str, Json]]:
    """The sub-expressions of an operator: arguments, items, or the values of a record literal."""
    values = operands.values() if isinstance(operands, dict) else operands
    for value in values:
        if isinstance(value, dict):
            yield value


def chain_of(expression: dict[str, Json]) -> Chain | None:
    """The attributes that an expression reaches from `context`; None where it is no such chain."""
    names: list[str] = []
    while True:
        operator, operands = next(iter(expression.items()))
        if operator == "Var":
            return tuple(reversed(names)) if operands == "context" else None
        if operator not in _ACCESS or not isinstance(operands, dict):
            return None
        attribute, left = operands.get("attr"), operands.get("left")
        if not isinstance(attribute, str) or not isinstance(left, dict):
            return None
        names.append(attribute)
        expression = left


def _reads_variable(expression: dict[str, Json], name: str) -> bool:
    operator, operands = next(iter(expression.items()))
    if operator == "Var":
        return bool(operands == name)
    if operator in ("Value", "Slot", "Unknown"):
        return False
    return any(_reads_variable(operand, name) for operand in _operands(operands))


def _actions_in(expression: Json) -> Iterator[str]:
    if isinstance(expression, list):
        for item in expression:
            yield from _actions_in(item)
    elif isinstance(expression, dict):
        entity = expression.get("__entity")
        if isinstance(entity, dict) and str(entity.get("type", "")).endswith("Action"):
            yield entity["id"]
        else:
            for item in expression.values():
                yield from _actions_in(item)
