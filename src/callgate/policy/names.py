"""The names policies use: AgentCore's entity types and action groups under our namespace."""

from __future__ import annotations

from typing import ClassVar

from callgate.model import CALL_TOOL, Json, Tool, Value
from callgate.policy.index import Lineage
from callgate.protocol.methods import METHODS


class Names(Value):
    """The Cedar namespace and the id of the gateway resource (AgentCore: its ARN)."""

    namespace: str = "Callgate"
    gateway: str = "main"

    USER: ClassVar[str] = "OAuthUser"  # verified by a JWT or an API key
    IAM: ClassVar[str] = "IamEntity"
    ANONYMOUS: ClassVar[str] = "UnauthenticatedUser"
    PRINCIPALS: ClassVar[tuple[str, ...]] = (USER, IAM, ANONYMOUS)
    GROUP: ClassVar[str] = "Group"
    GATEWAY: ClassVar[str] = "Gateway"
    ALL_TOOLS: ClassVar[str] = "CallTool"
    ALL_METHODS: ClassVar[str] = "Mcp"
    ALL_ASKED: ClassVar[str] = "AskClient"
    GROUPS: ClassVar[frozenset[str]] = frozenset(
        {ALL_TOOLS, ALL_METHODS, ALL_ASKED, *(name for name in METHODS if name != CALL_TOOL)}
    )
    """Every action group that is there whatever the targets; no target can be called so."""

    def uid(self, kind: str, identifier: str) -> dict[str, Json]:
        """An entity uid. INVARIANT: outside text goes into `id`, never into Cedar source text."""
        return {"type": f"{self.namespace}::{kind}", "id": identifier}

    @property
    def resource(self) -> Lineage:
        """The gateway."""
        return Lineage.of((f"{self.namespace}::{self.GATEWAY}", self.gateway))

    def action_of(self, tool: Tool) -> Lineage:
        """The action of a tool, with all the groups that it is in."""
        kind = f"{self.namespace}::Action"
        own, *above = ((kind, action) for action in self.parents(tool))
        return Lineage.of(own, above)

    def parents(self, tool: Tool) -> dict[str, tuple[str, ...]]:
        """The action of a tool and all groups above it, each with those that it is directly in.

        INVARIANT: what a target asks of the agent's client is in no group of the target, nor in
        that of all methods: who permits a target does not permit it to turn to the user.
        """
        if tool.method == CALL_TOOL:
            return {
                tool.qualified_name: (tool.target, self.ALL_TOOLS),
                tool.target: (self.ALL_METHODS,),
                self.ALL_TOOLS: (self.ALL_METHODS,),
                self.ALL_METHODS: (),
            }
        if METHODS[tool.method].is_asked_by_target:
            return {
                tool.qualified_name: (tool.method,),
                tool.method: (self.ALL_ASKED,),
                self.ALL_ASKED: (),
            }
        return {
            tool.qualified_name: (tool.target, tool.method),
            tool.target: (self.ALL_METHODS,),
            tool.method: (self.ALL_METHODS,),
            self.ALL_METHODS: (),
        }
