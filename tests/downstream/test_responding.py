"""A stream reaches its reader whole, stays alive, and waits for nobody for ever."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callgate.deadlines import Deadlines
from callgate.downstream import responding
from callgate.downstream.inbound import Answer
from callgate.downstream.responding import Outlet, Watch, respond
from callgate.downstream.streams import MOST_UNTAKEN, Stream
from fakes.agent import Exchange


def run(scenario: Callable[[], Awaitable[Any]]) -> Any:
    async def bounded() -> Any:
        async with asyncio.timeout(30):
            return await scenario()

    return asyncio.run(bounded())


def test_a_stream_begins_at_once_and_says_where_to_resume() -> None:
    async def scenario() -> bytes:
        exchange, stream = Exchange(b""), Stream("7")
        outlet = Outlet(exchange.send, stream.attach(0), has_ids=True, is_primed=True)
        await exchange.begun()
        stream.put(b'{"a":1}')
        stream.end()
        await outlet.done()
        return exchange.response.body

    assert run(scenario) == (
        b"id: 7-0\nretry: 1000\ndata: \n\n" + b'id: 7-1\nevent: message\ndata: {"a":1}\n\n'
    )


def test_without_ids_there_is_only_a_comment_to_begin_with() -> None:
    async def scenario() -> Any:
        exchange, stream = Exchange(b""), Stream(keeps=False)
        outlet = Outlet(exchange.send, stream.attach(0), has_ids=False)
        stream.put(b'{"a":\n1}')
        stream.end()
        await outlet.done()
        return exchange.response

    response = run(scenario)

    assert response.body == b': stream\n\nevent: message\ndata: {"a": 1}\n\n'
    assert response.headers["content-type"] == "text/event-stream"
    assert response.headers["x-accel-buffering"] == "no"


def test_a_silent_stream_is_kept_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(responding, "KEEP_ALIVE_SECONDS", 0.001)

    async def scenario() -> bytes:
        exchange, stream = Exchange(b""), Stream("1")
        outlet = Outlet(exchange.send, stream.attach(0), has_ids=True)
        await exchange.until(lambda response: response.body.count(b": keep-alive\n\n") >= 3)
        stream.put(b"1")
        stream.end()
        await outlet.done()
        return exchange.response.body

    assert run(scenario).endswith(b": keep-alive\n\nid: 1-1\nevent: message\ndata: 1\n\n")


def test_a_reader_that_takes_nothing_counts_as_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(responding, "SLOW_SECONDS", 0.01)

    async def scenario() -> Any:
        exchange, stream, slow = Exchange(b""), Stream("1"), []
        reading = stream.attach(0)
        outlet = Outlet(exchange.send, reading, has_ids=True, on_slow=lambda: slow.append(1))
        await exchange.begun()
        exchange.may_send.clear()
        await stream.say(b"1")  # waits, and then does not any more
        await outlet.done()
        return slow, reading.is_closed, stream.reading

    assert run(scenario) == ([1], True, None)


def test_whoever_speaks_waits_for_a_slow_reader() -> None:
    async def scenario() -> tuple[bool, list[Any]]:
        exchange, stream = Exchange(b""), Stream("1")
        Outlet(exchange.send, stream.attach(0), has_ids=True)
        await exchange.begun()
        exchange.may_send.clear()
        for _ in range(MOST_UNTAKEN):
            await stream.say(b"1")
        saying = asyncio.get_running_loop().create_task(stream.say(b"1"))
        for _ in range(10):
            await asyncio.sleep(0)
        is_early = saying.done()
        exchange.may_send.set()
        await saying
        stream.end()
        return is_early, (await exchange.ended()).events

    assert run(scenario) == (False, [1] * (MOST_UNTAKEN + 1))


def test_a_connection_that_breaks_ends_only_itself() -> None:
    async def scenario() -> Any:
        async def broken(_: Any) -> None:
            raise ConnectionResetError

        stream = Stream("1")
        outlet = Outlet(broken, stream.attach(0), has_ids=True)
        await outlet.done()
        await stream.say(b"kept")
        return stream.reading, stream.next_after(0)

    assert run(scenario) == (None, (1, b"kept"))


def test_a_reader_that_is_replaced_gets_an_end() -> None:
    async def scenario() -> Any:
        old, new, stream = Exchange(b""), Exchange(b""), Stream("1")
        Outlet(old.send, stream.attach(0), has_ids=True)
        await old.begun()
        Outlet(new.send, stream.attach(0), has_ids=True)
        await old.ended()
        await stream.say(b"1")
        stream.end()
        await new.ended()
        return old.response.events, new.response.events

    assert run(scenario) == ([], [1])


class Client:
    """Reads a stream over connections that are cut, as SSE clients do: by the last event's id."""

    def __init__(self, stream: Stream, *, is_primed: bool) -> None:
        self.arrived: list[int] = []
        self._stream = stream
        self._is_primed = is_primed
        self._last_number = 0
        self._connection: tuple[Exchange, Outlet] | None = None

    def connect(self) -> None:
        if self._connection is None:
            exchange = Exchange(b"")
            reading = self._stream.attach(self._last_number)
            outlet = Outlet(exchange.send, reading, has_ids=True, is_primed=self._is_primed)
            self._connection = exchange, outlet

    def cut(self, lost: int) -> None:
        """The connection breaks; the last events that were written never arrived."""
        if self._connection is None:
            return
        exchange, outlet = self._connection
        told = exchange.response.told
        for event in told[: max(0, len(told) - lost)]:
            assert event.id is not None
            self._last_number = int(event.id.removeprefix("3-"))
            if event.data:
                self.arrived.append(event.message)
        outlet.close()
        self._connection = None

    async def read_to_the_end(self) -> None:
        self.connect()
        assert self._connection is not None
        await self._connection[0].ended()
        self.cut(0)


