"""A conforming MCP client, on the Python SDK, for the suite's client scenarios."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from mcp import Client
from mcp.types import (
    CallToolResult,
    CreateMessageRequestParams,
    CreateMessageResult,
    ElicitRequestFormParams,
    ElicitRequestParams,
    ElicitResult,
    InputRequiredResult,
    InputResponse,
    ListRootsResult,
    TextContent,
)

MODERN = "2026-07-28"
# Far longer than any scenario needs, and shorter than the suite waits.
MOST_SECONDS = 45.0

Scenario = Callable[[Client, dict[str, Any]], Awaitable[None]]
SCENARIOS: dict[str, Scenario] = {}


def scenario(*names: str) -> Callable[[Scenario], Scenario]:
    def register(play: Scenario) -> Scenario:
        SCENARIOS.update(dict.fromkeys(names, play))
        return play

    return register


@scenario("initialize", "request-metadata", "json-schema-ref-no-deref")
async def list_tools(client: Client, context: dict[str, Any]) -> None:
    await client.list_tools()


@scenario("tools_call")
async def call_a_tool(client: Client, context: dict[str, Any]) -> None:
    await client.list_tools()
    await call(client, "add_numbers", a=5, b=3)


@scenario("elicitation-sep1034-client-defaults")
async def accept_the_defaults(client: Client, context: dict[str, Any]) -> None:
    await client.list_tools()
    await call(client, "test_client_elicitation_defaults")


@scenario("sse-retry")
async def wait_for_a_result_on_another_stream(client: Client, context: dict[str, Any]) -> None:
    await client.list_tools()
    await call(client, "test_reconnection")


@scenario("sep-2322-client-request-state")
async def answer_what_is_asked(client: Client, context: dict[str, Any]) -> None:
    await client.list_tools()
    name = "test_mrtr_echo_state"
    asked = await client.session.call_tool(name, {}, allow_input_required=True)
    assert isinstance(asked, InputRequiredResult), asked
    await call(client, "test_mrtr_unrelated")  # between the two rounds of another call
    answers: dict[str, InputResponse] = {
        key: accept(request.params)
        for key, request in (asked.input_requests or {}).items()
        if request.method == "elicitation/create"
    }
    done = await client.session.call_tool(
        name,
        {},
        input_responses=answers,
        request_state=asked.request_state,
        allow_input_required=True,
    )
    assert isinstance(done, CallToolResult) and not done.is_error, done
    await call(client, "test_mrtr_no_state")
    await call(client, "test_mrtr_no_result_type")


@scenario("http-standard-headers")
async def use_everything(client: Client, context: dict[str, Any]) -> None:
    for tool in (await client.list_tools()).tools:
        await call(client, tool.name)
    for resource in (await client.list_resources()).resources:
        await client.read_resource(resource.uri)
    for prompt in (await client.list_prompts()).prompts:
        await client.get_prompt(prompt.name)


@scenario("http-custom-headers")
async def call_what_is_asked_for(client: Client, context: dict[str, Any]) -> None:
    await client.list_tools()
    for wanted in context["toolCalls"]:
        await call(client, wanted["name"], **wanted["arguments"])


@scenario("http-invalid-tool-headers")
async def call_what_is_listed(client: Client, context: dict[str, Any]) -> None:
    for tool in (await client.list_tools()).tools:
        required = tool.input_schema.get("required", [])
        await call(client, tool.name, **dict.fromkeys(required, "eu"))


@scenario("json-schema-2020-12-preservation")
async def send_a_schema_back(client: Client, context: dict[str, Any]) -> None:
    tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    schema = tools["json_schema_2020_12_tool"].input_schema
    await call(client, "json_schema_echo", schema=schema)


async def call(client: Client, tool: str, /, **arguments: Any) -> None:
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result


async def elicit(context: object, params: ElicitRequestParams) -> ElicitResult:
    return accept(params)


async def sample(context: object, params: CreateMessageRequestParams) -> CreateMessageResult:
    return CreateMessageResult(
        role="assistant", content=TextContent(type="text", text="said"), model="none"
    )


async def list_roots(context: object) -> ListRootsResult:
    return ListRootsResult(roots=[])


def accept(params: ElicitRequestParams) -> ElicitResult:
    """Yes, with the defaults where there are some."""
    assert isinstance(params, ElicitRequestFormParams), params
    fields: dict[str, Any] = params.requested_schema["properties"]
    content = {name: field.get("default", True) for name, field in fields.items()}
    return ElicitResult(action="accept", content=content)


async def play(name: str, url: str, version: str, context: dict[str, Any]) -> None:
    mode = "auto" if version >= MODERN else "legacy"
    async with asyncio.timeout(MOST_SECONDS):
        client = Client(
            url,
            mode=mode,
            elicitation_callback=elicit,
            sampling_callback=sample,
            list_roots_callback=list_roots,
        )
        async with client:
            await SCENARIOS[name](client, context)


def main() -> None:
    name = os.environ["MCP_CONFORMANCE_SCENARIO"]
    version = os.environ["MCP_CONFORMANCE_PROTOCOL_VERSION"]
    context = json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT", "{}"))
    asyncio.run(play(name, sys.argv[-1], version, context))


if __name__ == "__main__":
    main()
