"""A to-do list as an MCP server over stdio, written with the MCP SDK. It knows no gateway."""

from __future__ import annotations

import os

from mcp.server import MCPServer

server = MCPServer("todo")
items: list[str] = ["buy milk"]


@server.tool()
def list_items() -> list[str]:
    """List what is to do."""
    return items


@server.tool()
def add_item(text: str, priority: int = 3) -> str:
    """Add something to do. Priority 1 is most urgent, 5 least."""
    items.append(text)
    return f"{len(items)} things to do for {os.environ.get('TODO_OWNER', 'nobody')}"


@server.tool()
def clear(confirm: bool) -> str:
    """Forget everything."""
    items.clear()
    return "nothing to do"


if __name__ == "__main__":
    server.run()