STEPS = st.lists(st.sampled_from(["say", "tick", "resume", 0, 1, 2, 3]), max_size=40)


@settings(max_examples=200, deadline=None)
@given(steps=STEPS, is_primed=st.booleans())
def test_a_stream_that_is_cut_anywhere_and_resumed_is_whole(
    steps: list[Any], is_primed: bool
) -> None:
    async def scenario() -> None:
        stream = Stream("3")
        client = Client(stream, is_primed=is_primed)
        client.connect()
        for step in steps:
            if step == "say":
                stream.put(b"%d" % (stream.last + 1))
            elif step == "tick":
                await asyncio.sleep(0)
            elif step == "resume":
                client.connect()
            else:
                client.cut(lost=step)
        stream.end()
        await client.read_to_the_end()
        assert client.arrived == list(range(1, stream.last + 1))

    run(scenario)


def test_a_whole_answer_has_its_length() -> None:
    async def scenario() -> Any:
        exchange = Exchange(b"")
        await respond(exchange.send, Answer(200, b"{}", (("mcp-session-id", "s"),)))
        return exchange.response

    response = run(scenario)

    assert response.headers == {
        "content-type": "application/json",
        "mcp-session-id": "s",
    }
    assert msgspec.json.decode(response.body) == {}


class TestWatch:
    def test_a_hang_up_is_noticed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(responding, "WATCH_AFTER_SECONDS", 0)

        async def scenario() -> None:
            exchange, noticed = Exchange(b""), asyncio.Event()
            watch = Watch(Deadlines(), exchange.receive, noticed.set)
            exchange.hung_up.set()
            await noticed.wait()
            watch.stop()

        run(scenario)

    def test_a_long_call_is_noticed_and_a_short_one_costs_one_timer(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(responding, "WATCH_AFTER_SECONDS", 0)
        monkeypatch.setattr(responding, "STREAM_AFTER_SECONDS", 0.001)

        async def scenario() -> tuple[bool, int]:
            exchange, long = Exchange(b""), asyncio.Event()
            watch = Watch(Deadlines(), exchange.receive, lambda: None, long.set)
            await long.wait()
            watch.stop()
            short = asyncio.Event()
            before = len(asyncio.all_tasks())
            quick = Watch(Deadlines(), exchange.receive, lambda: None, short.set)
            tasks = len(asyncio.all_tasks()) - before
            quick.stop()
            await asyncio.sleep(0)
            return short.is_set(), tasks

        assert run(scenario) == (False, 0)
