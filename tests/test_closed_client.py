"""Where may be asked, and how much of an answer is taken."""

import asyncio
import subprocess
import sys
from typing import cast

import pytest
from pyreqwest.response import ResponseBodyReader

from callgate.closed_client import (
    TooLongError,
    check_place,
    closed_client,
    read_at_most,
)
from fakes.http_target import HttpTarget, Seen, Talk


def test_a_gateway_that_asks_nobody_does_not_even_import_the_client() -> None:
    program = "import sys, callgate.cli.run; sys.exit('pyreqwest' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.parametrize(
    "url", ["https://risk.example/x?y=1", "http://127.0.0.1:9/", "http://[::1]/"]
)
def test_a_place_that_nobody_else_reads_along_may_be_asked(url: str) -> None:
    check_place(url)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://risk.example/", "must be https"),
        ("ftp://risk.example/", "an https URL"),
        ("https:///x", "with a host"),
        ("https://ada:pw@risk.example/", "user name"),
        ("https://:pw@risk.example/", "user name"),
        ("https://risk.example/#x", "fragment"),
        ("https://risk.example:99999/", "[Pp]ort"),
    ],
)
def test_another_is_refused_and_says_why(url: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        check_place(url)


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
            client = closed_client(target.url, 5.0).build()
            async with client.get(target.url).build_streamed() as response:
                found = response.status, await read_at_most(response.body_reader, 100)
            await client.close()
            return found

    assert asyncio.run(scenario()) == (302, b"abcd")
