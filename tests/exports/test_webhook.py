"""What a receiver gets, and what it can check."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json

from cloudevents.v1.http import from_json

from callgate.audit.questions import ExportCursor
from callgate.exports.batches import Wanted, batches
from callgate.exports.export import Batch
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


async def send(target: HttpTarget, form: LineFormat) -> None:
    poster = Poster(f"{target.url}?token=secret", {"authorization": "Bearer t"}, 10.0)
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
