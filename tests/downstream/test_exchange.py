"""Calls that outlast a moment, over HTTP: streams, asks, lost connections, strangers, batches."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

from callgate.downstream import responding
from callgate.downstream.dispatch import Dispatcher
from callgate.model import Principal, Refused, Reply
from callgate.ports import Caller, TargetRequest, Unanswerable
from callgate.protocol.jsonrpc import Malformed
from fakes.agent import META, Agent, Exchange
from fakes.calls import a_principal
from fakes.gateway import a_gateway
from fakes.store import FakeCallStore
from fakes.target import FakeAuthenticator, FakeConnector

CALL = {"name": "shop___refund", "arguments": {"customer": "c", "amount": 5}}
TOLD = {**CALL, "_meta": {"progressToken": "p"}}
PROGRESS = "notifications/progress"
RESULT = {"content": [{"type": "text", "text": "done"}]}


@dataclass
class Target:
    """A target that does one thing after the other, as a test lets it."""

    steps: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    answers: list[Any] = field(default_factory=list)
    started: asyncio.Event = field(default_factory=asyncio.Event)
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, request: TargetRequest, caller: Caller) -> Reply:
        self.started.set()
        try:
            while (step := await self.steps.get()) != "result":
                if step == "progress":
                    await caller.notify(PROGRESS, {"progressToken": "p", "progress": 1})
                else:
                    await self._ask(caller)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return Reply(body=msgspec.json.encode(RESULT))

    async def _ask(self, caller: Caller) -> None:
        try:
            reply = await caller.ask("elicitation/create", {"message": "?"})
        except (Unanswerable, Refused):
            self.answers.append("none")
        else:
            self.answers.append(msgspec.json.decode(reply.body))

    def does(self, *steps: str) -> None:
        for step in steps:
            self.steps.put_nowait(step)


@dataclass
class World:
    """One agent, its gateway, the target behind it, and the calls on their way."""

    agent: Agent
    target: Target
    tasks: asyncio.TaskGroup
    session: str = ""

    async def call(self, params: Any = TOLD, **headers: str) -> Exchange:
        exchange = self.agent.call(self.tasks, self.session, params, **headers)
        await self.target.started.wait()
        return exchange

    def get(self, last_event_id: str = "", session: str = "", **headers: str) -> Exchange:
        return self.agent.get(
            self.tasks, session or self.session, last_event_id=last_event_id, **headers
        )

    async def note(self, method: str, **params: Any) -> None:
        await self.agent.legacy(method, params, message_id=None, mcp_session_id=self.session)

    async def delete(self, session: str, **headers: str) -> int:
        full = {"host": "localhost", "mcp-session-id": session, **headers}
        return (await self.agent.send("DELETE", "/mcp", full, b"")).status


def live(
    scenario: Callable[[World], Awaitable[Any]],
    *,
    version: str = "2025-11-25",
    principals: dict[str, Principal] | None = None,
) -> Any:
    async def run() -> Any:
        target = Target()
        more: dict[str, Any] = {}
        if principals is not None:
            more["authenticator"] = FakeAuthenticator(principals, a_principal("ada", "agents"))
        gateway = a_gateway(connector=FakeConnector(answer=target), **more)
        agent = Agent(gateway)
        async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
            world = World(agent, target, tasks)
            world.session = await agent.initialize(version, {"elicitation": {}})
            found = await scenario(world)
            agent.dispatcher.sessions.close_all()
        return found

    return asyncio.run(run())


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls count as long from their beginning."""
    monkeypatch.setattr(responding, "WATCH_AFTER_SECONDS", 0)
    monkeypatch.setattr(responding, "STREAM_AFTER_SECONDS", 0)


def methods(exchange: Exchange) -> list[Any]:
    return [one.get("method", "response") for one in exchange.response.events]


