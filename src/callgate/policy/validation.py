"""Do policies fit the tools? Strict Cedar validation, and names that nothing has."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

import cedarpy

from callgate.model import CALL_TOOL, SEPARATOR, Tool, Value
from callgate.policy.account import Clause
from callgate.policy.expressions import context_chains
from callgate.policy.index import ScopeIndex
from callgate.policy.names import Names
from callgate.policy.pointing import (
    Place,
    place_in_clause,
    place_of,
    place_of_entity,
    place_of_type,
)
from callgate.policy.preview import documented
from callgate.policy.schema import Kind, Shape, cedar_schema, context_shape, cut, input_shape
from callgate.policy.source import Policy
from callgate.protocol.jsonrpc import encode
from callgate.protocol.methods import METHODS, method_tool

MAX_REMEMBERED = 50_000
_UNKNOWN = "?"
_GOVERNED = tuple(name for name in METHODS if name != CALL_TOOL)
_WITH_FIELDS = frozenset({Kind.RECORD, Kind.UNION})
_MISSING = re.compile(r"attribute `([^`]+)` .*not found")
_OPTIONAL = re.compile(r"optional attribute `([^`]+)`")
_UNKNOWN_TYPE = re.compile(r"unrecognized entity type `([^`]+)`")

DOES_NOT_FIT = "does_not_fit"
UNKNOWN_ACTION = "unknown_action"
UNKNOWN_ATTRIBUTE = "unknown_attribute"
OTHER_NAMESPACE = "other_namespace"
OTHER_GATEWAY = "other_gateway"
RULES: Mapping[str, str] = {
    DOES_NOT_FIT: "The policy does not type-check for a tool: calls it could decide are refused.",
    UNKNOWN_ACTION: "The policy names an action that no tool, method or target has.",
    UNKNOWN_ATTRIBUTE: "The policy asks for an argument that none of its tools has.",
    OTHER_NAMESPACE: "The policy names entities of another namespace: it can never match.",
    OTHER_GATEWAY: "The policy is about another gateway: it can never match.",
}
"""Every kind of finding, and what it means. The names are stable."""


class Finding(Value):
    """Something wrong with a policy. `is_error`: calls it could decide are refused."""

    policy: str
    source: str
    message: str
    is_error: bool = True
    rule: str = DOES_NOT_FIT  # of RULES
    line: int | None = None  # in the source, from 1
    column: int | None = None
    tools: tuple[str, ...] = ()  # full names of the tools that it concerns; () is for all


class Validator:
    """Strict Cedar validation of single policies for single tools, each distinct case once.

    A policy is validated against a schema of one tool, cut to what the policy can read: a policy
    that does not fit one tool refuses the calls it could decide there, and nothing else; and tools
    that look alike to a policy need one validation together.
    """

    def __init__(self, names: Names) -> None:
        self._names = names
        self._found: dict[tuple[str, bytes, str], str | None] = {}

    def invalid(self, tool: Tool, context: Shape, policies: Iterable[Policy]) -> dict[str, str]:
        """Ids of the policies that do not pass for this tool → Cedar's words."""
        found: dict[str, str] = {}
        for policy in policies:
            problem = self._problem(tool, context, policy)
            if problem is not None:
                found[policy.id] = problem
        return found

    def blamed(self, tool: Tool, context: Shape, policy: Policy) -> Clause | None:
        """The first clause with which the policy does not pass; None where it is the scope."""
        schema = self._schema(tool, cut(context, policy.chains), policy)
        clauses = policy.clauses
        for number in range(len(clauses) + 1):
            bodies = [{"kind": one.kind, "body": one.est} for one in clauses[:number]]
            text = str(documented({"policy": {**policy.est, "conditions": bodies}}))
            if not cedarpy.validate_policies(text, schema).validation_passed:
                return clauses[number - 1] if number else None
        return None

    def _problem(self, tool: Tool, context: Shape, policy: Policy) -> str | None:
        shape = cut(context, policy.chains)
        # Beyond the context, two tools differ for a policy only where it looks at `action`.
        where = tool.qualified_name if policy.reads_action else ""
        key = (policy.digest, encode(shape), where)
        found = self._found.get(key, _UNKNOWN)
        if found is _UNKNOWN:
            found = self._validate(tool, shape, policy)
            if len(self._found) >= MAX_REMEMBERED:
                self._found.clear()  # a target that makes up schemas without end
            self._found[key] = found
        return found

    def _validate(self, tool: Tool, shape: Shape, policy: Policy) -> str | None:
        result = cedarpy.validate_policies(policy.text, self._schema(tool, shape, policy))
        if result.validation_passed:
            return None
        return "; ".join(_words(str(error)) for error in result.errors)

    def _schema(self, tool: Tool, shape: Shape, policy: Policy) -> cedarpy.Schema:
        schema = cedar_schema(self._names, [(tool, shape)], policy.actions)
        return cedarpy.Schema.from_json_str(encode(schema).decode())


