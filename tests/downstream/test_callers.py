"""During a call the agent hears what it may, is asked where it can be, and may come back."""

import asyncio
import gc
import weakref
from collections.abc import Awaitable, Callable
from itertools import permutations
from typing import Any

import msgspec
import pytest

from callgate.downstream import asking, responding, sessions
from callgate.downstream.callers import HttpCaller
from callgate.downstream.inbound import Answer
from callgate.downstream.responding import Outlet
from callgate.downstream.sessions import Session, Sessions
from callgate.model import Reply
from callgate.ports import Unanswerable
from callgate.protocol.jsonrpc import read_message
from fakes.agent import Exchange
from fakes.calls import a_principal
from fakes.clock import FakeClock

ANSWER = Answer(200, b'{"jsonrpc":"2.0","id":1,"result":{}}')
PROGRESS = "notifications/progress"


def a_session(version: str = "2025-11-25") -> Session:
    return Sessions(FakeClock()).open(a_principal(), version, {}, {"elicitation": {}})


def run(scenario: Callable[[], Awaitable[Any]]) -> Any:
    async def bounded() -> Any:
        async with asyncio.timeout(30):
            return await scenario()

    return asyncio.run(bounded())


async def asked(session: Session) -> None:
    """Lets the loop turn until the client is being asked."""
    for _ in range(100):
        if len(session.asks):
            return
        await asyncio.sleep(0)
    raise AssertionError("nobody is asked")


def response_to(request: Any, **result: Any) -> Any:
    return read_message({"jsonrpc": "2.0", "id": request["id"], "result": result})


