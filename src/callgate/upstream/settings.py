"""What every target that speaks MCP can be set to, whatever carries it."""

from __future__ import annotations

from typing import Literal

from callgate.settings import Settings


class McpTargetSettings(Settings):
    """A target that speaks MCP."""

    may_ask: frozenset[Literal["elicitation", "sampling", "roots"]] = frozenset(
        {"elicitation", "sampling", "roots"}
    )
    """What the target may ask of the agent's client, as far as policy permits it: to ask the user
    (`elicitation`), to use the user's model (`sampling`), the directories it works in (`roots`)."""
