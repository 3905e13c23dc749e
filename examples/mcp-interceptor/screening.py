"""An MCP interceptor server over stdio: two validators and a mutator, in any gateway's reach.

It follows the draft SEP-2624, has no tools, and knows nothing of the gateway that invokes it.
"""

import asyncio
import json
import re
from typing import Any

import mcp_types
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.shared.exceptions import MCPError

CARD = re.compile(r"\b\d{4}[ -]?\d{4}[ -]?\d{4}[ -]?(\d{4})\b")
LONGEST = 200

Payload = dict[str, Any]


def mask_cards(payload: Payload, _: Payload) -> Payload:
    """Replaces numbers of cards, but for their last four digits."""
    text = json.dumps(payload)
    masked = CARD.sub(r"card ending in \1", text)
    return {"modified": masked != text, "payload": json.loads(masked)}


def own_domain(payload: Payload, config: Payload) -> Payload:
    """Mail goes to the domain that the invoker configures, and nowhere else."""
    to = payload["params"].get("arguments", {}).get("to")
    if to is None or str(to).endswith("@" + config["domain"]):
        return {"valid": True}
    message = f"Mail goes to {config['domain']} only."
    return {"valid": False, "messages": [{"message": message, "severity": "error"}]}


def brevity(payload: Payload, _: Payload) -> Payload:
    """Finds long mails. A warning: it blocks nothing."""
    text = str(payload["params"].get("arguments", {}).get("text", ""))
    if len(text) <= LONGEST:
        return {"valid": True}
    message = f"{len(text)} characters"
    said = {"message": message, "severity": "warn"}
    return {"valid": False, "severity": "warn", "messages": [said]}


REQUEST = {"events": ["tools/call"], "phase": "request"}
RESPONSE = {"events": ["tools/call"], "phase": "response"}
INTERCEPTORS = {
    "mask-cards": (mask_cards, {"type": "mutation", "hooks": [REQUEST, RESPONSE]}),
    "own-domain": (own_domain, {"type": "validation", "hooks": [REQUEST]}),
    "brevity": (brevity, {"type": "validation", "hooks": [REQUEST]}),
}


class ListParams(mcp_types.RequestParams):
    """Which interceptors: those for an event, or all."""

    event: str | None = None


class InvokeParams(mcp_types.RequestParams):
    """One payload for one interceptor."""

    name: str
    event: str
    phase: str
    payload: Payload
    config: Payload = {}


async def list_interceptors(_: Any, params: ListParams) -> Payload:
    """`interceptors/list`."""
    shown = [{"name": name, **more} for name, (_, more) in INTERCEPTORS.items()]
    if params.event not in (None, "tools/call"):
        shown = []
    return {"interceptors": shown}


async def invoke(_: Any, params: InvokeParams) -> Payload:
    """`interceptor/invoke`."""
    if params.name not in INTERCEPTORS:
        raise MCPError(-32602, "Unknown interceptor", {"name": params.name})
    function, more = INTERCEPTORS[params.name]
    said = function(params.payload, params.config)
    return {"interceptor": params.name, "type": more["type"], "phase": params.phase, **said}


async def main() -> None:
    """Serves until stdin ends."""
    server: Server[Any] = Server("screening", version="1.0")
    server.extensions = {
        "io.modelcontextprotocol/interceptors": {"supportedEvents": ["tools/call"]}
    }
    server.add_request_handler("interceptors/list", ListParams, list_interceptors)
    server.add_request_handler("interceptor/invoke", InvokeParams, invoke)
    async with stdio_server() as (reading, writing):
        await server.run(reading, writing, server.create_initialization_options())


if __name__ == "__main__":
    asyncio.run(main())
