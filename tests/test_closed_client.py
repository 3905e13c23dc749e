"""Where may be asked, how much of an answer is taken, and what is none."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import Any, cast

import pytest
from pyreqwest.response import ResponseBodyReader

from callgate.closed_client import (
    Answer,
    Asker,
    LateError,
    Poster,
    PostError,
    TooLongError,
    UnusableError,
    check_place,
    checked_url,
    closed_client,
    read_at_most,
)
from fakes.http_target import Answer as Behaviour
from fakes.http_target import HttpTarget, Seen, Talk


def test_a_gateway_that_asks_nobody_does_not_even_import_the_client() -> None:
    program = "import sys, callgate.cli.run; sys.exit('pyreqwest' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.parametrize(
    "url",
    ["https://risk.example/x?y=1", "http://127.0.0.1:9/", "http://[::1]:80/", "http://localhost/"],
)
def test_a_place_that_nobody_else_reads_along_may_be_asked(url: str) -> None:
    assert check_place(url) == checked_url(url) == url


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://risk.example/", "must be https"),
        ("http://10.0.0.1/", "must be https"),
        ("ftp://risk.example/", "an https URL"),
        ("https:///x", "with a host"),
        ("https://ada:pw@risk.example/", "user name"),
        ("https://:pw@risk.example/", "user name"),
        ("https://risk.example/#x", "fragment"),
        ("https://risk.example:99999/", "[Pp]ort"),
    ],
)
def test_another_is_refused_and_says_why(url: str, problem: str) -> None:
    for check in (check_place, checked_url):
        with pytest.raises(ValueError, match=problem):
            check(url)


@pytest.mark.parametrize("url", ["https://x.example/a b", "https://bücher.example/"])
def test_what_is_sent_as_it_stands_must_be_ascii(url: str) -> None:
    with pytest.raises(ValueError, match="ASCII"):
        checked_url(url)


class Chunks:
    """A body in parts, that says how many were taken."""

    def __init__(self, *parts: bytes) -> None:
        self.left = list(parts)

    async def read_chunk(self) -> bytes | None:
        return self.left.pop(0) if self.left else None


def read(chunks: Chunks, most: int) -> bytes:
    return asyncio.run(read_at_most(cast(ResponseBodyReader, chunks), most))


def test_a_body_is_read_whole_up_to_its_bound() -> None:
    assert read(Chunks(b"ab", b"cd"), 4) == b"abcd"


def test_one_that_is_longer_is_given_up_before_its_end() -> None:
    endless = Chunks(*[b"x" * 10] * 100)

    with pytest.raises(TooLongError, match="longer than 25 bytes"):
        read(endless, 25)

    assert len(endless.left) == 97


def test_what_is_packed_stays_packed_and_a_redirect_is_not_followed() -> None:
    async def packed(seen: Seen, talk: Talk) -> None:
        await talk.raw(
            b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Encoding: gzip\r\n"
            b"Content-Length: 4\r\n\r\nabcd"
        )

    async def scenario() -> tuple[int, bytes]:
        async with HttpTarget(packed) as target:
            asker = Asker(lambda: closed_client(target.url, 5.0), 100)
            found = await asker.ask("GET", target.url, {})
            await asker.close()
            return found.status, found.body

    assert asyncio.run(scenario()) == (302, b"abcd")


def test_a_client_is_made_when_somebody_is_asked_and_anew_after_it_was_closed() -> None:
    made: list[str] = []

    async def scenario() -> list[tuple[str, str]]:
        async with HttpTarget(echo) as target:

            def make() -> Any:
                made.append(target.url)
                return closed_client(target.url, 5.0)

            asker = Asker(make, 100)
            await asker.close()
            assert made == []
            for body in (None, b"x"):
                await asker.ask("GET" if body is None else "PUT", target.url, {}, body)
                await asker.close()
            return [(seen.method, seen.body.decode()) for seen in target.seen]

    assert asyncio.run(scenario()) == [("GET", ""), ("PUT", "x")]
    assert len(made) == 2


def test_who_cannot_be_asked_is_told_by_kind_and_cause_and_no_cause_has_the_url() -> None:
    async def scenario() -> UnusableError:
        asker = Asker(lambda: closed_client("http://127.0.0.1:1/", 5.0), 100)
        with pytest.raises(UnusableError) as raised:
            await asker.ask("GET", "http://127.0.0.1:1?token=s3cret", {})
        await asker.close()
        return raised.value

    error = asyncio.run(scenario())
    assert error.kind == "ConnectError"
    assert "refused" in str(error) and "s3cret" not in str(error)


async def echo(seen: Seen, talk: Talk) -> None:
    await talk.respond(200, seen.body, X_Was=seen.headers.get("x-own", ""))


async def posted(
    behaviour: Behaviour, *bodies: bytes, timeout_seconds: float = 30.0
) -> tuple[list[Any], HttpTarget]:
    async with HttpTarget(behaviour) as target:
        poster = Poster(target.url, timeout_seconds, headers={"x-all": "2"}, max_bytes=100)
        try:
            return [await poster.post(body, {"X-Own": "1"}) for body in bodies], target
        finally:
            await poster.close()


def test_a_post_carries_headers_and_body_and_connections_are_kept() -> None:
    answers, target = asyncio.run(posted(echo, b"one", b"two"))

    assert [(one.status, one.body, one.headers["x-was"]) for one in answers] == [
        (200, b"one", "1"),
        (200, b"two", "1"),
    ]
    assert {seen.headers["x-all"] for seen in target.seen} == {"2"}
    assert target.connections == 1
    assert "accept-encoding" not in target.seen[0].headers


def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    async def redirect(seen: Seen, talk: Talk) -> None:
        await talk.respond(307, Location="/elsewhere")

    answers, target = asyncio.run(posted(redirect, b"x"))

    assert [one.status for one in answers] == [307]
    assert [seen.path for seen in target.seen] == ["/mcp"]


async def huge(seen: Seen, talk: Talk) -> None:
    await talk.respond(200, b"x" * 101)


async def endless(seen: Seen, talk: Talk) -> None:
    await talk.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    try:
        while True:
            await talk.chunk(b"x" * 10_000)
    finally:
        talk._writer.transport.abort()  # nobody reads the rest


async def cut(seen: Seen, talk: Talk) -> None:
    await talk.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nxyz")
    await talk.hang_up()


async def mute(seen: Seen, talk: Talk) -> None:
    await talk.hang_up()


async def garbage(seen: Seen, talk: Talk) -> None:
    await talk.raw(b"\x00\x01garbage\r\n\r\n")
    await talk.hang_up()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (huge, "more than 100 bytes"),
        (endless, "more than 100 bytes"),
        (cut, "cannot be used"),
        (mute, "cannot be used"),
        (garbage, "cannot be used"),
    ],
)
def test_what_is_no_whole_answer_is_a_failure(answer: Behaviour, words: str) -> None:
    with pytest.raises(PostError, match=words) as raised:
        asyncio.run(posted(answer, b"x"))
    assert not isinstance(raised.value, TimeoutError)


def test_no_message_repeats_the_query_of_the_url() -> None:
    async def scenario() -> str:
        poster = Poster("http://127.0.0.1:1/hook?token=s3cret", 5.0)
        with pytest.raises(PostError) as raised:
            await poster.post(b"x")
        await poster.close()
        return str(raised.value)

    said = asyncio.run(scenario())
    assert said.startswith("http://127.0.0.1:1/hook cannot be used") and "s3cret" not in said


def test_a_server_that_does_not_answer_is_given_up() -> None:
    async def silent(seen: Seen, talk: Talk) -> None:
        await talk.until_peer_hangs_up()

    # Interceptors tell what was too slow from what failed by its being a TimeoutError.
    with pytest.raises(LateError, match="did not answer in time"):
        asyncio.run(posted(silent, b"x", timeout_seconds=0.1))


def test_what_a_server_says_is_told_without_what_could_fool_a_terminal() -> None:
    answer = Answer(status=500, headers={}, body=b"\x1b[2Jno \xff" + b"x" * 1000)

    assert answer.refusal.startswith("HTTP 500: [2Jno ")
    assert len(answer.refusal) < 250
    assert Answer(status=500, headers={}, body=b"").refusal == "HTTP 500"
    assert Answer(status=302, headers={}, body=b"x").refusal == (
        "HTTP 302: it redirects, which is not followed"
    )


def test_the_media_type_is_without_its_parameters() -> None:
    headers = {"content-type": " Text/X.Tlog.Size ; charset=utf-8"}

    assert Answer(status=200, headers=headers, body=b"").media_type == "text/x.tlog.size"
    assert Answer(status=200, headers={}, body=b"").media_type == ""
