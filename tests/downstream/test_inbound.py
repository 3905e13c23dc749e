"""The desk knows who is there: calls on their way, sessions, listeners."""

import asyncio
from typing import Any

from callgate.downstream.dispatch import Dispatcher
from callgate.downstream.inbound import Inbound
from callgate.downstream.sessions import Sessions
from callgate.model import Client, Era, Proof
from callgate.protocol.jsonrpc import Message
from callgate.protocol.mcp import Envelope
from fakes.agent import Agent
from fakes.calls import a_principal
from fakes.gateway import a_gateway
from fakes.target import FakeCaller, FakeConnector

ADA = a_principal("ada")


def a_desk() -> Dispatcher:
    gateway = a_gateway()
    return Dispatcher(lambda: gateway, Sessions(gateway.clock), "0.0.0")


def an_inbound(desk: Dispatcher, era: Era = Era.MODERN, **more: Any) -> Inbound:
    session = None
    if era is Era.LEGACY:
        session = desk.sessions.open(ADA, "2025-11-25", {"name": "old"}, {"roots": {}})
        session.log_level = "error"
    settings: dict[str, Any] = {
        "message": Message(id=1, method="tools/call"),
        "envelope": Envelope(version="2026-07-28", client={"name": "new"}, log_level="info"),
        "era": era,
        "route": None,
        "proof": Proof(),
        "principal": ADA,
        "caller": FakeCaller(),
        "session": session,
        **more,
    }
    return Inbound(**settings)


def test_a_modern_client_is_what_its_request_says_and_shares_with_its_like() -> None:
    desk = a_desk()
    one, same = an_inbound(desk).client, an_inbound(desk).client
    other = an_inbound(desk, principal=a_principal("eve")).client

    assert (one.info, one.log_level) == ({"name": "new"}, "info")
    assert one.key == same.key != other.key


def test_a_legacy_client_is_its_session() -> None:
    desk = a_desk()
    inbound, another = an_inbound(desk, Era.LEGACY), an_inbound(desk, Era.LEGACY)

    client = inbound.client
    assert (client.info, client.capabilities, client.log_level) == (
        {"name": "old"},
        {"roots": {}},
        "error",
    )
    assert client.key != another.client.key


def test_only_sessions_have_an_outside_and_one_each_until_they_end() -> None:
    desk = a_desk()
    inbound = an_inbound(desk, Era.LEGACY)
    outside = desk.outside(inbound)

    assert desk.outside(an_inbound(desk)) is None
    assert desk.outside(inbound) is outside
    assert inbound.session is not None
    desk.forget(inbound.session)
    assert desk.outside(inbound) is not outside


def test_a_call_is_on_its_way_until_it_ends_however_it_does() -> None:
    async def scenario() -> tuple[int, int, bool]:
        desk = a_desk()
        inbound = an_inbound(desk, Era.LEGACY)
        assert inbound.session is not None
        try:
            with desk.on_its_way(inbound):
                during = len(desk.active)
                raise RuntimeError
        except RuntimeError:
            return during, len(desk.active), bool(inbound.session.in_flight)

    assert asyncio.run(scenario()) == (1, 0, False)


def test_a_session_is_told_what_changed_on_its_route() -> None:
    async def scenario() -> list[Any]:
        agent = Agent(a_gateway())
        everywhere = await agent.initialize()
        async with asyncio.TaskGroup() as tasks:
            stream = agent.get(tasks, everywhere)
            await stream.begun()
            await agent.dispatcher.announce("shop", "prompts")
            events = await stream.events(1)
            stream.hung_up.set()
        return events

    (event,) = asyncio.run(scenario())
    assert event["method"] == "notifications/prompts/list_changed"


def test_targets_are_told_that_a_clients_roots_changed() -> None:
    async def scenario() -> list[str]:
        connector = FakeConnector()
        agent = Agent(a_gateway(connector=connector))
        session = await agent.initialize()
        await agent.legacy(
            "notifications/roots/list_changed", message_id=None, mcp_session_id=session
        )
        await asyncio.sleep(0)
        return connector.rerooted

    (key,) = asyncio.run(scenario())
    assert key.startswith("s:")


def test_what_is_kept_for_a_modern_client_ends_when_it_is_idle() -> None:
    desk = a_desk()
    plain, able = Client(key="plain"), Client(key="able", capabilities={"roots": {}})
    for client in (plain, able):
        desk.note_used(client, 100.0)

    assert desk.idle_keys(100.0) == []
    assert desk.idle_keys(101.0) == ["able"]
    assert desk.idle_keys(101.0) == []
