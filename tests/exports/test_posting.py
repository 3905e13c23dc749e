"""What a receiver may do to what it is sent: down, slow, lying."""

from __future__ import annotations

import asyncio

import pytest

from callgate.exports.export import DestinationError
from callgate.exports.posting import Poster
from fakes.http_target import HttpTarget, Seen, Talk


async def post(target: HttpTarget, seconds: float = 10.0) -> bytes:
    poster = Poster(f"{target.url}?token=secret", {"authorization": "Bearer t"}, seconds)
    try:
        return await poster.post(b"[]", {"content-type": "application/json"})
    finally:
        await poster.close()


def test_the_answer_of_a_receiver_that_took_it_comes_back() -> None:
    async def takes(_seen: Seen, talk: Talk) -> None:
        await talk.respond(202, b"taken")

    async def scenario() -> None:
        async with HttpTarget(takes) as target:
            assert await post(target) == b"taken"
            (seen,) = target.seen
            assert seen.headers["authorization"] == "Bearer t"

    asyncio.run(scenario())


async def redirects(_seen: Seen, talk: Talk) -> None:
    await talk.respond(302, Location="http://127.0.0.1:9/")


async def turns_down(_seen: Seen, talk: Talk) -> None:
    await talk.respond(400, b"no\r\n\x1b[31m thanks", kind="text/plain")


async def too_large(_seen: Seen, talk: Talk) -> None:
    await talk.respond(413)


async def babbles(_seen: Seen, talk: Talk) -> None:
    await talk.respond(200, b"x" * 100_000)


async def hangs_up(_seen: Seen, talk: Talk) -> None:
    await talk.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
    await talk.hang_up()


@pytest.mark.parametrize(
    ("behaves", "reason", "is_too_large"),
    [
        (redirects, "HTTP 302: it redirects, which is not followed", False),
        (turns_down, r"HTTP 400: no\[31m thanks", False),
        (too_large, "HTTP 413", True),
        (babbles, "more than 65536 bytes", False),
        (hangs_up, "cannot be used: end of file", False),
    ],
)
def test_what_was_not_taken_is_an_error_without_what_was_sent(
    behaves: object, reason: str, is_too_large: bool
) -> None:
    async def scenario() -> DestinationError:
        async with HttpTarget(behaves) as target:  # type: ignore[arg-type]
            with pytest.raises(DestinationError, match=reason) as caught:
                await post(target)
            return caught.value

    error = asyncio.run(scenario())
    assert error.is_too_large == is_too_large
    assert "secret" not in str(error)


def test_a_receiver_that_never_answers_is_given_up() -> None:
    async def never(_seen: Seen, _talk: Talk) -> None:
        await asyncio.Event().wait()

    async def scenario() -> None:
        async with HttpTarget(never) as target:
            with pytest.raises(DestinationError, match="did not answer in time"):
                await post(target, seconds=0.05)

    asyncio.run(scenario())


def test_a_receiver_that_is_down_is_said() -> None:
    async def scenario() -> None:
        poster = Poster("http://127.0.0.1:9/?token=secret", {}, 5.0)
        with pytest.raises(
            DestinationError, match=r"http://127\.0\.0\.1:9/ cannot be used: .*refused"
        ):
            await poster.post(b"", {})
        await poster.close()

    asyncio.run(scenario())