def test_a_client_is_asked_during_its_call_and_its_answer_reaches_the_target() -> None:
    async def scenario(world: World) -> Any:
        exchange = await world.call()
        world.target.does("progress", "ask")
        _, request = await exchange.events(2)
        taken = await world.agent.reply(world.session, request["id"], result={"action": "decline"})
        world.target.does("result")
        await exchange.ended()
        return taken.status, taken.body, methods(exchange), world.target.answers

    assert live(scenario) == (
        202,
        b"",
        [PROGRESS, "elicitation/create", "response"],
        [{"action": "decline"}],
    )


def test_a_client_that_takes_no_stream_for_its_call_is_asked_on_its_sessions_own() -> None:
    async def scenario(world: World) -> Any:
        standing = world.get()
        await standing.begun()
        exchange = await world.call(accept="application/json")
        world.target.does("progress", "ask")
        (request,) = await standing.events(1)
        await world.agent.reply(world.session, request["id"], result={"action": "accept"})
        world.target.does("result")
        response = await exchange.ended()
        return response.json["result"], world.target.answers

    assert live(scenario) == (RESULT, [{"action": "accept"}])


@pytest.mark.usefixtures("at_once")
def test_a_long_call_is_answered_with_a_stream_even_if_there_is_nothing_to_say() -> None:
    async def scenario(world: World) -> Any:
        exchange = await world.call(CALL)
        begun = (await exchange.begun()).body
        world.target.does("result")
        return begun, (await exchange.ended()).events[-1]["result"]

    assert live(scenario) == (b"id: 1-0\nretry: 1000\ndata: \n\n", RESULT)


@pytest.mark.usefixtures("at_once")
def test_a_long_modern_call_is_kept_alive_too_and_ends_with_its_stream() -> None:
    async def scenario(world: World) -> Any:
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call"}
        body = msgspec.json.encode({**message, "params": {**CALL, "_meta": META}})
        exchange = Exchange(body)
        headers = world.agent.headers(
            mcp_protocol_version="2026-07-28", mcp_method="tools/call", mcp_name="shop___refund"
        )
        world.tasks.create_task(world.agent.run(exchange, "POST", "/mcp", headers))
        begun = (await exchange.begun()).body
        exchange.hung_up.set()
        await world.target.cancelled.wait()
        return begun

    assert live(scenario) == b": stream\n\n"


@pytest.mark.usefixtures("at_once")
def test_a_call_goes_on_without_its_agent_who_gets_the_rest_later() -> None:
    async def scenario(world: World) -> Any:
        exchange = await world.call()
        world.target.does("progress")
        await exchange.events(1)
        last = exchange.response.told[-1].id
        exchange.hung_up.set()
        world.target.does("progress")
        again = world.get(last_event_id=last or "")
        await again.events(1)
        world.target.does("ask")
        request = (await again.events(2))[-1]
        await world.agent.reply(world.session, request["id"], result={"action": "cancel"})
        world.target.does("result")
        await again.ended()
        return methods(exchange), methods(again), world.target.answers

    assert live(scenario) == (
        [PROGRESS],
        [PROGRESS, "elicitation/create", "response"],
        [{"action": "cancel"}],
    )


def test_the_rest_of_a_stream_that_has_ended_can_still_be_had() -> None:
    async def scenario(world: World) -> Any:
        exchange = await world.call()
        world.target.does("progress", "result")
        await exchange.ended()
        found = []
        for number in range(3):
            again = world.get(last_event_id=f"1-{number}")
            if number < 2:
                await again.ended()
            else:
                await again.until(lambda response: response.status != 0)
            found.append((again.response.status, [e for e in methods(again)] if number < 2 else 0))
        return found

    assert live(scenario) == [(200, [PROGRESS, "response"]), (200, ["response"]), (405, 0)]


def test_a_stream_carries_no_other_streams_messages() -> None:
    async def scenario(world: World) -> Any:
        first = await world.call()
        world.target.does("progress")
        await first.events(1)
        second = world.agent.call(world.tasks, world.session, CALL, message_id=2)
        world.target.does("result", "result")
        await first.ended()
        await second.ended()
        standing = world.get()
        await standing.begun()
        again = world.get(last_event_id="1-0")
        await again.ended()
        return standing.response.events, [one.get("id") for one in again.response.events]

    assert live(scenario) == ([], [None, 1])