class _Seen(Value):
    """One policy and one tool that it is meant for, with the context that it sees there."""

    tool: Tool
    context: Shape


def findings(
    names: Names,
    policies: Sequence[Policy],
    tools: Iterable[Tool],
    enrichments: Mapping[str, Mapping[str, str]],
    targets: Mapping[str, bool],
) -> list[Finding]:
    """All that can be said about a policy set against the tools known now.

    `targets` says of each configured target whether it has been listed: about the tools of a
    silent one nothing can be said.
    """
    tools = list(tools)
    index = ScopeIndex(policies)
    validator = Validator(names)
    seen: dict[str, list[_Seen]] = {policy.id: [] for policy in policies}
    broken: dict[str, list[tuple[_Seen, str]]] = {}
    methods = [method_tool(target, name) for target in targets for name in _GOVERNED]
    for tool in (*tools, *methods):
        one = _Seen(tool=tool, context=context_shape(input_shape(tool.input_schema), enrichments))
        candidates = [
            policy
            for policy in index.for_action(names.action_of(tool), names.resource)
            if is_meant(names, tool, policy)
        ]
        for policy in candidates:
            seen[policy.id].append(one)
        for policy_id, message in validator.invalid(tool, one.context, candidates).items():
            broken.setdefault(policy_id, []).append((one, message))
    found = [
        _misfit(validator, names, policy, broken[policy.id])
        for policy in policies
        if policy.id in broken
    ]
    found.extend(_unknown_names(names, policies, [*tools, *methods], targets))
    if all(targets.values()):  # a silent target may have what seems unknown
        for policy in policies:
            if policy.id not in broken:
                found.extend(_unknown_attributes(policy, seen[policy.id]))
    return found


def is_meant(names: Names, tool: Tool, policy: Policy) -> bool:
    """Whether the author of a policy had this tool in mind, or else a method of MCP.

    A policy on the arguments of a target's tools fits none of its methods, and refuses them; that
    is said only of policies that name the method, or what targets ask.
    """
    if tool.method == CALL_TOOL:
        return True
    meant = names.parents(tool).keys() - {tool.target, names.ALL_METHODS}
    return any(identifier in meant for _, identifier in policy.action.uids)


def _misfit(
    validator: Validator, names: Names, policy: Policy, broken: list[tuple[_Seen, str]]
) -> Finding:
    one, message = broken[0]
    tools = tuple(seen.tool.qualified_name for seen, _ in broken)
    place = _place_of_misfit(validator, policy, one, message)
    return Finding(
        policy=policy.id,
        source=policy.source,
        message=f"does not fit {_some(tools)}: {message}{_meant(names, one.context, message)}",
        rule=DOES_NOT_FIT,
        line=place.line,
        column=place.column,
        tools=tools,
    )


def _place_of_misfit(validator: Validator, policy: Policy, one: _Seen, message: str) -> Place:
    unknown = _UNKNOWN_TYPE.search(message)
    if unknown is not None:
        return place_of_type(policy, unknown[1])
    clause = validator.blamed(one.tool, one.context, policy)
    if clause is None:
        return place_of(policy)
    named = _MISSING.search(message) or _OPTIONAL.search(message)
    return place_in_clause(policy, clause, named[1].rpartition(".")[2] if named else None)


