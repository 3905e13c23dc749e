"""Do policies fit the tools? Strict Cedar validation, and actions that no tool has."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence

import cedarpy

from callgate.model import CALL_TOOL, SEPARATOR, Tool, Value
from callgate.policy.index import ScopeIndex
from callgate.policy.names import Names
from callgate.policy.schema import Shape, cedar_schema, context_shape, cut, input_shape
from callgate.policy.source import Policy
from callgate.protocol.jsonrpc import encode
from callgate.protocol.methods import METHODS, method_tool

MAX_REMEMBERED = 50_000
_GOVERNED = tuple(name for name in METHODS if name != CALL_TOOL)


class Finding(Value):
    """Something wrong with a policy. `is_error`: calls it could decide are refused."""

    policy: str
    source: str
    message: str
    is_error: bool = True


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

    def _problem(self, tool: Tool, context: Shape, policy: Policy) -> str | None:
        shape = cut(context, policy.chains)
        # Beyond the context, two tools differ for a policy only where it looks at `action`.
        where = tool.qualified_name if policy.reads_action else ""
        key = (policy.id, encode(shape), where)
        if key not in self._found:
            if len(self._found) >= MAX_REMEMBERED:
                self._found.clear()  # a target that makes up schemas without end
            self._found[key] = self._validate(tool, shape, policy)
        return self._found[key]

    def _validate(self, tool: Tool, shape: Shape, policy: Policy) -> str | None:
        schema = cedar_schema(self._names, [(tool, shape)], policy.actions)
        handle = cedarpy.Schema.from_json_str(encode(schema).decode())
        result = cedarpy.validate_policies(policy.text, handle)
        if result.validation_passed:
            return None
        return "; ".join(_words(str(error)) for error in result.errors)


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
    broken: dict[str, list[tuple[str, str]]] = {}
    methods = [method_tool(target, name) for target in targets for name in _GOVERNED]
    for tool in (*tools, *methods):
        context = context_shape(input_shape(tool.input_schema), enrichments)
        candidates = [
            policy
            for policy in index.for_action(names.action_of(tool), names.resource)
            if _is_meant(names, tool, policy)
        ]
        for policy_id, message in validator.invalid(tool, context, candidates).items():
            broken.setdefault(policy_id, []).append((tool.qualified_name, message))
    found = [
        Finding(
            policy=policy.id,
            source=policy.source,
            message=f"does not fit {_some([name for name, _ in broken[policy.id]])}: "
            f"{broken[policy.id][0][1]}",
        )
        for policy in policies
        if policy.id in broken
    ]
    found.extend(_unknown_names(names, policies, [*tools, *methods], targets))
    return found


def _is_meant(names: Names, tool: Tool, policy: Policy) -> bool:
    """Whether the author of a policy had this tool in mind, or else a method of MCP.

    A policy on the arguments of a target's tools fits none of its methods, and refuses them; that
    is said only of policies that name the method, or what targets ask.
    """
    if tool.method == CALL_TOOL:
        return True
    meant = names.parents(tool).keys() - {tool.target, names.ALL_METHODS}
    return any(identifier in meant for _, identifier in policy.action.uids)


def _unknown_names(
    names: Names, policies: Sequence[Policy], tools: Sequence[Tool], targets: Mapping[str, bool]
) -> Iterable[Finding]:
    known = {tool.qualified_name for tool in tools} | targets.keys()
    silent = tuple(f"{name}{SEPARATOR}" for name, is_listed in targets.items() if not is_listed)
    known |= names.GROUPS
    for policy in policies:
        for action in policy.actions:
            if action not in known and not action.startswith(silent):
                near = difflib.get_close_matches(action, known, n=1)
                hint = f'; did you mean "{near[0]}"?' if near else ""
                yield Finding(
                    policy=policy.id,
                    source=policy.source,
                    message=f'no tool, method or target is called "{action}": '
                    f"it can never match{hint}",
                )
        kinds = (policy.principal, policy.action, policy.resource)
        for kind in {uid[0] for scope in kinds for uid in scope.uids}:
            if not kind.startswith(f"{names.namespace}::"):
                yield Finding(
                    policy=policy.id,
                    source=policy.source,
                    message=f'"{kind}" is outside the namespace {names.namespace}: no match ever',
                )
        for uid in policy.resource.uids:
            if uid[1] != names.gateway:
                yield Finding(
                    policy=policy.id,
                    source=policy.source,
                    message=f'the gateway is called "{names.gateway}", not "{uid[1]}"',
                )


def _some(items: Sequence[str]) -> str:
    shown = ", ".join(items[:3])
    return shown if len(items) <= 3 else f"{shown} and {len(items) - 3} more tools"


def _words(message: str) -> str:
    """Cedar's message without our positional policy id."""
    return re.sub(r"^(\[policy\d+\] )?for policy `policy\d+`, ", "", message).strip()
