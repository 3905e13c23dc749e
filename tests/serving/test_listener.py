"""A listener takes its address alone, bounds its connections, and stops without cutting answers off."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import uvloop

from callgate.serving import listener
from callgate.serving.listener import Listener, ListenError, Listening
from fakes.authority import Authority
from fakes.raw_http import Echo, Receive, Send, Talker, post, say, serving

Run = Callable[[Coroutine[Any, Any, None]], None]
GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    return uvloop.run if request.param == "uvloop" else asyncio.run


def test_an_address_is_taken_once(run: Run) -> None:
    async def scenario() -> None:
        async with serving(Echo()) as url:
            port = int(url.rpartition(":")[2])
            with pytest.raises(ListenError, match=f"cannot listen on 127.0.0.1:{port}: Address"):
                Listening(Listener(Echo(), "127.0.0.1", port))
        async with Listening(Listener(Echo(), "127.0.0.1", port)):
            pass  # it is free again at once

    run(scenario())


def test_an_address_that_is_not_ours_is_said() -> None:
    with pytest.raises(ListenError, match=r"cannot listen on 192\.0\.2\.1:80"):
        Listening(Listener(Echo(), "192.0.2.1", 80))


def test_it_answers_over_ipv6(run: Run) -> None:
    async def scenario() -> None:
        async with Listening(Listener(Echo(), "::1", 0)) as listening:
            assert listening.url.startswith("http://[::1]:")
            async with Talker(listening.url) as talker:
                talker.say(post(b"six"))
                assert (await talker.answer()).body == b"six"

    run(scenario())


async def is_answered(url: str) -> bool:
    async with Talker(url) as talker:
        talker.say(GET)
        return (await talker.answer()).status == 200


def test_callers_beyond_the_most_are_turned_away(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "MAX_CONNECTIONS", 2)

    async def scenario() -> None:
        async with serving(Echo()) as url:
            async with Talker(url) as one, Talker(url) as two:
                for talker in (one, two):
                    talker.say(GET)
                    assert (await talker.answer()).status == 200
                async with Talker(url) as three:
                    three.say(GET)
                    assert (await three.answer()).status == 503
                    assert await three.is_closed()
                one.say(GET)
                assert (await one.answer()).status == 200
            async with asyncio.timeout(30):
                while not await is_answered(url):  # once it is noticed that they have gone
                    continue

    run(scenario())


def test_stopping_finishes_what_is_being_answered_and_ends_what_is_idle(run: Run) -> None:
    async def scenario() -> None:
        has_begun, may_end = asyncio.Event(), asyncio.Event()

        async def slow(scope: object, receive: Receive, send: Send) -> None:
            has_begun.set()
            await may_end.wait()
            await say(send, 200, b"done")

        listening = Listening(Listener(slow, "127.0.0.1", 0))
        await listening.__aenter__()
        async with Talker(listening.url) as busy, Talker(listening.url) as idle:
            busy.say(GET)
            await has_begun.wait()
            stopping = asyncio.ensure_future(listening.__aexit__(None, None, None))
            assert await idle.is_closed()
            with pytest.raises(OSError):
                async with Talker(listening.url) as late:
                    late.say(GET)
                    await late.answer()
            assert not stopping.done()
            may_end.set()
            answered = await busy.answer()
            assert (answered.body, answered.headers["connection"]) == (b"done", "close")
            assert await busy.is_closed()
            await stopping

    run(scenario())


def test_stopping_does_not_wait_for_ever(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "STOP_SECONDS", 0.1)

    async def scenario() -> None:
        has_begun = asyncio.Event()
        was_cancelled = False

        async def never(scope: object, receive: Receive, send: Send) -> None:
            nonlocal was_cancelled
            has_begun.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                was_cancelled = True
                raise

        async with Listening(Listener(never, "127.0.0.1", 0)) as listening:
            talker = await Talker(listening.url).__aenter__()
            talker.say(GET)
            await has_begun.wait()
        assert was_cancelled
        assert (await talker.answer()).status == 500
        assert await talker.is_closed()
        talker.writer.close()

    run(scenario())


def test_what_cannot_be_read_is_answered_in_the_words_of_the_listener(run: Run) -> None:
    def words(status: int, reason: str) -> tuple[bytes, bytes]:
        return b"application/json", b'{"status": %d, "why": "%b"}' % (status, reason.encode())

    async def scenario() -> None:
        made = Listener(Echo(), "127.0.0.1", 0, words=words)
        async with Listening(made) as listening, Talker(listening.url) as talker:
            talker.say(b"GET / HTTP/1.1\r\nHost: h\r\nX: \x1b[0m\r\n\r\n")
            answered = await talker.answer()
            assert answered.status == 400
            assert answered.headers["content-type"] == "application/json"
            assert answered.body.startswith(b'{"status": 400, "why": "This is not')

    run(scenario())


def test_it_speaks_tls(run: Run, tmp_path: Path) -> None:
    async def scenario() -> None:
        authority = Authority(tmp_path)
        certificate, key = authority.issue("localhost")
        context = ssl.create_default_context(cafile=str(authority.file))
        context.set_alpn_protocols(["h2", "http/1.1"])
        echo = Echo()
        made = Listener(echo, "127.0.0.1", 0, tls_certificate=certificate, tls_key=key)
        async with Listening(made) as listening:
            assert listening.url.startswith("https://")
            port = int(listening.url.rpartition(":")[2])
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", port, ssl=context, server_hostname="localhost"
            )
            assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == "http/1.1"
            for size in (3, 1 << 20):
                writer.write(post(b"x" * size))
                head = await reader.readuntil(b"\r\n\r\n")
                assert head.startswith(b"HTTP/1.1 200")
                assert await reader.readexactly(size) == b"x" * size
            writer.close()
        assert echo.scopes[0]["scheme"] == "https"

    run(scenario())


def test_a_caller_that_speaks_no_tls_disturbs_nobody(run: Run, tmp_path: Path) -> None:
    async def scenario() -> None:
        certificate, key = Authority(tmp_path).issue("localhost")
        made = Listener(Echo(), "127.0.0.1", 0, tls_certificate=certificate, tls_key=key)
        async with Listening(made) as listening:
            plain = listening.url.replace("https", "http")
            async with Talker(plain) as talker:
                talker.say(GET)
                assert b"HTTP/1.1 200" not in await talker.piece()

    run(scenario())


def test_a_certificate_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.pem"
    wrong.write_text("no certificate")
    for path in (wrong, tmp_path / "absent.pem"):
        with pytest.raises(ListenError, match=f"cannot use {path} for TLS"):
            Listening(Listener(Echo(), "127.0.0.1", 0, tls_certificate=path, tls_key=path))


def test_many_callers_at_once_each_get_their_own_answer(run: Run) -> None:
    async def scenario() -> None:
        async def call(url: str, number: int) -> None:
            async with Talker(url) as talker:
                for turn in range(5):
                    talker.say(post(b"%d-%d" % (number, turn)))
                    assert (await talker.answer()).body == b"%d-%d" % (number, turn)

        async with serving(Echo()) as url:
            await asyncio.gather(*(call(url, number) for number in range(100)))

    run(scenario())


def test_the_socket_is_closed_with_the_listener(run: Run) -> None:
    async def scenario() -> None:
        async with serving(Echo()) as url:
            port = int(url.rpartition(":")[2])
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0

    run(scenario())
