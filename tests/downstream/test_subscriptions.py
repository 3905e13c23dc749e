"""subscriptions/listen tells what changed, to who may know it, until somebody ends it."""

import asyncio
import json
from typing import Any

import msgspec
import pytest

from callgate.downstream.subscriptions import MAX_URIS, MAX_WAITING, Listener
from callgate.model import Features, Reply
from callgate.pipeline.gateway import Gateway
from callgate.ports import Caller, TargetRequest, Unanswerable
from fakes.agent import META, MODERN, Agent, Exchange
from fakes.calls import a_tool
from fakes.gateway import PERMIT, a_gateway
from fakes.target import FakeCatalog, FakeConnector

SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId"
UPDATED = "notifications/resources/updated"


async def takes(_request: TargetRequest, _caller: Caller) -> Reply:
    return Reply(body=b"{}")


def gateway_with(**more: Any) -> tuple[Gateway, FakeConnector]:
    connector = FakeConnector(answer=takes, said=Features(capabilities={"resources": {}}))
    gateway = a_gateway(catalog=FakeCatalog([a_tool()], connector), **more)
    return gateway, connector


def listening(
    agent: Agent, tasks: asyncio.TaskGroup, path: str = "/mcp", **wanted: Any
) -> Exchange:
    params = {"_meta": META, "notifications": wanted}
    message = {"jsonrpc": "2.0", "id": "L", "method": "subscriptions/listen", "params": params}
    exchange = Exchange(msgspec.json.encode(message))
    headers = agent.headers(mcp_protocol_version=MODERN, mcp_method="subscriptions/listen")
    tasks.create_task(agent.run(exchange, "POST", path, headers))
    return exchange


def test_the_honoured_part_is_acknowledged_first() -> None:
    async def scenario() -> Any:
        gateway, _ = gateway_with()
        agent = Agent(gateway)
        async with asyncio.TaskGroup() as tasks:
            exchange = listening(agent, tasks, toolsListChanged=True, odd=True)
            events = await exchange.events(1)
            exchange.hung_up.set()
        return events

    (first,) = asyncio.run(scenario())
    assert first["method"] == "notifications/subscriptions/acknowledged"
    assert first["params"]["notifications"] == {"toolsListChanged": True}
    assert first["params"]["_meta"] == {SUBSCRIPTION: "L"}


@pytest.mark.parametrize(
    ("path", "target", "what", "is_told"),
    [
        ("/mcp", "shop", "tools", True),
        ("/mcp", "shop", "prompts", False),
        ("/mcp/shop", "shop", "tools", True),
        ("/mcp/shop", "bank", "tools", False),
    ],
)
def test_what_changed_is_told_where_it_was_asked_for(
    path: str, target: str, what: str, is_told: bool
) -> None:
    async def scenario() -> list[Any]:
        gateway, _ = gateway_with()
        agent = Agent(gateway)
        async with asyncio.TaskGroup() as tasks:
            exchange = listening(agent, tasks, path, toolsListChanged=True)
            await exchange.events(1)
            await agent.dispatcher.announce(target, what)
            await agent.dispatcher.announce("shop", "tools")
            events = await exchange.events(2)
            exchange.hung_up.set()
        return events[1:]

    told = asyncio.run(scenario())
    assert [event["method"] for event in told] == ["notifications/tools/list_changed"]
    assert told[0]["params"]["_meta"] == {SUBSCRIPTION: "L"}
    assert is_told or len(told) == 1