class TestTheSessionsOwnStream:
    NEWS = "notifications/tools/list_changed"

    async def _tell(self, world: World, number: int) -> None:
        session = world.agent.dispatcher.sessions.find(world.session, a_principal("ada", "agents"))
        assert session is not None
        await session.beyond.notify(self.NEWS, {"n": number})

    def test_what_was_said_before_it_opened_is_delivered_and_then_what_is_new(self) -> None:
        async def scenario(world: World) -> Any:
            await self._tell(world, 1)
            standing = world.get()
            await standing.events(1)
            await self._tell(world, 2)
            return [one["params"]["n"] for one in await standing.events(2)]

        assert live(scenario) == [1, 2]

    def test_a_second_one_replaces_the_first_and_repeats_nothing(self) -> None:
        async def scenario(world: World) -> Any:
            first = world.get()
            await self._tell(world, 1)
            await first.events(1)
            second = world.get()
            await first.ended()
            await self._tell(world, 2)
            return [one["params"]["n"] for one in await second.events(1)]

        assert live(scenario) == [2]

    def test_one_that_was_cut_is_resumed_where_it_broke_off(self) -> None:
        async def scenario(world: World) -> Any:
            first = world.get()
            for number in range(1, 4):
                await self._tell(world, number)
            await first.events(3)
            first.hung_up.set()
            second = world.get(last_event_id=first.response.told[1].id or "")
            return [one["params"]["n"] for one in await second.events(2)]

        assert live(scenario) == [2, 3]

    def test_it_ends_with_its_session(self) -> None:
        async def scenario(world: World) -> Any:
            standing = world.get()
            await standing.begun()
            status = await world.delete(world.session)
            await standing.ended()
            return status

        assert live(scenario) == 204


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"accept": "text/html"}, 406),
        ({"accept": ""}, 406),
        ({"mcp-session-id": ""}, 400),
        ({"mcp-session-id": "guess"}, 404),
        ({"last_event_id": "7-1"}, 400),
        ({"last_event_id": "garbage"}, 400),
        ({"last_event_id": "0-9"}, 400),
        ({"mcp_protocol_version": "2026-07-28"}, 405),
        ({"authorization": "Bearer unknown"}, 401),
        ({"authorization": "Bearer eve"}, 404),
    ],
)
def test_a_get_that_cannot_be_served_is_told_why(headers: dict[str, str], status: int) -> None:
    async def scenario(world: World) -> int:
        exchange = world.get(**headers)
        return (await exchange.until(lambda response: response.status != 0)).status

    assert live(scenario, principals={"eve": a_principal("eve")}) == status


def test_a_stranger_can_do_nothing_in_somebodys_session() -> None:
    async def scenario(world: World) -> Any:
        eve = {"authorization": "Bearer eve"}
        exchange = await world.call()
        world.target.does("progress", "ask")
        _, request = await exchange.events(2)
        message = {"jsonrpc": "2.0", "id": request["id"], "result": {"action": "accept"}}
        cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled"}
        stranger = [
            await world.agent.post(message, mcp_session_id=world.session, **eve),
            await world.agent.post(
                {**cancel, "params": {"requestId": 1}}, mcp_session_id=world.session, **eve
            ),
            await world.agent.legacy(
                "ping", mcp_session_id=world.session, authorization="Bearer eve"
            ),
        ]
        resumed = world.get(last_event_id="1-0", **eve)
        await resumed.until(lambda response: response.status != 0)
        deleted = await world.delete(world.session, **eve)
        assert world.target.answers == []
        await world.agent.reply(world.session, request["id"], result={"action": "decline"})
        world.target.does("result")
        await exchange.ended()
        statuses = [one.status for one in stranger]
        return [*statuses, resumed.response.status, deleted], world.target.answers

    statuses, answers = live(scenario, principals={"eve": a_principal("eve")})

    assert (statuses, answers) == ([404] * 5, [{"action": "decline"}])


