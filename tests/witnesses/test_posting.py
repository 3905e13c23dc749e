import asyncio

import pytest

from callgate.closed_client import MAX_ANSWER_BYTES, Answer
from callgate.witnesses.posting import Poster
from callgate.witnesses.witness import WitnessError
from fakes.http_target import Answer as Behaviour
from fakes.http_target import HttpTarget, Seen, Talk


def post(answer: Behaviour, seconds: float = 10) -> Answer:
    async def run() -> Answer:
        async with HttpTarget(answer) as server:
            poster = Poster(f"{server.url}?token=secret", {"x-more": "1"}, seconds)
            try:
                return await poster.post("the checkpoint — \n")
            finally:
                await poster.close()

    return asyncio.run(run())


def test_text_is_posted_with_the_headers_that_are_wanted() -> None:
    seen: list[Seen] = []

    async def answer(one: Seen, talk: Talk) -> None:
        seen.append(one)
        await talk.respond(200, b"ok", "Text/X.Tlog.Size; charset=utf-8")

    found = post(answer)
    assert (found.status, found.media_type, found.body) == (200, "text/x.tlog.size", b"ok")
    assert seen[0].body == "the checkpoint — \n".encode()
    assert seen[0].headers["content-type"] == "text/plain; charset=utf-8"
    assert seen[0].headers["x-more"] == "1"


async def _hang(one: Seen, talk: Talk) -> None:
    await asyncio.Event().wait()


async def _hang_up(one: Seen, talk: Talk) -> None:
    await talk.hang_up()


async def _talk_on(one: Seen, talk: Talk) -> None:
    await talk.respond(200, b"x" * (MAX_ANSWER_BYTES + 1))


@pytest.mark.parametrize(
    ("answer", "problem"),
    [(_hang, "in time"), (_hang_up, "cannot be used"), (_talk_on, "more than 65536 bytes")],
)
def test_a_server_that_does_not_answer_well_is_no_witness(answer: Behaviour, problem: str) -> None:
    with pytest.raises(WitnessError, match=problem) as raised:
        post(answer, 0.2 if answer is _hang else 10)
    assert "secret" not in str(raised.value)


def test_a_redirect_is_not_followed() -> None:
    async def answer(one: Seen, talk: Talk) -> None:
        await talk.respond(302, b"", Location="http://elsewhere.example/")

    assert post(answer).refusal == "HTTP 302: it redirects, which is not followed"
