"""One request, one answer: whatever a target sends instead is its fault, and bounded."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
import uvloop

from callgate.model import Ran
from callgate.ports import TargetError
from callgate.protocol.framing import FramingError
from callgate.protocol.outbound import Message
from callgate.upstream.http_client import HttpClient
from callgate.upstream.http_exchange import StreamEnd, overhear
from fakes.http_calls import Run, a_connector, a_request, call, faults
from fakes.http_target import (
    DONE,
    Answer,
    HttpTarget,
    Seen,
    Talk,
    done,
    modern,
)
from fakes.target import FakeCaller


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    return uvloop.run if request.param == "uvloop" else asyncio.run


@pytest.mark.parametrize(
    ("status", "code", "ran"),
    [
        (401, "target_unavailable", Ran.NO),
        (403, "target_unavailable", Ran.NO),
        (404, "target_unavailable", Ran.NO),
        (405, "target_unavailable", Ran.NO),
        (429, "target_unavailable", Ran.NO),
        (302, "target_unavailable", Ran.NO),
        (400, "target_protocol_error", Ran.NO),
        (413, "target_protocol_error", Ran.NO),
        (408, "target_protocol_error", Ran.UNKNOWN),
        (500, "target_protocol_error", Ran.UNKNOWN),
        (503, "target_protocol_error", Ran.UNKNOWN),
        (202, "target_protocol_error", Ran.UNKNOWN),
    ],
)
def test_each_status_says_what_is_known(run: Run, status: int, code: str, ran: Ran) -> None:
    async def answer(_seen: Seen, talk: Talk) -> None:
        await talk.respond(status, b"<html>", "text/html")

    fault = faults(run, modern(answer))
    assert (fault.code, fault.ran) == (code, ran)
    assert f"HTTP {status}" in fault.detail


def test_a_redirect_is_named_and_never_followed(run: Run) -> None:
    async def scenario() -> None:
        async with HttpTarget(done) as elsewhere:

            async def away(_seen: Seen, talk: Talk) -> None:
                await talk.respond(307, Location=elsewhere.url + "?token=secret")

            with pytest.raises(TargetError) as raised:
                await call(modern(away))
            assert "/mcp" in raised.value.detail
            assert "secret" not in raised.value.detail
            assert elsewhere.seen == []

    run(scenario())


GARBAGE = [
    b"",
    b"not json",
    b"[]",
    b"{}",
    b'{"jsonrpc":"2.0","id":%d}',
    b'{"jsonrpc":"2.0","id":999999,"result":{}}',
    b'{"jsonrpc":"2.0","id":"%d","result":{}}',
    b'{"jsonrpc":"2.0","id":%d,"result":{},"error":{"code":1,"message":""}}',
    b'{"jsonrpc":"2.0","id":%d,"error":{"code":"1"}}',
    b'{"jsonrpc":"2.0","id":%d,"error":7}',
    b'{"jsonrpc":"2.0","id":%d,"result":{"resultType":"unheard_of"}}',
    b'{"jsonrpc":"2.0","id":%d,"result":{"result\\u0054ype":"unheard_of"}}',
    b'{"jsonrpc":"2.0","id":%d,"result":{"resultType":7}}',
    b'{"jsonrpc":"2.0","id":%d,"result":{"a":"\xff"}}',
    b'{"jsonrpc":"2.0","id":%d,"method":"ping"}',
    b'{"jsonrpc":"2.0","id":%d,"result":' + b"[" * 100_000,
]


@pytest.mark.parametrize("is_stream", [False, True])
@pytest.mark.parametrize("body", GARBAGE)
def test_garbage_is_a_fault_of_the_target_and_the_next_call_works(
    run: Run, body: bytes, is_stream: bool
) -> None:
    async def scenario() -> None:
        is_first = True

        async def answer(seen: Seen, talk: Talk) -> None:
            nonlocal is_first
            if not is_first:
                await done(seen, talk)
                return
            is_first = False
            text = body.replace(b"%d", str(seen.message["id"]).encode())
            if is_stream:
                await talk.stream()
                await talk.chunk(b"data: " + text + b"\n\n")
                await talk.end_stream()
            else:
                await talk.respond(200, text)

        async with HttpTarget(modern(answer)) as target:
            connector = a_connector(target)
            with pytest.raises(TargetError) as raised:
                await connector.call(a_request(), FakeCaller())
            assert raised.value.code in ("target_protocol_error", "target_lost")
            assert raised.value.ran is Ran.UNKNOWN
            reply = await connector.call(a_request(), FakeCaller())
            assert json.loads(reply.body) == DONE
            await connector.close()

    run(scenario())


def test_a_result_that_is_no_object_ran_all_the_same(run: Run) -> None:
    async def answer(seen: Seen, talk: Talk) -> None:
        await talk.result(seen, [1])

    fault = faults(run, modern(answer))
    assert (fault.code, fault.ran) == ("target_protocol_error", Ran.YES)


@pytest.mark.parametrize("kind", ["text/plain", "application/octet-stream", ""])
def test_an_answer_of_another_content_type_is_a_fault(run: Run, kind: str) -> None:
    async def answer(_seen: Seen, talk: Talk) -> None:
        await talk.respond(200, b"{}", kind)

    assert faults(run, modern(answer)).code == "target_protocol_error"


def test_a_compressed_answer_is_a_fault_and_never_unpacked(run: Run) -> None:
    async def answer(_seen: Seen, talk: Talk) -> None:
        await talk.respond(200, b"\x1f\x8b", Content_Encoding="gzip")

    assert faults(run, modern(answer)).code == "target_protocol_error"


async def endless_events(_seen: Seen, talk: Talk) -> None:
    await talk.stream()
    while True:
        await talk.event({"method": "notifications/message", "params": {"data": "x" * 10_000}})


async def endless_line(_seen: Seen, talk: Talk) -> None:
    await talk.stream()
    while True:
        await talk.chunk(b"data: " + b"x" * 10_000)


async def endless_comments(_seen: Seen, talk: Talk) -> None:
    await talk.stream()
    while True:
        await talk.chunk(b": keep-alive\n\n" * 1000)


async def endless_body(_seen: Seen, talk: Talk) -> None:
    await talk.raw(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
    while True:
        await talk.raw(b" " * 10_000)


@pytest.mark.parametrize(
    "flood", [endless_events, endless_line, endless_comments, endless_body], ids=str
)
def test_a_flood_ends_at_the_bound(run: Run, flood: Answer) -> None:
    async def scenario() -> None:
        async with HttpTarget(modern(flood)) as target:
            connector = a_connector(target, max_response_bytes=1 << 20)
            with pytest.raises(TargetError) as raised:
                await connector.call(a_request(timeout_seconds=30), FakeCaller())
            assert (raised.value.code, raised.value.ran) == ("target_protocol_error", Ran.UNKNOWN)
            await connector.close()

    run(scenario())


def heard_of(answer: Answer, max_bytes: int = 1 << 16) -> tuple[StreamEnd, list[Any], list[int]]:
    """How a stream of what a target says by itself ended, what it said, and if it began."""
    said: list[Any] = []
    opened: list[int] = []

    async def on_open() -> None:
        opened.append(1)

    async def on_message(message: Message) -> None:
        said.append(message.method)

    async def scenario() -> StreamEnd:
        async with HttpTarget(answer) as target:
            client = HttpClient(target.url, [], 5.0)
            try:
                exchange = client.request("GET")
                return await overhear(exchange, on_open, on_message, max_bytes)
            finally:
                client.close()

    return asyncio.run(scenario()), said, opened


def test_a_stream_is_heard_to_its_end_which_says_where_to_go_on() -> None:
    async def answer(_seen: Seen, talk: Talk) -> None:
        await talk.stream()
        await talk.chunk(b"id: e-1\nretry: 1500\ndata:\n\n")
        await talk.event({"method": "a"})
        await talk.event({"method": "b"})
        await talk.end_stream()

    end = StreamEnd(status=200, last_id="e-1", retry_seconds=1.5)
    assert heard_of(answer) == (end, ["a", "b"], [1])


def test_a_stream_that_breaks_ends_as_well() -> None:
    async def answer(_seen: Seen, talk: Talk) -> None:
        await talk.stream()
        await talk.event({"method": "a"})
        await talk.hang_up()

    assert heard_of(answer) == (StreamEnd(status=200), ["a"], [1])


@pytest.mark.parametrize(("status", "expected"), [(405, 405), (404, 404), (503, 503), (200, 405)])
def test_no_stream_is_a_status(status: int, expected: int) -> None:
    async def answer(_seen: Seen, talk: Talk) -> None:
        await talk.respond(status, b"{}")

    assert heard_of(answer) == (StreamEnd(status=expected), [], [])


def test_a_compressed_stream_is_none() -> None:
    async def answer(_seen: Seen, talk: Talk) -> None:
        await talk.stream(Content_Encoding="gzip")

    assert heard_of(answer) == (StreamEnd(status=405), [], [])


def test_an_endless_stream_is_bounded_by_the_event_only() -> None:
    async def many(_seen: Seen, talk: Talk) -> None:
        await talk.stream()
        for _ in range(20):
            await talk.event({"method": "x" * 500})
        await talk.end_stream()

    end, said, _ = heard_of(many, max_bytes=1000)
    assert (end.status, len(said)) == (200, 20)
    for flood in (endless_line, endless_events):
        with pytest.raises(FramingError):
            heard_of(flood, max_bytes=1000)
