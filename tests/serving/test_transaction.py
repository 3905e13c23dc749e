"""A response ends where its caller expects it to, or its connection does."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop

from callgate.asgi import Scope
from callgate.serving.transaction import HungUpError, Transaction
from fakes.raw_http import Receive, Send, Talker, say, serving

Run = Callable[[Coroutine[Any, Any, None]], None]
GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
START = {"type": "http.response.start", "status": 200, "headers": []}


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    return uvloop.run if request.param == "uvloop" else asyncio.run


def piece(body: bytes, *, more: bool) -> dict[str, Any]:
    return {"type": "http.response.body", "body": body, "more_body": more}


async def in_pieces(scope: object, receive: Receive, send: Send) -> None:
    await send(START)
    for body in (b"one", b"", b"two"):
        await send(piece(body, more=True))
    await send(piece(b"", more=False))


def test_a_response_in_pieces_is_chunked_and_the_connection_stays(run: Run) -> None:
    async def scenario() -> None:
        async with serving(in_pieces) as url, Talker(url) as talker:
            for _ in range(2):
                talker.say(GET)
                answered = await talker.answer()
                assert answered.headers["transfer-encoding"] == "chunked"
                assert answered.body == b"onetwo"

    run(scenario())


def test_to_an_old_caller_the_end_of_the_connection_is_the_end(run: Run) -> None:
    async def scenario() -> None:
        async with serving(in_pieces) as url, Talker(url) as talker:
            talker.say(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            answered = await talker.answer()
            assert "transfer-encoding" not in answered.headers
            assert answered.headers["connection"] == "close"
            assert answered.body == b"onetwo"

    run(scenario())


def test_each_piece_arrives_when_it_is_said(run: Run) -> None:
    async def scenario() -> None:
        may_go_on = asyncio.Event()

        async def stream(scope: object, receive: Receive, send: Send) -> None:
            await send(START)
            await send(piece(b"first", more=True))
            await may_go_on.wait()
            await send(piece(b"last", more=False))

        async with serving(stream) as url, Talker(url) as talker:
            talker.say(GET)
            assert (await talker.head())[0] == 200
            assert await talker.piece() == b"5\r\nfirst\r\n"
            may_go_on.set()
            assert await talker.piece() == b"4\r\nlast\r\n0\r\n\r\n"

    run(scenario())


@pytest.mark.parametrize("status", [204, 304])
def test_what_has_no_body_is_sent_without_one(status: int, run: Run) -> None:
    async def scenario() -> None:
        async def answer(scope: object, receive: Receive, send: Send) -> None:
            await say(send, status, b"")

        async with serving(answer) as url, Talker(url) as talker:
            talker.say(GET + GET)
            for _ in range(2):
                answered = await talker.answer()
                assert answered.status == status
                assert not {"content-length", "transfer-encoding"} & answered.headers.keys()

    run(scenario())


@pytest.mark.parametrize("announced", [b"5", None])
def test_to_head_everything_is_said_but_the_body(announced: bytes | None, run: Run) -> None:
    async def scenario() -> None:
        async def answer(scope: object, receive: Receive, send: Send) -> None:
            headers = [] if announced is None else [(b"content-length", announced)]
            await send({**START, "headers": headers})
            await send(piece(b"12345", more=announced is None))
            if announced is None:
                await send(piece(b"", more=False))

        async with serving(answer) as url, Talker(url) as talker:
            head = b"HEAD / HTTP/1.1\r\nHost: h\r\n\r\n"
            talker.say(head + head)
            for _ in range(2):
                answered = await talker.answer(to_head=True)
                assert answered.status == 200
                length = answered.headers.get("content-length")
                assert length == (announced.decode() if announced else None)

    run(scenario())


@pytest.mark.parametrize("bodies", [[b"123456"], [b"1234"], [b"123", b"456"], [b"12", b"34"]])
def test_a_length_that_is_not_kept_ends_the_connection(bodies: list[bytes], run: Run) -> None:
    """The caller must never take the next response for the rest of this one."""

    async def scenario() -> None:
        async def lie(scope: object, receive: Receive, send: Send) -> None:
            await send({**START, "headers": [(b"content-length", b"5")]})
            for number, body in enumerate(bodies):
                await send(piece(body, more=number < len(bodies) - 1))

        async with serving(lie) as url, Talker(url) as talker:
            talker.say(GET + GET)
            seen = b""
            while more := await talker.piece():
                seen += more
            assert seen.count(b"HTTP/1.1") == 1
            assert b"connection: close" in seen if len(bodies) == 1 else b"123456" not in seen

    run(scenario())


@pytest.mark.parametrize("header", [(b"x", b"a\r\nset-cookie: b"), (b"x\n", b"a"), (b"x", b"a\rb")])
def test_no_header_breaks_out_of_its_line(header: tuple[bytes, bytes], run: Run) -> None:
    async def scenario() -> None:
        async def inject(scope: object, receive: Receive, send: Send) -> None:
            await say(send, 200, b"", header)

        async with serving(inject) as url, Talker(url) as talker:
            talker.say(GET)
            answered = await talker.answer()
            assert answered.status == 500
            assert "set-cookie" not in answered.headers

    run(scenario())


def test_an_application_that_fails_is_a_500_or_a_broken_stream(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        async def fail(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["path"] == "/late":
                await send(START)
                await send(piece(b"begun", more=True))
            raise ValueError("what only the log may say")

        async with serving(fail) as url:
            async with Talker(url) as talker:
                talker.say(GET)
                answered = await talker.answer()
                assert answered.status == 500
                assert b"only the log" not in answered.body
                assert await talker.is_closed()
            async with Talker(url) as talker:
                talker.say(GET.replace(b"/ ", b"/late ", 1))
                assert (await talker.head())[0] == 200
                assert await talker.piece() == b"5\r\nbegun\r\n"
                assert await talker.is_closed()  # without the last chunk: not whole

    with caplog.at_level(logging.ERROR, logger="callgate.serving"):
        run(scenario())
    assert caplog.text.count("ValueError: what only the log may say") == 2


def test_an_application_that_says_nothing_is_a_500(run: Run) -> None:
    async def scenario() -> None:
        async def nothing(scope: object, receive: Receive, send: Send) -> None:
            await receive()

        async with serving(nothing) as url, Talker(url) as talker:
            talker.say(GET)
            assert (await talker.answer()).status == 500

    run(scenario())


class Wire:
    """A connection that notes what is written."""

    is_lost = False
    is_stopping = False

    def __init__(self) -> None:
        self.written = b""
        self.ends = 0

    def write(self, data: bytes) -> None:
        self.written += data

    async def drained(self) -> None:
        pass

    def date_line(self) -> bytes:
        return b"date: now\r\n"

    def wants_more(self) -> None:
        pass

    def finished(self) -> None:
        self.ends += 1


def transaction_on(wire: Wire) -> Transaction:
    scope = {"method": "GET", "http_version": "1.1", "headers": []}
    made = Transaction(wire, scope, keeps_alive=True)
    made.ended()
    return made


def test_events_come_in_their_order_or_not_at_all() -> None:
    async def scenario() -> None:
        wire = Wire()
        made = transaction_on(wire)
        with pytest.raises(RuntimeError):
            await made.send(piece(b"", more=False))
        await made.send(START)
        with pytest.raises(RuntimeError):
            await made.send(START)
        await made.send(piece(b"x", more=False))
        with pytest.raises(RuntimeError):
            await made.send(piece(b"", more=False))
        assert wire.ends == 1
        assert wire.written.endswith(b"\r\n\r\nx")
        assert (await made.receive())["type"] == "http.disconnect"

    asyncio.run(scenario())


def test_a_lost_caller_is_told_nothing_more() -> None:
    async def scenario() -> None:
        wire = Wire()
        made = transaction_on(wire)
        waiting = asyncio.ensure_future(made.receive())
        assert (await waiting)["more_body"] is False
        waiting = asyncio.ensure_future(made.receive())
        await asyncio.sleep(0)
        wire.is_lost = True
        made.wake()
        assert (await waiting)["type"] == "http.disconnect"
        with pytest.raises(HungUpError):
            await made.send(START)
        assert wire.written == b""

    asyncio.run(scenario())
