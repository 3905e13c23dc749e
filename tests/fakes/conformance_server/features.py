"""The methods that mean the same in both eras: lists, calls, prompts, resources, completions."""

import base64
import binascii
from collections.abc import Awaitable, Callable, Sequence

from fakes.conformance_server.content import (
    TEMPLATES,
    complete,
    get_prompt,
    listed_prompts,
    listed_resources,
    read_resource,
)
from fakes.conformance_server.exchange import INVALID_PARAMS, Exchange, Json, RpcError
from fakes.conformance_server.gateway_tools import EXTRA_TOOL, GATEWAY_TOOLS
from fakes.conformance_server.suite_tools import ASKING_TOOLS, PLAIN_TOOLS, TASK_TOOLS
from fakes.conformance_server.tool import Tool

TOOLS = {tool.name: tool for tool in (*PLAIN_TOOLS, *ASKING_TOOLS, *TASK_TOOLS, *GATEWAY_TOOLS)}
Answer = Callable[[Exchange, Json], Awaitable[Json]]


def find_tool(exchange: Exchange, params: Json) -> Tool:
    name = params.get("name")
    if name == EXTRA_TOOL.name and "tools" in exchange.world.extras:
        return EXTRA_TOOL
    if not isinstance(name, str) or name not in TOOLS:
        raise RpcError(INVALID_PARAMS, f"Unknown tool: {name}")
    return TOOLS[name]


def arguments_of(tool: Tool, params: Json) -> Json:
    arguments = params.get("arguments")
    arguments = {} if arguments is None else arguments
    if not isinstance(arguments, dict):
        raise RpcError(INVALID_PARAMS, "`arguments` must be an object")
    if missing := [name for name in tool.required if name not in arguments]:
        raise RpcError(INVALID_PARAMS, f"{tool.name} needs: {', '.join(missing)}")
    return arguments


async def call_tool(exchange: Exchange, params: Json) -> Json:
    """The whole call within its request; `modern.py` may make a task of it instead."""
    tool = find_tool(exchange, params)
    arguments = arguments_of(tool, params)
    if tool.prepare is not None:
        arguments = await tool.prepare(exchange, arguments)
    return await tool.run(exchange, arguments)


def page(exchange: Exchange, params: Json, key: str, items: Sequence[Json]) -> Json:
    size = exchange.world.page_size or max(len(items), 1)
    start = _offset(params.get("cursor"), len(items))
    result: Json = {key: list(items[start : start + size])}
    if start + size < len(items):
        result["nextCursor"] = base64.b64encode(str(start + size).encode()).decode()
    return result


def _offset(cursor: object, length: int) -> int:
    if cursor is None:
        return 0
    try:
        start = int(base64.b64decode(str(cursor), validate=True))
    except (ValueError, binascii.Error):
        start = -1
    if not 0 < start < length:
        raise RpcError(INVALID_PARAMS, "Invalid cursor")
    return start


async def _list_tools(exchange: Exchange, params: Json) -> Json:
    extras = [EXTRA_TOOL] if "tools" in exchange.world.extras else []
    return page(exchange, params, "tools", [t.listed() for t in (*TOOLS.values(), *extras)])


async def _list_prompts(exchange: Exchange, params: Json) -> Json:
    return page(exchange, params, "prompts", listed_prompts(exchange))


async def _list_resources(exchange: Exchange, params: Json) -> Json:
    return page(exchange, params, "resources", listed_resources(exchange))


async def _list_templates(exchange: Exchange, params: Json) -> Json:
    return page(exchange, params, "resourceTemplates", TEMPLATES)


FEATURES: dict[str, Answer] = {
    "tools/list": _list_tools,
    "tools/call": call_tool,
    "prompts/list": _list_prompts,
    "prompts/get": get_prompt,
    "resources/list": _list_resources,
    "resources/templates/list": _list_templates,
    "resources/read": read_resource,
    "completion/complete": complete,
}
