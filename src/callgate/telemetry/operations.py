"""What a trace tells about a call: its operation as a server, and the one as a client."""

from __future__ import annotations

from callgate.model import CALL_TOOL, Call, Era, Outcome, Value
from callgate.pipeline.stages import forward
from callgate.protocol.eras import HANDSHAKE_VERSIONS, VERSIONS
from callgate.telemetry.codes import OK, code_of, code_of_reply

FORWARD = forward.__name__
_VERSIONS = frozenset((*VERSIONS, *HANDSHAKE_VERSIONS))

METRIC_ATTRIBUTES = {
    "mcp.method.name": "`tools/call`, or another method of MCP.",
    "gen_ai.operation.name": "Always `execute_tool`.",
    "gen_ai.tool.name": "The tool, by its target's own name; left out where there is no such tool.",
    "callgate.target": "The target of the tool.",
    "mcp.protocol.version": "The MCP revision that the agent speaks. Server side only.",
    "error.type": "The code of the refusal, or `tool_error`; left out where all went well.",
}
"""What both metrics and spans say: of bounded variety, whatever agents and targets send."""

SPAN_ATTRIBUTES = {
    "callgate.call.id": "The call in the record: `callgate explain <id>`.",
    "callgate.policy.determining": "Ids of the policies that decided.",
    "gen_ai.agent.id": "The agent that acts for the principal, where its proof names one.",
    "mcp.session.id": "The MCP session; only of agents of the handshake era.",
}
"""What only server spans say."""

Attributes = dict[str, str | tuple[str, ...]]


class Operation(Value):
    """One side of a call."""

    began_at: float  # seconds since the epoch
    seconds: float
    attributes: dict[str, str]  # METRIC_ATTRIBUTES

    @property
    def name(self) -> str:
        """The name of its span."""
        method = self.attributes["mcp.method.name"]
        tool = self.attributes.get("gen_ai.tool.name")
        return method if tool is None else f"{method} {tool}"

    @property
    def is_error(self) -> bool:
        """Whether the call was refused or failed, on this side."""
        return "error.type" in self.attributes


def served(outcome: Outcome) -> Operation:
    """The whole call, as the agent sees it."""
    call = outcome.call
    attributes = _attributes(call, code_of(outcome))
    if call.protocol_version in _VERSIONS:  # else it is whatever the agent wrote
        attributes["mcp.protocol.version"] = call.protocol_version
    seconds = sum(outcome.timings.values())
    return Operation(began_at=call.received_at, seconds=seconds, attributes=attributes)


def forwarded(outcome: Outcome) -> Operation | None:
    """The call to the target, as we saw it; None where none was made."""
    call, timings = outcome.call, outcome.timings
    if call.is_answered or FORWARD not in timings:
        return None
    stages = list(timings)
    before = stages[: stages.index(FORWARD)]
    began_at = call.received_at + sum(timings[stage] for stage in before)
    has_failed = outcome.is_refused and stages[-1] == FORWARD
    code = code_of(outcome) if has_failed else code_of_reply(call.reply)
    attributes = _attributes(call, code)
    return Operation(began_at=began_at, seconds=timings[FORWARD], attributes=attributes)


def details(call: Call) -> Attributes:
    """SPAN_ATTRIBUTES of a call. Never arguments, results, or reasons: those may quote them."""
    found: Attributes = {"callgate.call.id": call.id}
    if call.verdict is not None and call.verdict.policies:
        found["callgate.policy.determining"] = call.verdict.policies
    if call.principal is not None and call.principal.agent is not None:
        found["gen_ai.agent.id"] = call.principal.agent
    if call.era is Era.LEGACY and call.session_id is not None:
        found["mcp.session.id"] = call.session_id
    return found


def _attributes(call: Call, code: str) -> dict[str, str]:
    found = {"mcp.method.name": call.method}
    is_tool = call.method == CALL_TOOL
    if is_tool:
        found["gen_ai.operation.name"] = "execute_tool"
    if call.tool is not None:
        if is_tool:
            found["gen_ai.tool.name"] = call.tool.name
        found["callgate.target"] = call.tool.target
    if code != OK:
        found["error.type"] = code
    return found
