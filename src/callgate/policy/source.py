"""Policy texts → policies with ids, places, scopes, and the attributes that each can read."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import cedarpy
import msgspec
from msgspec.structs import replace

from callgate.model import Value
from callgate.policy.account import Clause
from callgate.policy.diagnosis import excerpt, problem_of
from callgate.policy.expressions import (
    Chain,
    Expression,
    conjuncts,
    context_chains,
    depth_of,
    entities_in,
    halved,
    reads_variable,
)
from callgate.policy.text import Statement, TextError, clause_spans, place, statements

MAX_DEPTH = 250  # of an expression as written: Python pickles and encodes no deeper than 1000 calls
MAX_LEVELS = 60  # and with its rows of `&&` and `||` halved: all that Cedar's JSON form takes
TOO_DEEP = (
    f"more than {MAX_DEPTH} terms in a row; split the policy, or ask whether a set has the value: "
    '`["a", "b"].contains(...)`'
)
TOO_NESTED = (
    f"goes deeper than {MAX_LEVELS} operations within each other, and only rows of `&&` and `||` "
    "may be longer; split the policy"
)
SHADOW, ACTIVE = "shadow", "active"
MODES = (ACTIVE, SHADOW)


_ID = re.compile(r"[^\x00-\x1f\x7f`\"\u0080-\u009f\u2028-\u202e]{1,200}")
# Other entities have attributes and groups just in requests of the principal that they are.
_SAME_FOR_ALL = frozenset({"Action", "Group", "Gateway"})
_canonical = msgspec.json.Encoder(order="sorted").encode


class PolicyError(Exception):
    """A policy text cannot be used. `source` is the file, `problem` says what to change."""

    def __init__(
        self,
        source: str,
        problem: str,
        *,
        line: int | None = None,
        column: int | None = None,
        excerpt: str = "",
    ) -> None:
        place = f"{source}:{line}:{column}" if line is not None else source
        super().__init__(f"{place}: {problem}" + (f"\n{excerpt}" if excerpt else ""))
        self.source = source
        self.problem = problem
        self.line = line
        self.column = column
        self.excerpt = excerpt

    @classmethod
    def at(cls, source: str, text: str, offset: int, problem: str) -> PolicyError:
        """The error at an offset of a text, with the line and a caret."""
        line, column = place(text, offset)
        return cls(source, problem, line=line, column=column, excerpt=excerpt(text, offset))


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
    reads_principal: bool  # or an entity that only a request of its own brings along
    est: dict[str, Any]  # Cedar's JSON policy format
    text: str  # as written, from its first annotation to its semicolon
    digest: str  # sha256 of the id and what it says, however it is laid out; hex
    line: int = 1  # in its file
    column: int = 1
    mode: str = ACTIVE  # a shadow policy is evaluated, and decides nothing
    advice: str | None = None  # @reason and @advice: what the agent may be told

    @property
    def reads_facts(self) -> bool:
        """Whether a condition looks at principal, action or time: at more than the arguments."""
        is_timed = any(not chain or chain[0] == "system" for chain in self.chains)
        return is_timed or self.reads_principal or self.reads_action

    @property
    def place(self) -> str:
        """`file:line`."""
        return f"{self.source}:{self.line}"

    @property
    def clauses(self) -> tuple[Clause, ...]:
        """Its conditions, taken apart; made anew each time, for those who explain."""
        return tuple(_clauses(self))


def read_policies(
    sources: Iterable[tuple[str, str]], known: Iterable[Policy] = ()
) -> tuple[Policy, ...]:
    """All policies of (file name, text) pairs. Raises PolicyError.

    The id is the `@id` annotation, else `<file name>#<position>`; ids must be unique. What is the
    same as in `known`, an earlier reading, is not parsed again.
    """
    before = {(policy.source, policy.text): policy for policy in known}
    found: dict[str, Policy] = {}
    for source, text in sources:
        for policy in _read(source, text, before):
            other = found.get(policy.id)
            if other is not None:
                raise PolicyError(
                    source,
                    f'the id "{policy.id}" is used in {other.place} already; change its @id',
                    line=policy.line,
                    column=policy.column,
                )
            found[policy.id] = policy
    return tuple(found.values())


def version_of(policies: Iterable[Policy]) -> str:
    """A short digest that changes with any policy."""
    digest = hashlib.sha256()
    for policy in policies:
        digest.update(policy.digest.encode())
    return digest.hexdigest()[:12]


def _read(source: str, text: str, before: Mapping[tuple[str, str], Policy]) -> Iterator[Policy]:
    try:
        for number, statement in enumerate(statements(text), 1):
            known = before.get((source, statement.text))
            own = f"{source}#{number}"
            if known is None or (known.id.startswith(f"{source}#") and known.id != own):
                yield _policy(source, text, statement, own)
            elif (known.line, known.column) == (statement.line, statement.column):
                yield known
            else:
                yield replace(known, line=statement.line, column=statement.column)
    except TextError as error:
        raise PolicyError.at(source, text, error.offset, error.problem) from None


def _policy(source: str, text: str, statement: Statement, own: str) -> Policy:
    est = _parsed(source, text, statement)
    annotations = est.get("annotations") or {}
    bodies = [condition["body"] for condition in est["conditions"]]
    problem = next(filter(None, map(_too_deep, bodies)), None)
    if problem is not None:
        raise PolicyError.at(source, text, statement.offset, problem)
    mode = annotations.get("mode", ACTIVE)
    if mode not in MODES:
        offset = statement.offset + max(statement.text.find("@mode"), 0)
        problem = f'@mode is "active" or "shadow", not "{mode}"'
        raise PolicyError.at(source, text, offset, problem)
    action = _scope(source, est["action"])
    named = {uid[1] for uid in action.uids}
    names_principal = False
    for kind, identifier in entities_in(bodies):
        if kind.endswith("Action"):
            named.add(identifier)
        names_principal = names_principal or kind.rpartition("::")[2] not in _SAME_FOR_ALL
    identifier = annotations.get("id") or own
    if not _ID.fullmatch(identifier):
        problem = "an @id has at most 200 printable characters, and no backtick or double quote"
        raise PolicyError.at(source, text, statement.offset, problem)
    told = (annotations.get("reason"), annotations.get("advice"))
    return Policy(
        id=identifier,
        source=source,
        effect=est["effect"],
        principal=_scope(source, est["principal"]),
        action=action,
        resource=_scope(source, est["resource"]),
        chains=tuple(sorted({chain for body in bodies for chain in context_chains(body)})),
        actions=tuple(sorted(named)),
        has_conditions=bool(bodies),
        reads_action=any(reads_variable(body, "action") for body in bodies),
        reads_principal=names_principal
        or any(reads_variable(body, "principal") for body in bodies),
        est=est,
        text=statement.text,
        digest=hashlib.sha256(_canonical([identifier, est])).hexdigest(),
        line=statement.line,
        column=statement.column,
        mode=mode,
        advice=" ".join(filter(None, told)) or None,
    )


def _too_deep(body: Expression) -> str | None:
    depth = depth_of(body)
    if depth > MAX_DEPTH:
        return TOO_DEEP
    return TOO_NESTED if depth > MAX_LEVELS and depth_of(halved(body)) > MAX_LEVELS else None


def _parsed(source: str, text: str, statement: Statement) -> dict[str, Any]:
    """One statement in Cedar's JSON policy format. Raises PolicyError."""
    try:
        document = msgspec.json.decode(cedarpy.policies_to_json_str(statement.text))
    except RecursionError:
        raise PolicyError.at(source, text, statement.offset, TOO_DEEP) from None
    except ValueError as error:
        offset, problem = problem_of(statement.text, str(error))
        offset += statement.offset
        raise PolicyError.at(source, text, offset, f"not valid Cedar: {problem}") from None
    policies = list(document["staticPolicies"].values())
    if document["templates"] or len(policies) != 1:
        problem = "templates (?principal, ?resource) are not supported here"
        raise PolicyError.at(source, text, statement.offset, problem)
    est: dict[str, Any] = policies[0]
    return est


