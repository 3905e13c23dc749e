"""The names policies use: AgentCore's entity types and action groups under our namespace."""

from __future__ import annotations

from typing import ClassVar

from callgate.model import Json, Value, qualify


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

    def uid(self, kind: str, identifier: str) -> dict[str, Json]:
        """An entity uid. INVARIANT: outside text goes into `id`, never into Cedar source text."""
        return {"type": f"{self.namespace}::{kind}", "id": identifier}

    def action(self, target: str, tool: str) -> str:
        """The action id of a tool."""
        return qualify(target, tool)

    def action_groups(self, target: str) -> tuple[str, ...]:
        """The action groups above every tool of a target."""
        return (target, self.ALL_TOOLS, self.ALL_METHODS)
