"""A request that uses something of a target takes the call path, whatever its method."""

import asyncio
import json
from typing import Any

import pytest

from callgate.model import Features, Reply
from callgate.pipeline.gateway import Gateway
from callgate.ports import Caller, TargetRequest
from fakes.agent import META, Agent
from fakes.calls import a_tool
from fakes.gateway import PERMIT, a_gateway
from fakes.store import FakeCallStore
from fakes.target import FakeCatalog, FakeConnector

CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"
REFUND = {"customer": "c", "amount": 5}
ASKING: dict[str, Any] = {"elicitation": {}, "roots": {}}


async def echoes(request: TargetRequest, _caller: Caller) -> Reply:
    return Reply(body=b'{"said":%b}' % request.params)


def gateway_with(answer: Any = echoes, **more: Any) -> tuple[Gateway, FakeConnector]:
    connector = FakeConnector(answer=answer, said=Features(capabilities={"resources": {}}))
    settings: dict[str, Any] = {"may_ask": {"shop": frozenset(ASKING)}, **more}
    return a_gateway(catalog=FakeCatalog([a_tool()], connector), **settings), connector


def meta(capabilities: dict[str, Any]) -> dict[str, Any]:
    return {**META, CAPABILITIES: capabilities}


def used(
    gateway: Gateway,
    method: str,
    params: dict[str, Any],
    path: str = "/mcp",
    capabilities: dict[str, Any] | None = None,
) -> Any:
    field = {"resources/read": "uri", "tasks/get": "taskId"}.get(method)
    headers = {"mcp_name": params[field]} if field else {}
    full = {"_meta": meta(capabilities or {}), **params}
    return asyncio.run(Agent(gateway).modern(method, full, path, **headers))


@pytest.mark.parametrize(
    ("method", "params", "sent"),
    [
        ("resources/read", {"uri": "shop+demo://a", "x": 1}, {"uri": "demo://a", "x": 1}),
        (
            "prompts/get",
            {"name": "shop___review", "arguments": {"k": "v"}},
            {"name": "review", "arguments": {"k": "v"}},
        ),
        (
            "completion/complete",
            {
                "ref": {"type": "ref/prompt", "name": "shop___review"},
                "argument": {"name": "k", "value": "v"},
            },
            {
                "ref": {"type": "ref/prompt", "name": "review"},
                "argument": {"name": "k", "value": "v"},
            },
        ),
    ],
)
def test_a_target_gets_its_own_names_and_every_use_is_recorded(
    method: str, params: dict[str, Any], sent: dict[str, Any]
) -> None:
    gateway, connector = gateway_with()

    result = used(gateway, method, params).json["result"]

    assert result["said"] == sent
    (request,) = connector.asked
    assert (request.tool.method, request.tool.target) == (method, "shop")
    store = gateway.store
    assert isinstance(store, FakeCallStore)
    assert [(e.kind, e.target, e.tool, e.code) for e in store.entries] == [
        ("intent", "shop", method, None),
        ("outcome", "shop", method, "ok"),
    ]


def test_policy_decides_on_what_is_read() -> None:
    forbid = (
        '@id("f") @reason("Not the secrets.") '
        'forbid(principal, action == Callgate::Action::"shop___resources/read", resource) '
        'when { context.input.uri like "*secret*" };'
    )
    gateway, connector = gateway_with(policies=PERMIT + forbid)

    refused = used(gateway, "resources/read", {"uri": "shop+demo://secret"})
    read = used(gateway, "resources/read", {"uri": "shop+demo://a"})

    assert refused.json["error"]["data"]["callgate/refusal"]["code"] == "not_permitted"
    assert "Not the secrets." in refused.json["error"]["message"]
    assert "result" in read.json
    assert len(connector.asked) == 1


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("resources/read", {"uri": "demo://a"}),
        ("prompts/get", {"name": "review"}),
        ("tasks/get", {"taskId": "t1"}),
    ],
)
def test_what_is_not_there_is_an_invalid_parameter(method: str, params: dict[str, Any]) -> None:
    gateway, connector = gateway_with()
    extension: dict[str, Any] = {"extensions": {"io.modelcontextprotocol/tasks": {}}}

    response = used(gateway, method, params, capabilities=extension)

    assert (response.status, response.json["error"]["code"]) == (400, -32602)
    assert connector.asked == []


def test_tasks_are_for_clients_that_declare_them() -> None:
    response = used(gateway_with()[0], "tasks/get", {"taskId": "t"})

    assert (response.status, response.json["error"]["code"]) == (400, -32021)


def test_a_question_of_a_legacy_target_reaches_a_modern_client_and_its_answer_the_target() -> None:
    heard: list[Any] = []

    async def asks(request: TargetRequest, caller: Caller) -> Reply:
        reply = await caller.ask("elicitation/create", {"message": "Sure?"})
        heard.append(json.loads(reply.body))
        return Reply(body=b'{"content":[]}')

    async def scenario() -> tuple[Any, Any]:
        agent = Agent(gateway)
        params = {"_meta": meta(ASKING), "name": "shop___refund", "arguments": REFUND}
        first = (await agent.modern("tools/call", params)).json["result"]
        (key,) = first["inputRequests"]
        again = {
            **params,
            "inputResponses": {key: {"action": "accept"}},
            "requestState": first["requestState"],
        }
        return first, (await agent.modern("tools/call", again)).json["result"]

    gateway, connector = gateway_with(asks)
    first, second = asyncio.run(scenario())

    assert first["resultType"] == "input_required"
    (question,) = first["inputRequests"].values()
    assert question == {"method": "elicitation/create", "params": {"message": "Sure?"}}
    assert second == {"resultType": "complete", "content": []}
    assert heard == [{"action": "accept"}]
    assert len(connector.asked) == 1


def test_a_repetition_that_is_not_for_this_call_is_refused_and_the_call_goes_on_waiting() -> None:
    async def asks(request: TargetRequest, caller: Caller) -> Reply:
        await caller.ask("elicitation/create", {"message": "Sure?"})
        return Reply(body=b'{"content":[]}')

    async def scenario() -> tuple[Any, Any]:
        agent = Agent(gateway)
        params = {"_meta": meta(ASKING), "name": "shop___refund", "arguments": REFUND}
        first = (await agent.modern("tools/call", params)).json["result"]
        (key,) = first["inputRequests"]
        again = {
            **params,
            "inputResponses": {key: {"action": "accept"}},
            "requestState": first["requestState"],
        }
        other = {**again, "arguments": {**REFUND, "amount": 6}}
        wrong = await agent.modern("tools/call", other)
        return wrong, (await agent.modern("tools/call", again)).json

    gateway, _ = gateway_with(asks)
    wrong, right = asyncio.run(scenario())

    assert (wrong.status, wrong.json["error"]["code"]) == (400, -32602)
    assert right["result"]["content"] == []


def test_a_stopping_gateway_takes_no_more() -> None:
    async def scenario(agent: Agent) -> Any:
        agent.dispatcher.is_stopping = True
        return await agent.modern("prompts/get", {"name": "shop___review"})

    gateway, connector = gateway_with()
    response = asyncio.run(scenario(Agent(gateway)))

    assert response.json["error"]["data"]["callgate/refusal"]["code"] == "shutting_down"
    assert connector.asked == []
