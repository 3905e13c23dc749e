"""Connections that prove who they are, and trust whom they are told to."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from callgate.closed_client import Poster, PostError
from callgate.interceptors.faults import InterceptorError
from callgate.interceptors.tls import Tls
from fakes.authority import Authority
from fakes.http_calls import until
from fakes.http_target import HttpTarget, Seen, Talk


async def echo(seen: Seen, talk: Talk) -> None:
    await talk.respond(200, seen.body)


async def posted_by_each(context: Any, *ways: Tls) -> list[str]:
    """What came back to posts in several ways, one after the other, to one server."""
    found = []
    async with HttpTarget(echo, tls=context) as target:
        for tls in ways:
            poster = Poster(target.url, 5.0, builder=tls.client(target.url, 5.0))
            try:
                found.append((await poster.post(b"x")).body.decode())
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
            Tls(**{**files, missing: file}).client("https://localhost/", 1.0)
