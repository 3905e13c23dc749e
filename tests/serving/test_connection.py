"""HTTP/1.1 is read in one way only, within bounds, and every caller is answered or let go."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop
from hypothesis import HealthCheck, given
from hypothesis import settings as bounds
from hypothesis import strategies as st

from callgate.asgi import Scope
from callgate.serving import connection, listener
from fakes.raw_http import Echo, Receive, Send, Talker, post, say, serving, whole_body

Run = Callable[[Coroutine[Any, Any, None]], None]


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    return uvloop.run if request.param == "uvloop" else asyncio.run


@pytest.fixture
def is_impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "HEAD_SECONDS", 0.3)
    monkeypatch.setattr(connection, "BODY_SECONDS", 0.3)
    monkeypatch.setattr(connection, "IDLE_SECONDS", 0.1)
    monkeypatch.setattr(connection, "LINGER_SECONDS", 0.1)
    monkeypatch.setattr(connection, "TAKING_SECONDS", 0.1)
    monkeypatch.setattr(listener, "SWEEP_SECONDS", 0.02)


def test_a_connection_carries_one_request_after_the_other(run: Run) -> None:
    async def scenario() -> None:
        echo = Echo()
        async with serving(echo) as url, Talker(url) as talker:
            for body in (b"one", b"", b"three"):
                talker.say(post(body, b"X-Name: Value", path=b"/mcp/a%20b?q=%20"))
                answered = await talker.answer()
                assert (answered.status, answered.body) == (200, body)
                assert answered.headers["content-type"] == "text/plain"
                assert answered.headers["date"].endswith("GMT")
                assert "connection" not in answered.headers
        scope = echo.scopes[0]
        assert scope["method"] == "POST"
        assert scope["path"] == "/mcp/a b"
        assert scope["raw_path"] == b"/mcp/a%20b"
        assert scope["query_string"] == b"q=%20"
        assert scope["http_version"] == "1.1"
        assert (b"x-name", b"Value") in scope["headers"]
        assert scope["client"][0] == scope["server"][0] == "127.0.0.1"
        assert scope["scheme"] == "http"

    run(scenario())


def test_white_space_around_a_value_is_not_part_of_it(run: Run) -> None:
    async def scenario() -> None:
        echo = Echo()
        async with serving(echo) as url, Talker(url) as talker:
            talker.say(b"GET / HTTP/1.1\r\nHost: h\r\nX: \t a b \t \r\nY:\r\nZ:  \r\n\r\n")
            assert (await talker.answer()).status == 200
        headers = dict(echo.scopes[0]["headers"])
        assert (headers[b"x"], headers[b"y"], headers[b"z"]) == (b"a b", b"", b"")

    run(scenario())


def test_requests_sent_at_once_are_answered_in_their_order(run: Run) -> None:
    async def scenario() -> None:
        at_once = most = 0

        async def slow(scope: object, receive: Receive, send: Send) -> None:
            nonlocal at_once, most
            at_once += 1
            most = max(most, at_once)
            body = await whole_body(receive)
            assert body is not None
            await asyncio.sleep(0.001)
            at_once -= 1
            await say(send, 200, body)

        async with serving(slow) as url, Talker(url) as talker:
            talker.say(b"".join(post(b"%d" % number) for number in range(50)))
            for number in range(50):
                assert (await talker.answer()).body == b"%d" % number
        assert most == 1

    run(scenario())


def test_a_body_in_chunks_is_one_body(run: Run) -> None:
    async def scenario() -> None:
        echo = Echo()
        async with serving(echo) as url, Talker(url) as talker:
            talker.say(
                b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                b"3;why=not\r\nabc\r\n2\r\nde\r\n0\r\nX-Trailer: 1\r\n\r\n" + post(b"next")
            )
            assert (await talker.answer()).body == b"abcde"
            assert (await talker.answer()).body == b"next"
        assert all(name != b"x-trailer" for name, _ in echo.scopes[0]["headers"])
        assert all(name != b"x-trailer" for name, _ in echo.scopes[1]["headers"])

    run(scenario())


CHUNKED = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
TWO_WAYS = {
    "garbage": b"\x00\x01\x02\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "an unheard-of version": b"GET / HTTP/3.7\r\nHost: h\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "two equal lengths": b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na",
    "a list of lengths": b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1, 1\r\n\r\na",
    "a signed length": b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: +1\r\n\r\na",
    "a huge length": b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999999999999\r\n\r\na",
    "length and chunks": b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and length": b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n"
    b"Content-Length: 3\r\n\r\n0\r\n\r\n",
    "another coding": b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\n0\r\n\r\n",
    "chunked is not last": b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "a space before the colon": b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length : 1\r\n\r\na",
    "a folded header": b"POST / HTTP/1.1\r\nHost: h\r\nX: a\r\n b\r\n\r\n",
    "a bare line feed": b"GET / HTTP/1.1\nHost: h\n\n",
    "a bare carriage return": b"GET / HTTP/1.1\r\nHost: h\r\nX: a\rb\r\n\r\n",
    "a zero in a header": b"GET / HTTP/1.1\r\nHost: h\r\nX: a\0b\r\n\r\n",
    "a name that is no token": b"GET / HTTP/1.1\r\nHost: h\r\nX(Y): a\r\n\r\n",
    "a path that is not ASCII": b"GET /\xc3\xa9 HTTP/1.1\r\nHost: h\r\n\r\n",
    "a chunk without a size": CHUNKED + b"\r\nabc\r\n0\r\n\r\n",
    "a chunk with a sign": CHUNKED + b"-1\r\nabc\r\n0\r\n\r\n",
    "a chunk in hex with 0x": CHUNKED + b"0x3\r\nabc\r\n0\r\n\r\n",
    "a chunk that is longer than it says": CHUNKED + b"2\r\nabc\r\n0\r\n\r\n",
    "a chunk that ends in a line feed": CHUNKED + b"3\nabc\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("said", TWO_WAYS.values(), ids=TWO_WAYS.keys())
def test_what_could_be_read_in_two_ways_is_refused(said: bytes, run: Run) -> None:
    async def scenario() -> None:
        echo = Echo()
        async with serving(echo) as url, Talker(url) as talker:
            talker.say(said)
            answered = await talker.answer()
            assert answered.status == 400
            assert answered.headers["connection"] == "close"
            assert await talker.is_closed()
        assert echo.bodies == []

    run(scenario())


@pytest.mark.parametrize("line", [b"GET /", b"GET / HTTP/0.9", b"GET / HTTP/2.0"])
def test_other_versions_are_not_spoken(line: bytes, run: Run) -> None:
    async def scenario() -> None:
        async with serving(Echo()) as url, Talker(url) as talker:
            talker.say(line + b"\r\nHost: h\r\n\r\n")
            assert (await talker.answer()).status in (400, 505)
            assert await talker.is_closed()

    run(scenario())


def test_nothing_is_read_behind_what_was_refused(run: Run) -> None:
    async def scenario() -> None:
        echo = Echo()
        async with serving(echo) as url, Talker(url) as talker:
            wrong = CHUNKED + b"2\r\nabc\r\n0\r\n\r\n"
            talker.say(post(b"good") + post(b"too") + wrong + post(b"smuggled"))
            assert (await talker.answer()).body == b"good"
            assert (await talker.answer()).body == b"too"
            assert await talker.is_closed()
        assert echo.bodies == [b"good", b"too"]

    run(scenario())


@pytest.mark.parametrize(
    "said",
    [
        b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"a" * (65 << 10) + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"a" * (65 << 10),
        b"GET /" + b"a" * (65 << 10),
        b"GET / HTTP/1.1\r\n" + b"X: 1\r\n" * 129 + b"\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: 1\r\n" * 20_000,
    ],
    ids=["a header", "a header without end", "a path", "too many headers", "headers without end"],
)
def test_a_head_has_its_bounds(said: bytes, run: Run) -> None:
    async def scenario() -> None:
        echo = Echo()
        async with serving(echo) as url, Talker(url) as talker:
            talker.say(said)
            assert (await talker.answer()).status == 431
            assert await talker.is_closed()
        assert echo.scopes == []

    run(scenario())


def test_a_long_head_just_within_bounds_is_read(run: Run) -> None:
    async def scenario() -> None:
        async with serving(Echo()) as url, Talker(url) as talker:
            headers = [b"X-%d: %b" % (number, b"v" * 480) for number in range(120)]
            for _ in range(3):  # what one request took is not counted against the next
                talker.say(post(b"x" * 100_000, *headers))
                assert (await talker.answer()).status == 200

    run(scenario())


@pytest.mark.parametrize(
    "endless",
    [
        CHUNKED + b"1;" + b"x" * (512 << 10),
        CHUNKED + b"0\r\nX: " + b"y" * (512 << 10),
        CHUNKED + b"0\r\n" + b"X: y\r\n" * 90_000,
    ],
    ids=["an extension", "a trailer", "trailers"],
)
def test_what_surrounds_a_body_has_its_bounds(endless: bytes, run: Run) -> None:
    async def scenario() -> None:
        echo = Echo()
        async with serving(echo) as url, Talker(url) as talker:
            talker.say(endless)
            assert (await talker.answer()).status == 400
            assert await talker.is_closed()
        assert echo.bodies == []
        assert echo.hung_up == 1

    run(scenario())


def test_small_chunks_are_no_offence(run: Run) -> None:
    async def scenario() -> None:
        async with serving(Echo()) as url, Talker(url) as talker:
            talker.say(CHUNKED + b"1\r\nx\r\n" * 50_000 + b"0\r\n\r\n")
            assert (await talker.answer()).body == b"x" * 50_000

    run(scenario())


def test_a_body_that_nobody_asks_for_waits_at_the_caller(run: Run) -> None:
    async def scenario() -> None:
        is_asked = asyncio.Event()
        sizes = []

        async def late(scope: object, receive: Receive, send: Send) -> None:
            await is_asked.wait()
            is_more = True
            while is_more:
                event = await receive()
                sizes.append(len(event["body"]))
                is_more = event["more_body"]
            await say(send, 200, b"%d" % sum(sizes))

        async with serving(late) as url, Talker(url) as talker:
            size = 16 << 20
            talker.say(post(b"x" * size))
            await asyncio.sleep(0.2)
            assert talker.writer.transport.get_write_buffer_size() > size // 4
            is_asked.set()
            assert (await talker.answer()).body == b"%d" % size
        assert max(sizes) <= connection.MAX_BUFFERED + (256 << 10)

    run(scenario())


def test_who_turns_a_body_away_is_heard(run: Run) -> None:
    """Not reset: the caller is still sending when the answer comes."""

    async def scenario() -> None:
        async def turn_away(scope: object, receive: Receive, send: Send) -> None:
            await receive()
            await say(send, 413, b"too large")

        async with serving(turn_away) as url, Talker(url) as talker:
            talker.say(post(b"x" * (8 << 20)))
            answered = await talker.answer()
            assert (answered.status, answered.body) == (413, b"too large")
            assert answered.headers["connection"] == "close"
            assert await talker.is_closed()

    run(scenario())


def test_a_caller_that_asks_first_need_not_send_what_is_turned_away(run: Run) -> None:
    async def scenario() -> None:
        async def by_length(scope: Scope, receive: Receive, send: Send) -> None:
            event = await receive()
            assert event == {"type": "http.request", "body": b"", "more_body": True}
            await say(send, 413, b"too large")

        async with serving(by_length) as url, Talker(url) as talker:
            talker.say(post(b"x" * 1000, b"Expect: 100-continue")[:-1000])
            answered = await talker.answer()
            assert (answered.status, answered.headers["connection"]) == (413, "close")
            assert await talker.is_closed()

    run(scenario())


def test_a_caller_that_waits_with_its_body_is_told_to_go_on(run: Run) -> None:
    async def scenario() -> None:
        async with serving(Echo()) as url, Talker(url) as talker:
            said = post(b"body", b"Expect: 100-continue")
            talker.say(said[:-4])
            assert (await talker.head())[0] == 100
            talker.say(b"body")
            assert (await talker.answer()).body == b"body"
            talker.say(said)  # who does not wait is not told
            assert (await talker.answer()).status == 200

    run(scenario())


@pytest.mark.parametrize(
    ("head", "stays"),
    [
        (b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", True),
        (b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", False),
        (b"GET / HTTP/1.0\r\n\r\n", False),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", True),
        (b"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", False),
    ],
)
def test_a_connection_stays_as_long_as_both_want(head: bytes, stays: bool, run: Run) -> None:
    async def scenario() -> None:
        async with serving(Echo()) as url, Talker(url) as talker:
            talker.say(head)
            answered = await talker.answer()
            assert answered.status == 200
            if stays:
                talker.say(head)
                assert (await talker.answer()).status == 200
            else:
                assert answered.headers["connection"] == "close"
                assert await talker.is_closed()

    run(scenario())


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        (b"http://elsewhere:81/mcp/x?a=1", "/mcp/x", b"a=1"),
        (b"http://elsewhere", "/", b""),
        (b"*", "*", b""),
        (b"/a?b?c", "/a", b"b?c"),
        (b"//x/y", "//x/y", b""),
        (b"/%E2%82%AC/%ff", "/€/�", b""),
    ],
)
def test_every_form_of_a_target_has_its_path(
    target: bytes, path: str, query: bytes, run: Run
) -> None:
    async def scenario() -> None:
        echo = Echo()
        async with serving(echo) as url, Talker(url) as talker:
            talker.say(b"OPTIONS %b HTTP/1.1\r\nHost: h\r\n\r\n" % target)
            assert (await talker.answer()).status == 200
        assert (echo.scopes[0]["path"], echo.scopes[0]["query_string"]) == (path, query)

    run(scenario())


@pytest.mark.usefixtures("is_impatient")
@pytest.mark.parametrize("said", [b"", b"GET / HTT", b"GET / HTTP/1.1\r\nHost: h\r\nX: "])
def test_who_takes_too_long_with_a_head_is_let_go(said: bytes, run: Run) -> None:
    async def scenario() -> None:
        async with serving(Echo()) as url, Talker(url) as talker:
            talker.say(said)
            if said:
                assert (await talker.answer()).status == 408
            assert await talker.is_closed()

    run(scenario())


@pytest.mark.usefixtures("is_impatient")
def test_a_head_does_not_get_longer_by_being_sent_bit_by_bit(run: Run) -> None:
    async def scenario() -> None:
        async with serving(Echo()) as url, Talker(url) as talker:
            said = post(b"") + b"GET / HTTP/1.1\r\nX: " + b"x" * 1000
            talker.say(said[:-1000])
            assert (await talker.answer()).status == 200

            async def drip() -> None:
                while True:
                    talker.say(b"x")
                    await asyncio.sleep(0.01)

            dripping = asyncio.ensure_future(drip())
            assert (await talker.answer()).status == 408
            dripping.cancel()

    run(scenario())


@pytest.mark.usefixtures("is_impatient")
def test_a_body_that_does_not_arrive_frees_its_place(run: Run) -> None:
    async def scenario() -> None:
        echo = Echo()
        async with serving(echo) as url, Talker(url) as talker:
            talker.say(post(b"begun and never ended")[:-5])
            answered = await talker.answer()
            assert (answered.status, answered.headers["connection"]) == (408, "close")
            assert await talker.is_closed()
        assert echo.hung_up == 1
        assert echo.bodies == []

    run(scenario())


@pytest.mark.usefixtures("is_impatient")
def test_a_caller_is_not_slow_where_nobody_reads(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        async def late(scope: object, receive: Receive, send: Send) -> None:
            await asyncio.sleep(0.6)
            monkeypatch.setattr(connection, "BODY_SECONDS", 600.0)  # from here on it is read
            body = await whole_body(receive)
            await say(send, 200, b"%d" % len(body or b""))

        async with serving(late) as url, Talker(url) as talker:
            talker.say(post(b"x" * (4 << 20)))
            assert (await talker.answer()).body == b"%d" % (4 << 20)

    run(scenario())


@pytest.mark.usefixtures("is_impatient")
def test_an_idle_connection_ends_and_a_busy_one_does_not(run: Run) -> None:
    async def scenario() -> None:
        async def slow(scope: object, receive: Receive, send: Send) -> None:
            await asyncio.sleep(0.6)  # longer than any of the patience there is
            await say(send, 200, b"late")

        async with serving(slow) as url, Talker(url) as talker:
            talker.say(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            assert (await talker.answer()).body == b"late"
            assert await talker.is_closed()

    run(scenario())


MUCH = 24 << 20


async def say_much(_scope: Scope, receive: Receive, send: Send) -> None:
    await whole_body(receive)
    await say(send, 200, b"x" * MUCH)


async def taken(talker: Talker, pause_seconds: float) -> int:
    """How much of the answer comes, where it is taken a MiB at a time."""
    size = 0
    try:
        while size < MUCH and (piece := await talker.piece()):
            if size >> 20 != (size + len(piece)) >> 20:
                await asyncio.sleep(pause_seconds)
            size += len(piece)
    except ConnectionError:
        pass
    return size


@pytest.mark.usefixtures("is_impatient")
@pytest.mark.parametrize("more", [(), (b"Connection: close",)])
def test_who_takes_nothing_of_its_answer_is_let_go(more: tuple[bytes, ...], run: Run) -> None:
    async def scenario() -> None:
        async with serving(say_much) as url, Talker(url) as talker:
            talker.say(post(b"", *more))
            await talker.head()
            await asyncio.sleep(1.5)  # that it was let go, it can only see when it goes on
            assert await taken(talker, 0) < MUCH

    run(scenario())


@pytest.mark.usefixtures("is_impatient")
@pytest.mark.parametrize("more", [(), (b"Connection: close",)])
def test_who_takes_its_answer_slowly_gets_all_of_it(
    more: tuple[bytes, ...], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "TAKING_SECONDS", 5.0)

    async def scenario() -> None:
        async with serving(say_much) as url, Talker(url) as talker:
            talker.say(post(b"", *more))
            await talker.head()
            assert await taken(talker, 0.05) == MUCH

    run(scenario())


@pytest.mark.usefixtures("is_impatient")
def test_who_never_stops_sending_is_cut_off(run: Run) -> None:
    async def scenario() -> None:
        async def turn_away(scope: object, receive: Receive, send: Send) -> None:
            await say(send, 413, b"")

        async with serving(turn_away) as url, Talker(url) as talker:
            talker.say(
                post(b"", b"Transfer-Encoding: chunked").replace(b"Content-Length: 0\r\n", b"")
            )
            assert (await talker.answer()).status == 413
            async with asyncio.timeout(30):
                with pytest.raises(ConnectionError):
                    while True:
                        talker.say(b"1\r\nx\r\n")
                        await talker.writer.drain()
                        await asyncio.sleep(0.01)

    run(scenario())


def test_an_application_learns_that_its_caller_hung_up(run: Run) -> None:
    async def scenario() -> None:
        has_read, learned = asyncio.Event(), asyncio.Event()

        async def wait(scope: object, receive: Receive, send: Send) -> None:
            assert await whole_body(receive) == b"x"
            has_read.set()
            assert (await receive())["type"] == "http.disconnect"
            with pytest.raises(ConnectionError):
                await send({"type": "http.response.start", "status": 200, "headers": []})
            learned.set()

        async with serving(wait) as url:
            async with Talker(url) as talker:
                talker.say(post(b"x"))
                await has_read.wait()
            async with asyncio.timeout(30):
                await learned.wait()

    run(scenario())


def test_a_caller_that_takes_nothing_holds_up_its_own_stream_only(run: Run) -> None:
    async def scenario() -> None:
        sent = 0

        async def pour(scope: Scope, receive: Receive, send: Send) -> None:
            nonlocal sent
            if scope["path"] != "/pour":
                await say(send, 200, b"other")
                return
            await send({"type": "http.response.start", "status": 200, "headers": []})
            while True:
                await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})
                sent += 65536

        async with serving(pour) as url, Talker(url) as lazy, Talker(url) as other:
            lazy.writer.transport.pause_reading()  # type: ignore[attr-defined] # a read transport
            lazy.say(b"GET /pour HTTP/1.1\r\nHost: h\r\n\r\n")
            before = -1
            while sent == 0 or sent != before:  # it pours until nothing more is taken
                before = sent
                for _ in range(10):
                    await asyncio.sleep(0.01)
            other.say(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            assert (await other.answer()).body == b"other"
            await asyncio.sleep(0.1)
            assert sent == before
            assert sent < 64 << 20

    run(scenario())


REQUESTS = (
    post(b"first") + CHUNKED + b"3\r\nabc\r\n0\r\n\r\n" + post(b"", b"Connection: close")
)  # fmt: skip


@bounds(
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(cuts=st.lists(st.integers(1, len(REQUESTS) - 1), max_size=12, unique=True))
def test_it_does_not_matter_how_the_bytes_arrive(cuts: list[int]) -> None:
    async def scenario() -> None:
        echo = Echo()
        async with serving(echo) as url, Talker(url) as talker:
            for begin, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(REQUESTS)], strict=True):
                talker.say(REQUESTS[begin:end])
                await asyncio.sleep(0.001)
            assert [(await talker.answer()).body for _ in range(3)] == [b"first", b"abc", b""]
            assert await talker.is_closed()

    uvloop.run(scenario())