def _meant(names: Names, context: Shape, message: str) -> str:
    """`; did you mean "amount"?`, where a name is nearly one that there is."""
    unknown = _UNKNOWN_TYPE.search(message)
    if unknown is not None:
        kinds = (*names.PRINCIPALS, names.GROUP, names.GATEWAY, "Action")
        return _near(unknown[1], [f"{names.namespace}::{kind}" for kind in kinds])
    missing = _MISSING.search(message)
    if missing is None:
        return ""
    *above, name = missing[1].split(".")
    if " on entity type " in message:
        return _near(name, ["id", "issuer", "tenant", "agent"])
    shape = _shape_at(context, above)
    return _near(name, list(shape.fields)) if shape is not None else ""


def _shape_at(shape: Shape, path: Iterable[str]) -> Shape | None:
    for name in path:
        if name not in shape.fields:
            return None
        shape = shape.fields[name].shape
    return shape


def _unknown_attributes(policy: Policy, seen: list[_Seen]) -> Iterator[Finding]:
    """Behind `has`, a name that no tool has is no error to Cedar: it is just never there."""
    said: set[tuple[str, ...]] = set()
    for clause in policy.clauses:
        for chain in sorted(_chains(clause) - said):
            said.add(chain)
            missing = [_missing(one.context, chain) for one in seen]
            if not missing or any(name is None for name in missing):
                continue
            name, known = missing[0] or ("", [])
            place = place_in_clause(policy, clause, name)
            yield Finding(
                policy=policy.id,
                source=policy.source,
                message=f'no tool that it speaks of has "{".".join(chain)}": it is never there'
                f"{_near(name, known)}",
                is_error=False,
                rule=UNKNOWN_ATTRIBUTE,
                line=place.line,
                column=place.column,
            )


def _chains(clause: Clause) -> set[tuple[str, ...]]:
    return {chain for chain in context_chains(clause.est) if chain}


def _missing(shape: Shape, chain: tuple[str, ...]) -> tuple[str, list[str]] | None:
    """The first name of a chain that is not there, and those that are; None where all are."""
    for name in chain:
        if shape.kind not in _WITH_FIELDS:
            return None
        if name not in shape.fields:
            return name, list(shape.fields)
        shape = shape.fields[name].shape
    return None


def _unknown_names(
    names: Names, policies: Sequence[Policy], tools: Sequence[Tool], targets: Mapping[str, bool]
) -> Iterator[Finding]:
    known = {tool.qualified_name for tool in tools} | targets.keys() | names.GROUPS
    silent = tuple(f"{name}{SEPARATOR}" for name, is_listed in targets.items() if not is_listed)
    for policy in policies:
        for action in policy.actions:
            if action not in known and not action.startswith(silent):
                place = place_of_entity(policy, "Action", action)
                message = (
                    f'no tool, method or target is called "{action}": '
                    f"it can never match{_near(action, known)}"
                )
                yield _at(policy, place, UNKNOWN_ACTION, message)
        scopes = (policy.principal, policy.action, policy.resource)
        for kind in dict.fromkeys(uid[0] for scope in scopes for uid in scope.uids):
            if not kind.startswith(f"{names.namespace}::"):
                message = f'"{kind}" is outside the namespace {names.namespace}: no match ever'
                yield _at(policy, place_of_type(policy, kind), OTHER_NAMESPACE, message)
        for kind, identifier in policy.resource.uids:
            if identifier != names.gateway:
                place = place_of_entity(policy, kind, identifier)
                message = f'the gateway is called "{names.gateway}", not "{identifier}"'
                yield _at(policy, place, OTHER_GATEWAY, message)


def _at(policy: Policy, place: Place, rule: str, message: str) -> Finding:
    return Finding(
        policy=policy.id,
        source=policy.source,
        message=message,
        rule=rule,
        line=place.line,
        column=place.column,
    )


def _near(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1)
    return f'; did you mean "{near[0]}"?' if near else ""


def _some(items: Sequence[str]) -> str:
    shown = ", ".join(items[:3])
    return shown if len(items) <= 3 else f"{shown} and {len(items) - 3} more tools"


def _words(message: str) -> str:
    """Cedar's message without our positional policy id."""
    without = re.sub(r"^\[policy\d+\] ", "", message)
    return re.sub(r"^for policy `policy\d+`, ", "", without).strip()