def test_updates_come_under_the_uri_of_the_route_and_end_with_the_stream() -> None:
    async def scenario() -> Any:
        gateway, connector = gateway_with()
        agent = Agent(gateway)
        async with asyncio.TaskGroup() as tasks:
            exchange = listening(agent, tasks, resourceSubscriptions=["shop+demo://a", "x", 5])
            (first,) = await exchange.events(1)
            (request,) = connector.asked
            assert request.beyond is not None
            await request.beyond.notify(UPDATED, {"uri": "demo://a"})
            await request.beyond.notify("notifications/message", {"level": "alert"})
            second = (await exchange.events(2))[1]
            exchange.hung_up.set()
        return first, second, request, connector.released

    first, second, request, released = asyncio.run(scenario())
    assert first["params"]["notifications"] == {"resourceSubscriptions": ["shop+demo://a"]}
    assert (request.tool.method, json.loads(request.params)) == (
        "resources/subscribe",
        {"uri": "demo://a"},
    )
    assert (second["method"], second["params"]["uri"]) == (UPDATED, "shop+demo://a")
    assert released == [request.session_key]


def test_what_may_not_be_subscribed_is_not_honoured() -> None:
    async def scenario() -> Any:
        forbid = (
            '@id("f") forbid(principal, action in Callgate::Action::"resources/subscribe", '
            'resource) when { context.input.uri like "*secret*" };'
        )
        gateway, connector = gateway_with(policies=PERMIT + forbid)
        agent = Agent(gateway)
        async with asyncio.TaskGroup() as tasks:
            uris = ["shop+demo://secret", "shop+demo://a"]
            exchange = listening(agent, tasks, resourceSubscriptions=uris)
            (first,) = await exchange.events(1)
            exchange.hung_up.set()
        return first, connector.asked

    first, asked = asyncio.run(scenario())
    assert first["params"]["notifications"]["resourceSubscriptions"] == ["shop+demo://a"]
    assert len(asked) == 1


def test_a_gateway_that_stops_says_so() -> None:
    async def scenario() -> Any:
        gateway, _ = gateway_with()
        agent = Agent(gateway)
        async with asyncio.TaskGroup() as tasks:
            exchange = listening(agent, tasks, toolsListChanged=True)
            await exchange.events(1)
            await agent.dispatcher.drain(5)
            response = await exchange.ended()
        return response.events[-1]

    said = asyncio.run(scenario())
    assert said["result"] == {"resultType": "complete", "_meta": {SUBSCRIPTION: "L"}}


@pytest.mark.parametrize(("gone", "is_ended"), [("shop", True), ("bank", False)])
def test_a_target_that_makes_way_for_another_ends_what_listens_to_it(
    gone: str, is_ended: bool
) -> None:
    async def scenario() -> bool:
        gateway, _ = gateway_with()
        agent = Agent(gateway)
        async with asyncio.TaskGroup() as tasks:
            exchange = listening(agent, tasks, toolsListChanged=True)
            await exchange.events(1)
            agent.dispatcher.end_listening([gone])
            for _ in range(20):
                await asyncio.sleep(0)
            found = exchange.is_over
            exchange.hung_up.set()
        return found

    assert asyncio.run(scenario()) is is_ended


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"notifications": []},
        {"notifications": {"resourceSubscriptions": "x"}},
        {"notifications": {"resourceSubscriptions": ["x"] * (MAX_URIS + 1)}},
    ],
)
def test_a_malformed_wish_is_refused(params: dict[str, Any]) -> None:
    gateway, _ = gateway_with()

    response = asyncio.run(Agent(gateway).modern("subscriptions/listen", params))

    assert (response.status, response.json["error"]["code"]) == (400, -32602)


def test_a_listener_that_does_not_read_is_cut_off() -> None:
    async def scenario() -> Listener:
        listener = Listener()
        for number in range(MAX_WAITING + 1):
            await listener.notify(UPDATED, {"uri": str(number)})
            await listener.notify(UPDATED, {"uri": str(number)})
        return listener

    assert asyncio.run(scenario()).is_gone


def test_the_same_news_unread_is_news_once() -> None:
    async def scenario() -> Any:
        listener = Listener(frozenset({"shop"}), frozenset({"tools"}))
        for _ in range(3):
            listener.changed("shop", "tools")
            listener.changed("bank", "tools")
        with pytest.raises(Unanswerable):
            await listener.ask("roots/list", {})
        return await listener.news()

    assert asyncio.run(scenario()) == [("notifications/tools/list_changed", {})]
