"""Posting to one server: whole answers or a failure, and nobody else reads along."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from callgate.interceptors.faults import InterceptorError
from callgate.interceptors.posting import Poster, PostError, Tls, checked_url
from fakes.authority import Authority
from fakes.http_calls import until
from fakes.http_target import Answer, HttpTarget, Seen, Talk


async def echo(seen: Seen, talk: Talk) -> None:
    await talk.respond(200, seen.body, X_Was=seen.headers.get("x-own", ""))


async def posted(
    answer: Answer, *bodies: bytes, timeout_seconds: float = 5.0
) -> tuple[list[Any], HttpTarget]:
    async with HttpTarget(answer) as target:
        poster = Poster(target.url, timeout_seconds=timeout_seconds, max_bytes=100)
        try:
            return [await poster.post({"X-Own": "1"}, body) for body in bodies], target
        finally:
            await poster.close()


def test_a_post_carries_headers_and_body_and_connections_are_kept() -> None:
    answers, target = asyncio.run(posted(echo, b"one", b"two"))

    assert [(one.status, one.body, one.headers["x-was"]) for one in answers] == [
        (200, b"one", "1"),
        (200, b"two", "1"),
    ]
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
def test_what_is_no_whole_answer_is_a_failure(answer: Answer, words: str) -> None:
    with pytest.raises(PostError, match=words):
        asyncio.run(posted(answer, b"x"))


def test_no_message_repeats_the_query_of_the_url() -> None:
    async def scenario() -> str:
        poster = Poster("http://127.0.0.1:1/hook?token=s3cret", timeout_seconds=5.0, max_bytes=1)
        with pytest.raises(PostError) as raised:
            await poster.post({}, b"x")
        await poster.close()
        return str(raised.value)

    said = asyncio.run(scenario())
    assert said.startswith("http://127.0.0.1:1/hook cannot be used") and "s3cret" not in said


def test_a_server_that_does_not_answer_is_given_up() -> None:
    async def silent(seen: Seen, talk: Talk) -> None:
        await talk.until_peer_hangs_up()

    with pytest.raises(TimeoutError, match="did not answer in time"):
        asyncio.run(posted(silent, b"x", timeout_seconds=0.1))


async def posted_by_each(context: Any, *ways: Tls) -> list[str]:
    """What came back to posts in several ways, one after the other, to one server."""
    found = []
    async with HttpTarget(echo, tls=context) as target:
        for tls in ways:
            poster = Poster(target.url, timeout_seconds=5.0, max_bytes=100, tls=tls)
            try:
                found.append((await poster.post({}, b"x")).body.decode())
            except PostError:
                found.append("failed")
            await poster.close()
        await until(lambda: not target._tasks)  # the server has seen that all have hung up
    return found


def test_a_server_of_an_own_authority_is_trusted_where_it_is_named(tmp_path: Path) -> None:
    authority = Authority(tmp_path)

    ways = (Tls(), Tls(authority=authority.file))
    assert asyncio.run(posted_by_each(authority.server(), *ways)) == ["failed", "x"]


def test_a_server_may_ask_for_a_certificate(tmp_path: Path) -> None:
    authority, other = Authority(tmp_path), Authority(tmp_path, "another")
    context = authority.server(asks_clients=True)
    names = ("certificate", "key")
    strange = dict(zip(names, other.issue("stranger", is_client=True), strict=True))
    own = dict(zip(names, authority.issue("gateway", is_client=True), strict=True))

    ways = (Tls(authority=authority.file, **identity) for identity in ({}, strange, own))
    assert asyncio.run(posted_by_each(context, *ways)) == ["failed", "failed", "x"]


@pytest.mark.parametrize("missing", ["authority", "certificate", "key"])
def test_files_that_cannot_be_used_are_named_when_it_is_made(missing: str, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    certificate, key = authority.issue("gateway", is_client=True)
    files = {"authority": authority.file, "certificate": certificate, "key": key}

    for content in (None, b"junk"):
        file = tmp_path / "bad.pem"
        file.unlink(missing_ok=True)
        if content is not None:
            file.write_bytes(content)
        with pytest.raises(InterceptorError, match=r"bad\.pem"):
            Poster(
                "https://localhost/",
                timeout_seconds=1.0,
                max_bytes=1,
                tls=Tls(**{**files, missing: file}),
            )


@pytest.mark.parametrize(
    "url", ["https://x.example/y?z", "http://127.0.0.1:1/", "http://localhost/", "http://[::1]:80/"]
)
def test_an_url_that_nobody_else_reads_along_is_taken(url: str) -> None:
    assert checked_url(url) == url


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://x.example/", "must be https"),
        ("http://10.0.0.1/", "must be https"),
        ("ftp://x.example/", "an https URL"),
        ("https:///x", "an https URL"),
        ("https://u:p@x.example/", "user name or password"),
        ("https://x.example/#f", "fragment"),
        ("https://x.example/a b", "ASCII"),
        ("https://bücher.example/", "ASCII"),
        ("https://x.example:99999/", "ort"),
    ],
)
def test_any_other_is_not(url: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        checked_url(url)
