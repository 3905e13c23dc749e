"""What the gateway says of itself is what its targets can do, as far as it passes that on."""

import asyncio
from typing import Any

import pytest

from callgate.model import Era, Features, Ran
from callgate.pipeline.gateway import Gateway
from callgate.ports import TargetError
from fakes.agent import META, Agent
from fakes.gateway import a_gateway
from fakes.target import FakeConnector

TASKS = "io.modelcontextprotocol/tasks"
UI = "io.modelcontextprotocol/ui"
EVERYTHING: dict[str, Any] = {
    "tools": {"listChanged": False},
    "resources": {"subscribe": True},
    "prompts": {},
    "completions": {},
    "logging": {},
    "experimental": {"x": {}},
    "extensions": {TASKS: {}, UI: {"v": 1}, "com.example/x": {}},
}


def gateway_with(era: Era | None = Era.MODERN, **more: Any) -> tuple[Gateway, FakeConnector]:
    said = Features(era=era, capabilities=EVERYTHING, instructions="Be kind.")
    connector = FakeConnector(said=said)
    return a_gateway(connector=connector, **more), connector


def discovered(gateway: Gateway, path: str = "/mcp", meta: Any = None) -> dict[str, Any]:
    params = {"_meta": {**META, **(meta or {})}}
    response = asyncio.run(Agent(gateway).modern("server/discover", params, path))
    result: dict[str, Any] = response.json["result"]
    return result


def initialized(gateway: Gateway, capabilities: Any = None, path: str = "/mcp") -> dict[str, Any]:
    params = {
        "protocolVersion": "2025-11-25",
        "capabilities": capabilities or {},
        "clientInfo": {"name": "c"},
    }
    response = asyncio.run(Agent(gateway).legacy("initialize", params, path=path))
    result: dict[str, Any] = response.json["result"]
    return result


def test_what_targets_can_do_is_offered_as_far_as_it_is_passed_on() -> None:
    gateway, _ = gateway_with()

    assert discovered(gateway)["capabilities"] == {
        "tools": {"listChanged": True},
        "resources": {"subscribe": True, "listChanged": True},
        "prompts": {"listChanged": True},
        "completions": {},
        "logging": {},
        "extensions": {TASKS: {}, UI: {"v": 1}},
    }


def test_a_legacy_client_is_offered_no_tasks_and_only_the_extensions_that_it_declared() -> None:
    gateway, _ = gateway_with()

    plain = initialized(gateway)["capabilities"]
    declared = initialized(gateway, {"extensions": {UI: {}, TASKS: {}}})["capabilities"]

    assert "extensions" not in plain
    assert declared["extensions"] == {UI: {"v": 1}}


def test_a_target_that_is_down_takes_nothing_away_but_what_it_alone_can_do() -> None:
    down = TargetError("target_unavailable", "down", ran=Ran.NO)
    gateway = a_gateway(connector=FakeConnector(error=down))

    assert discovered(gateway)["capabilities"] == {"tools": {"listChanged": True}}


def test_a_targets_instructions_are_said_on_its_own_route() -> None:
    gateway, _ = gateway_with()

    assert discovered(gateway, "/mcp/shop")["instructions"] == "Be kind."
    assert "instructions" not in discovered(gateway)
    ours, _ = gateway_with(instructions="Ours.")
    assert discovered(ours, "/mcp/shop")["instructions"] == "Ours."


async def level_set(agent: Agent, level: Any, path: str = "/mcp/shop") -> Any:
    session = await agent.initialize()
    return await agent.legacy(
        "logging/setLevel", {"level": level}, path=path, mcp_session_id=session
    )


@pytest.mark.parametrize("level", ["loud", 1, None])
def test_a_level_that_does_not_exist_is_refused(level: Any) -> None:
    gateway, connector = gateway_with(Era.LEGACY)

    response = asyncio.run(level_set(Agent(gateway), level))

    assert response.json["error"]["code"] == -32602
    assert connector.asked == []


def test_a_target_that_keeps_a_level_is_told_it() -> None:
    gateway, connector = gateway_with(Era.LEGACY)

    response = asyncio.run(level_set(Agent(gateway), "error"))

    assert "error" not in response.json
    (request,) = connector.asked
    assert (request.tool.method, request.params) == ("logging/setLevel", b'{"level":"error"}')


def test_a_modern_target_is_told_the_level_with_each_request_instead() -> None:
    async def scenario(agent: Agent) -> Any:
        session = await agent.initialize()
        for method, params in (
            ("logging/setLevel", {"level": "error"}),
            ("tools/call", {"name": "refund", "arguments": {"customer": "c", "amount": 1}}),
        ):
            response = await agent.legacy(method, params, path="/mcp/shop", mcp_session_id=session)
        return response

    gateway, connector = gateway_with(Era.MODERN)
    asyncio.run(scenario(Agent(gateway)))

    (request,) = connector.asked
    assert (request.tool.name, request.log_level) == ("refund", "error")


def test_a_level_that_policy_does_not_let_set_is_not_passed_on() -> None:
    policies = 'permit(principal, action in Callgate::Action::"CallTool", resource);'
    gateway, connector = gateway_with(Era.LEGACY, policies=policies)

    response = asyncio.run(level_set(Agent(gateway), "error"))

    assert response.json["error"]["data"]["callgate/refusal"]["code"] == "not_permitted"
    assert connector.asked == []


def test_a_greeting_with_too_much_in_it_is_refused() -> None:
    params = {"protocolVersion": "2025-11-25", "clientInfo": {"name": "x" * 20_000}}
    gateway, _ = gateway_with()

    response = asyncio.run(Agent(gateway).legacy("initialize", params))

    assert response.json["error"]["code"] == -32602