class TestOnePost:
    def test_a_quick_answer_is_plain_json(self) -> None:
        async def scenario() -> Any:
            exchange = Exchange(b"")
            await HttpCaller(exchange.send, a_session(), may_stream=True).finish(ANSWER)
            return exchange.response

        response = run(scenario)

        assert (response.headers["content-type"], response.body) == (
            "application/json",
            ANSWER.body,
        )

    @pytest.mark.parametrize("version", ["2025-03-26", "2025-06-18", "2025-11-25"])
    def test_only_clients_that_know_them_get_events_without_data(self, version: str) -> None:
        async def scenario() -> Any:
            exchange = Exchange(b"")
            caller = HttpCaller(exchange.send, a_session(version), may_stream=True)
            caller.begin()
            await caller.finish(ANSWER)
            return [(event.id, bool(event.data)) for event in exchange.response.told]

        primed = [("1-0", False)] if version == "2025-11-25" else []
        assert run(scenario) == [*primed, ("1-1", True)]

    def test_a_modern_stream_has_no_ids_and_asks_nothing(self) -> None:
        async def scenario() -> Any:
            exchange = Exchange(b"")
            caller = HttpCaller(exchange.send, None, may_stream=True)
            await caller.notify(PROGRESS, {"progress": 1})
            with pytest.raises(Unanswerable, match="takes no requests"):
                await caller.ask("roots/list", {})
            await caller.finish(ANSWER)
            return exchange.response

        response = run(scenario)

        assert b"id: " not in response.body
        assert [one.get("method") for one in response.events] == [PROGRESS, None]

    def test_an_agent_that_takes_no_stream_is_told_nothing_meanwhile(self) -> None:
        async def scenario() -> Any:
            exchange = Exchange(b"")
            caller = HttpCaller(exchange.send, a_session(), may_stream=False)
            caller.begin()
            await caller.notify(PROGRESS, {"progress": 1})
            await caller.finish(ANSWER)
            return exchange.response.body

        assert run(scenario) == ANSWER.body

    def test_the_client_is_asked_on_the_stream_of_its_call(self) -> None:
        async def scenario() -> Any:
            exchange, session = Exchange(b""), a_session()
            caller = HttpCaller(exchange.send, session, may_stream=True)
            async with asyncio.TaskGroup() as tasks:
                ask = tasks.create_task(caller.ask("elicitation/create", {"message": "?"}))
                (request,) = await exchange.events(1)
                session.asks.answer(response_to(request, action="accept"))
            await caller.finish(ANSWER)
            return request, ask.result()

        request, reply = run(scenario)

        assert request["method"] == "elicitation/create"
        assert reply == Reply(body=b'{"action":"accept"}')

    def test_two_asks_at_once_get_their_own_answers(self) -> None:
        async def scenario() -> Any:
            exchange, session = Exchange(b""), a_session()
            caller = HttpCaller(exchange.send, session, may_stream=True)
            async with asyncio.TaskGroup() as tasks:
                asks = [tasks.create_task(caller.ask("roots/list", {"n": n})) for n in range(2)]
                for request in reversed(await exchange.events(2)):
                    session.asks.answer(response_to(request, n=request["params"]["n"]))
            return [msgspec.json.decode(ask.result().body)["n"] for ask in asks]

        assert run(scenario) == [0, 1]

    def test_an_agent_that_hung_up_before_the_stream_began_cannot_be_asked(self) -> None:
        async def scenario() -> bool:
            caller = HttpCaller(Exchange(b"").send, a_session(), may_stream=True)
            caller.hang_up()
            await caller.notify(PROGRESS, {})
            with pytest.raises(Unanswerable, match="hung up"):
                await caller.ask("roots/list", {})
            return caller.is_gone

        assert run(scenario) is True

    def test_a_modern_agent_that_hangs_up_cancels_its_call(self) -> None:
        async def call() -> None:
            caller = HttpCaller(Exchange(b"").send, None, may_stream=True)
            caller.begin()
            caller.hang_up()
            await asyncio.Event().wait()

        with pytest.raises(asyncio.CancelledError):
            run(call)

    def test_a_modern_agent_that_does_not_read_its_answer_is_left_at_that(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(responding, "SLOW_SECONDS", 0.01)

        async def scenario() -> bool:
            exchange = Exchange(b"")
            caller = HttpCaller(exchange.send, None, may_stream=True)
            await caller.notify(PROGRESS, {})
            exchange.may_send.clear()
            await caller.finish(ANSWER)
            return caller.has_hung_up

        assert run(scenario) is True

    def test_an_ask_where_no_stream_can_be_had_goes_to_the_sessions_own(self) -> None:
        async def scenario() -> Any:
            standing, session = Exchange(b""), a_session()
            Outlet(standing.send, session.streams.standing.attach(0), has_ids=True)
            caller = HttpCaller(Exchange(b"").send, session, may_stream=False)
            async with asyncio.TaskGroup() as tasks:
                ask = tasks.create_task(caller.ask("roots/list", {}))
                (request,) = await standing.events(1)
                session.asks.answer(response_to(request))
            session.streams.close()
            return ask.result()

        assert run(scenario) == Reply(body=b"{}")

    @pytest.mark.parametrize("is_modern", [True, False])
    def test_what_a_stream_used_is_free_at_once_when_it_ends(self, is_modern: bool) -> None:
        async def scenario() -> Any:
            exchange, session = Exchange(b""), None if is_modern else a_session()
            caller = HttpCaller(exchange.send, session, may_stream=True)
            await caller.notify(PROGRESS, {})
            await caller.finish(ANSWER)
            return weakref.ref(caller)

        gc.disable()
        try:
            assert run(scenario)() is None
        finally:
            gc.enable()


EVENTS = ("progress", "ask", "answer", "disconnect", "resume", "result")


def _orders() -> list[tuple[str, ...]]:
    """Every order in which these can happen: what is answered was asked, what ended has ended."""
    return [
        order
        for order in permutations(EVENTS)
        if order.index("ask") < order.index("answer") < order.index("result")
        and order.index("progress") < order.index("result")
        and order.index("disconnect") < order.index("resume")
    ]


@pytest.mark.parametrize("order", _orders(), ids="-".join)
def test_whatever_comes_when_the_agent_gets_everything_once(order: tuple[str, ...]) -> None:
    async def scenario() -> tuple[list[Any], Reply]:
        first, session = Exchange(b""), a_session()
        caller = HttpCaller(first.send, session, may_stream=True)
        caller.begin()
        stream = session.streams.find("1-0")
        assert stream is not None
        await first.begun()
        connections = [first]
        asks: list[asyncio.Task[Reply]] = []
        loop = asyncio.get_running_loop()

        async def resume() -> None:
            told = [event.id for one in connections for event in one.response.told]
            found = session.streams.find(str(told[-1]))
            assert found is not None
            again = Exchange(b"")
            connections.append(again)

            Outlet(again.send, found[0].attach(found[1]), has_ids=True, is_primed=True)

        for event in order:
            if event == "progress":
                await caller.notify(PROGRESS, {"progress": 1})
            elif event == "ask":
                asks.append(loop.create_task(caller.ask("roots/list", {})))
                await asked(session)
            elif event == "answer":
                session.asks.answer(response_to({"id": "cg-1"}, n=1))
            elif event == "disconnect":
                first.hung_up.set()
                caller.hang_up()
            elif event == "resume":
                await resume()
            else:
                await caller.finish(ANSWER)
            await asyncio.sleep(0)
        await connections[-1].ended()
        got = [event.message for one in connections for event in one.response.told if event.data]
        return got, await asks[0]

    got, reply = run(scenario)

    assert reply == Reply(body=b'{"n":1}')
    names = [one.get("method", "result") for one in got]
    assert sorted(names) == [PROGRESS, "result", "roots/list"]
    assert names[-1] == "result"


class TestOutsideCalls:
    def test_what_is_said_while_nobody_reads_is_kept_and_said_once(self) -> None:
        async def scenario() -> Any:
            session = a_session()
            for _ in range(3):
                await session.beyond.notify("notifications/tools/list_changed", {})
            await session.beyond.notify("notifications/message", {"data": 1})
            stream = session.streams.standing
            stream.attach(0).took(2)
            await session.beyond.notify("notifications/tools/list_changed", {})
            return stream.last

        assert run(scenario) == 3

    def test_a_client_without_a_stream_has_a_moment_to_open_it(self) -> None:
        async def scenario() -> Reply:
            session = a_session()
            async with asyncio.TaskGroup() as tasks:
                ask = tasks.create_task(session.beyond.ask("roots/list", {}))
                await asyncio.sleep(0)
                session.streams.standing.attach(0).took(1)
                await asked(session)
                session.asks.answer(response_to({"id": "cg-1"}))
            return ask.result()

        assert run(scenario) == Reply(body=b"{}")

    def test_a_client_that_opens_none_cannot_be_asked(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sessions, "READER_SECONDS", 0.001)

        async def scenario() -> None:
            with pytest.raises(Unanswerable, match="keeps no stream open"):
                await a_session().beyond.ask("roots/list", {})

        run(scenario)

    def test_an_ask_that_takes_too_long_is_taken_back_on_the_stream(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(asking, "ASK_SECONDS", 0.001)

        async def scenario() -> Any:
            exchange, session = Exchange(b""), a_session()
            caller = HttpCaller(exchange.send, session, may_stream=True)
            with pytest.raises(Unanswerable):
                await caller.ask("roots/list", {})
            await caller.finish(ANSWER)
            return [one.get("method") for one in exchange.response.events]

        assert run(scenario) == ["roots/list", "notifications/cancelled", None]
