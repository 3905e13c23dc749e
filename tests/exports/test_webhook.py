"""What a receiver may do to what it is sent: down, slow, lying; and what it can check."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json

import pytest
from cloudevents.v1.http import from_json

from callgate.audit.questions import ExportCursor
from callgate.exports.batches import Wanted, batches
from callgate.exports.export import Batch, DestinationError
from callgate.exports.lines import LineFormat
from callgate.exports.posting import Poster
from callgate.exports.webhook import WebhookDestination
from fakes.clock import FakeClock
from fakes.exported import ORIGIN
from fakes.exporting import FakeSource
from fakes.http_target import HttpTarget, Seen, Talk

KEY = b"k" * 32


def a_batch(form: LineFormat) -> Batch:
    return next(batches(FakeSource(3), Wanted(form=form, origin=ORIGIN), ExportCursor()))


async def send(target: HttpTarget, form: LineFormat, seconds: float = 10.0) -> None:
    poster = Poster(f"{target.url}?token=secret", {"authorization": "Bearer t"}, seconds)
    destination = WebhookDestination(form, poster, KEY, FakeClock())
    try:
        await destination.send(a_batch(form))
    finally:
        await destination.close()


async def takes(_seen: Seen, talk: Talk) -> None:
    await talk.respond(204)


def seen_of(form: LineFormat) -> Seen:
    async def scenario() -> Seen:
        async with HttpTarget(takes) as target:
            await send(target, form)
            await send(target, form)
            first, again = target.seen
            assert first.headers["webhook-id"] == again.headers["webhook-id"]
            return first

    return asyncio.run(scenario())


def test_cloudevents_come_as_a_batch_that_the_library_reads() -> None:
    seen = seen_of("cloudevents")
    assert seen.headers["content-type"] == "application/cloudevents-batch+json"
    events = [from_json(json.dumps(one)) for one in json.loads(seen.body)]
    assert [event["id"] for event in events] == [f"{ORIGIN}/1/{seq}" for seq in (1, 3, 5)]


def test_other_formats_come_as_lines() -> None:
    seen = seen_of("ocsf")
    assert seen.headers["content-type"] == "application/x-ndjson"
    assert seen.headers["authorization"] == "Bearer t"
    assert [json.loads(line)["class_uid"] for line in seen.body.splitlines()] == [6003] * 3


def test_a_receiver_can_check_who_sent_it_and_that_it_is_whole() -> None:
    seen = seen_of("calls")
    signed = f"{seen.headers['webhook-id']}.{seen.headers['webhook-timestamp']}.".encode()
    digest = hmac.digest(KEY, signed + seen.body, hashlib.sha256)
    assert seen.headers["webhook-signature"] == "v1," + base64.b64encode(digest).decode()


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
        (babbles, "answers too much", False),
        (hangs_up, "cannot be reached", False),
    ],
)
def test_what_was_not_taken_is_an_error_without_what_was_sent(
    behaves: object, reason: str, is_too_large: bool
) -> None:
    async def scenario() -> DestinationError:
        async with HttpTarget(behaves) as target:  # type: ignore[arg-type]
            with pytest.raises(DestinationError, match=reason) as caught:
                await send(target, "calls")
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
                await send(target, "calls", seconds=0.05)

    asyncio.run(scenario())


def test_a_receiver_that_is_down_is_said() -> None:
    async def scenario() -> None:
        poster = Poster("http://127.0.0.1:9/?token=secret", {}, 5.0)
        destination = WebhookDestination("calls", poster, None, FakeClock())
        with pytest.raises(DestinationError, match=r"http://127\.0\.0\.1:9/ cannot be reached"):
            await destination.send(a_batch("calls"))
        await destination.close()

    asyncio.run(scenario())
