"""Do policies fit the tools? Strict Cedar validation, and actions that no tool has."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence

import cedarpy
import msgspec

from callgate.model import Tool, Value
from callgate.policy.index import ScopeIndex
from callgate.policy.names import Names
from callgate.policy.schema import Shape, cedar_schema, context_shape, input_shape
from callgate.policy.source import Policy

_encode = msgspec.json.Encoder().encode


class Finding(Value):
    """Something wrong with a policy. `is_error`: calls it could decide are refused."""

    policy: str
    source: str
    message: str
    is_error: bool = True


def invalid_policies(
    names: Names, tool: Tool, context: Shape, policies: Sequence[Policy]
) -> dict[str, str]:
    """Ids of the policies that do not pass strict validation for this one tool → Cedar's words.

    Validation is per tool, against a schema of just this tool: a policy that does not fit one tool
    refuses the calls it could decide there, and nothing else.
    """
    if not policies:
        return {}
    others = {name for policy in policies for name in policy.actions}
    schema = cedarpy.Schema.from_json_str(
        _encode(cedar_schema(names, {(tool.target, tool.name): context}, others)).decode()
    )
    if cedarpy.validate_policies("\n".join(p.text for p in policies), schema).validation_passed:
        return {}
    found: dict[str, str] = {}
    for policy in policies:
        result = cedarpy.validate_policies(policy.text, schema)
        if not result.validation_passed:
            found[policy.id] = "; ".join(_words(str(error)) for error in result.errors)
    return found


def findings(
    names: Names,
    policies: Sequence[Policy],
    tools: Iterable[Tool],
    enrichments: Mapping[str, Mapping[str, str]],
    targets: Iterable[str],
) -> list[Finding]:
    """All that can be said about a policy set against the tools known now."""
    tools = list(tools)
    index = ScopeIndex(policies, names)
    broken: dict[str, list[tuple[str, str]]] = {}
    for tool in tools:
        context = context_shape(input_shape(tool.input_schema), enrichments)
        candidates = index.for_tool(tool.target, tool.name)
        for policy_id, message in invalid_policies(names, tool, context, candidates).items():
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
    found.extend(_unknown_names(names, policies, tools, targets))
    return found


def _unknown_names(
    names: Names, policies: Sequence[Policy], tools: Sequence[Tool], targets: Iterable[str]
) -> Iterable[Finding]:
    targets = set(targets)
    known = {tool.qualified_name for tool in tools} | targets
    known |= {names.ALL_TOOLS, names.ALL_METHODS}
    for policy in policies:
        for action in policy.actions:
            if action not in known:
                near = difflib.get_close_matches(action, known, n=1)
                hint = f'; did you mean "{near[0]}"?' if near else ""
                yield Finding(
                    policy=policy.id,
                    source=policy.source,
                    message=f'no tool or target is called "{action}": it can never match{hint}',
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