def test_the_same_persons_other_session_cannot_answer_either() -> None:
    async def scenario(world: World) -> Any:
        other = await world.agent.initialize(capabilities={"elicitation": {}})
        exchange = await world.call()
        world.target.does("progress", "ask")
        _, request = await exchange.events(2)
        stray = await world.agent.reply(other, request["id"], result={"action": "accept"})
        await world.agent.reply(world.session, request["id"], result={"action": "decline"})
        world.target.does("result")
        await exchange.ended()
        return stray.status, world.target.answers

    assert live(scenario) == (202, [{"action": "decline"}])


def test_a_client_that_answers_twice_late_or_garbage_is_taken_note_of_and_no_more() -> None:
    async def scenario(world: World) -> Any:
        exchange = await world.call()
        world.target.does("progress", "ask", "ask", "result")
        _, first = await exchange.events(2)
        statuses = []
        for result in ({"result": {"n": 1}}, {"result": {"n": 2}}, {"result": 5}):
            statuses.append((await world.agent.reply(world.session, first["id"], **result)).status)
        second = (await exchange.events(3))[-1]
        statuses.append((await world.agent.reply(world.session, second["id"], result=5)).status)
        await exchange.ended()
        statuses.append((await world.agent.reply(world.session, second["id"])).status)
        return statuses, world.target.answers

    statuses, answers = live(scenario)

    assert statuses == [202] * 5
    assert answers == [{"n": 1}, "none"]


STATES = ("running", "streaming", "asking", "lost", "resumed")
EVENTS = ("cancel", "disconnect", "resume", "answer", "delete", "result")


async def _reach(world: World, state: str) -> list[Exchange]:
    """Brings a call into a state; the connections that it has had, the present one last."""
    connections = [await world.call()]
    if state == "running":
        return connections
    world.target.does("progress")
    await connections[0].events(1)
    if state == "asking":
        world.target.does("ask")
        await connections[0].events(2)
    if state in ("lost", "resumed"):
        await _disconnect(connections)
    if state == "resumed":
        await _resume(world, connections)
    return connections


async def _disconnect(connections: list[Exchange]) -> None:
    connections[-1].hung_up.set()
    await asyncio.sleep(0)


async def _resume(world: World, connections: list[Exchange]) -> None:
    told = [event.id for one in connections for event in one.response.told]
    connections.append(world.get(last_event_id=(told or ["1-0"])[-1] or ""))
    await connections[-1].until(lambda response: response.status != 0)


async def _happen(world: World, event: str, connections: list[Exchange]) -> None:
    if event == "cancel":
        await world.note("notifications/cancelled", requestId=1)
    elif event == "disconnect":
        await _disconnect(connections)
    elif event == "resume":
        await _resume(world, connections)
    elif event == "answer":
        await world.agent.reply(world.session, "cg-1", result={"action": "accept"})
    elif event == "delete":
        await world.delete(world.session)
    else:
        world.target.does("result")
    await asyncio.sleep(0)