def _scope(source: str, scope: dict[str, Any]) -> Scope:
    op = scope["op"]
    if op == "All":
        return Scope(op=op)
    if op in ("==", "in") and ("entity" in scope or "entities" in scope):
        entities = scope["entities"] if "entities" in scope else [scope["entity"]]
        return Scope(op=op, uids=tuple((e["type"], e["id"]) for e in entities))
    if op == "is":
        within = scope.get("in")
        uids = ((within["entity"]["type"], within["entity"]["id"]),) if within else ()
        return Scope(op=op, uids=uids, entity_type=scope["entity_type"])
    # INVARIANT: an operator we do not know is refused, never guessed: slicing must stay exact.
    raise PolicyError(source, f"the scope operator {op!r} is not known to this version")


def _clauses(policy: Policy) -> Iterator[Clause]:
    number = 0
    for spans, condition in zip(clause_spans(policy.text), policy.est["conditions"], strict=True):
        for span, est in zip(spans, conjuncts(condition["body"], len(spans)), strict=True):
            number += 1
            line, column = place(policy.text, span.start)
            yield Clause(
                number=number,
                kind=span.kind,
                text=policy.text[span.start : span.end],
                line=policy.line + line - 1,
                column=column + (policy.column - 1 if line == 1 else 0),
                est=est,
            )