def expected(state: str, event: str) -> tuple[bool, list[Any]]:
    """Whether the agent gets a response in the end, and what the target was answered."""
    was_asked = state == "asking"
    if event in ("cancel", "delete"):
        return False, []
    return True, [{"action": "accept"}] if was_asked else []


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("state", STATES)
def test_every_event_in_every_state_of_a_call_leaves_it_in_order(state: str, event: str) -> None:
    async def scenario(world: World) -> Any:
        connections = await _reach(world, state)
        await connections[0].begun()
        await _happen(world, event, connections)
        if event in ("cancel", "delete"):
            await world.target.cancelled.wait()
        if state == "asking" and event != "answer":
            await world.agent.reply(world.session, "cg-1", result={"action": "accept"})
        world.target.does("result")
        if connections[-1].hung_up.is_set() and event != "delete":
            await _resume(world, connections)
        if connections[-1].response.status == 200 and not connections[-1].hung_up.is_set():
            await connections[-1].ended()
        got = [one for each in connections for one in each.response.events if "id" in one]
        responses = [one for one in got if "result" in one]
        return len(responses), world.target.answers

    is_answered, answers = expected(state, event)

    assert live(scenario) == (int(is_answered), answers)


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(
    ("problem", "code"),
    [
        (Malformed(-32602, "That cannot be.", message_id=1), -32602),
        (Refused("identity_unavailable", "Ask again."), None),
    ],
)
def test_what_turns_out_wrong_after_the_stream_began_is_said_on_it(
    problem: Exception, code: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_fail = asyncio.Event()

    async def fails(*_: Any) -> Any:
        await may_fail.wait()
        raise problem

    async def scenario(world: World) -> Any:
        monkeypatch.setattr(Dispatcher, "answer", fails)
        exchange = world.agent.call(world.tasks, world.session, CALL)
        await exchange.begun()
        may_fail.set()
        return (await exchange.ended()).events

    (answer,) = live(scenario)

    assert answer["id"] == 1
    assert answer["error"]["code"] == code or code is None


def test_a_quick_call_costs_no_task() -> None:
    async def scenario(world: World) -> int:
        made = 0

        def count(loop: Any, work: Any, **more: Any) -> Any:
            nonlocal made
            made += 1
            return asyncio.Task(work, loop=loop, **more)

        world.target.does("result")
        asyncio.get_running_loop().set_task_factory(count)
        await world.agent.legacy("tools/call", CALL, mcp_session_id=world.session)
        asyncio.get_running_loop().set_task_factory(None)
        return made

    assert live(scenario) == 0


class TestBatches:
    def test_a_session_of_the_revision_with_batches_gets_an_array(self) -> None:
        async def scenario(world: World) -> Any:
            world.target.does("ask", "result")
            standing = world.get()
            await standing.begun()
            batch = [
                {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": CALL},
                {"jsonrpc": "2.0", "method": "notifications/initialized"},
                {"jsonrpc": "2.0", "id": "p", "method": "ping"},
            ]
            exchange = Exchange(msgspec.json.encode(batch))
            headers = world.agent.headers(mcp_session_id=world.session)
            world.tasks.create_task(world.agent.run(exchange, "POST", "/mcp", headers))
            (request,) = await standing.events(1)
            answer = {"jsonrpc": "2.0", "id": request["id"], "result": {"action": "accept"}}
            taken = await world.agent.post([answer], mcp_session_id=world.session)
            return taken.status, (await exchange.ended()).json, world.target.answers

        status, answers, told = live(scenario, version="2025-03-26")

        assert status == 202
        assert [(one["id"], one["result"]) for one in answers] == [(1, RESULT), ("p", {})]
        assert told == [{"action": "accept"}]

    def test_a_message_of_a_batch_that_cannot_be_taken_is_recorded(self) -> None:
        async def scenario(world: World) -> Any:
            batch = [5, {"jsonrpc": "2.0", "id": 1, "method": "ping"}]
            answered = await world.agent.post(batch, mcp_session_id=world.session)
            store = world.agent.gateway.store
            assert isinstance(store, FakeCallStore)
            return answered.status, len(answered.json), [entry.code for entry in store.entries]

        assert live(scenario, version="2025-03-26") == (200, 2, ["malformed"])

    @pytest.mark.parametrize("version", ["2025-06-18", "2025-11-25"])
    def test_no_other_session_does(self, version: str) -> None:
        async def scenario(world: World) -> Any:
            ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
            return (await world.agent.post([ping], mcp_session_id=world.session)).status

        assert live(scenario, version=version) == 400

    def test_somebody_elses_session_takes_no_batch(self) -> None:
        async def scenario(world: World) -> Any:
            ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
            return (
                await world.agent.post(
                    [ping], mcp_session_id=world.session, authorization="Bearer eve"
                )
            ).status

        eve = {"eve": a_principal("eve")}
        assert live(scenario, version="2025-03-26", principals=eve) == 400
