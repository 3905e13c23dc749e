"""The transport of 2024-11-05: one stream per session, and no word to another origin."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest

from callgate.model import NOTHING, Era, Offer, Ran, Reply
from callgate.ports import TargetError
from callgate.protocol.methods import method_tool
from callgate.upstream import keeper, mcp_sse
from callgate.upstream.mcp_http import HttpTargetSettings
from callgate.upstream.mcp_sse import McpSseConnector
from fakes.clock import FakeClock
from fakes.duplex import EVERYTHING, a_target_request
from fakes.http_target import HttpTarget, Seen, Talk
from fakes.passing import let_pass
from fakes.store import until
from fakes.target import FakeCaller

CAPABILITIES = {"tools": {}, "logging": {}, "resources": {"subscribe": True}}
ROOTS = Offer(capabilities={"roots": {}}, digest="roots")


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "FIRST_SECONDS", 0.01)


class SseTarget:
    """A server of 2024-11-05. A call is answered when a test says so, all else at once."""

    def __init__(self) -> None:
        self.endpoint = "/messages?session={number}"
        self.status = 202  # of what is posted
        self.kind = "text/event-stream"
        self.get_status = 200
        self.is_greeting = True
        self.streams: list[Talk] = []
        self.posted: list[tuple[int, dict[str, Any]]] = []  # (stream, message)
        self.http = HttpTarget(self.answer)

    async def answer(self, seen: Seen, talk: Talk) -> None:
        if seen.method == "GET":
            await self.open(talk)
        else:
            await self.take(seen, talk)

    async def open(self, talk: Talk) -> None:
        if self.get_status != 200 or self.kind != "text/event-stream":
            await talk.respond(self.get_status, b"what?", self.kind)
            return
        self.streams.append(talk)
        await talk.stream()
        if self.is_greeting:
            endpoint = self.endpoint.format(number=len(self.streams) - 1)
            await talk.chunk(f": hello\n\nevent: endpoint\r\ndata: {endpoint}\r\n\r\n".encode())
        await talk.until_peer_hangs_up()
        talk.is_gone = True  # type: ignore[attr-defined]

    async def take(self, seen: Seen, talk: Talk) -> None:
        number = int(seen.path.rpartition("=")[2])
        message = seen.message
        self.posted.append((number, message))
        await talk.respond(self.status, b"Accepted", "text/plain")
        if self.status == 202 and "id" in message and "method" in message:
            await self.reply(number, message)

    async def reply(self, number: int, message: dict[str, Any]) -> None:
        results = {
            "initialize": {"protocolVersion": "2024-11-05", "capabilities": CAPABILITIES},
            "tools/list": {"tools": [{"name": "echo"}]},
            "resources/subscribe": {},
            "resources/unsubscribe": {},
            "logging/setLevel": {},
        }
        if message["method"] in results:
            await self.say(number, {"id": message["id"], "result": results[message["method"]]})

    async def say(self, number: int, *messages: Any) -> None:
        for message in messages:
            await self.streams[number].event(message)

    def said(self, method: str) -> list[tuple[int, dict[str, Any]]]:
        return [(number, m) for number, m in self.posted if m.get("method") == method]

    def answers(self) -> list[dict[str, Any]]:
        return [message for _, message in self.posted if "method" not in message]

    async def called(self, times: int = 1) -> tuple[int, int]:
        """Waits for a call: its stream and id."""
        await until(lambda: len(self.said("tools/call")) == times)
        number, message = self.said("tools/call")[-1]
        return number, message["id"]


Scenario = Callable[[McpSseConnector, SseTarget], Awaitable[None]]


def run(scenario: Scenario, **settings: Any) -> None:
    async def whole() -> None:
        target = SseTarget()
        async with asyncio.timeout(30), target.http as http:
            made = HttpTargetSettings(url=http.url, **settings)
            connector = McpSseConnector("shop", made, FakeClock())
            await connector.start()
            try:
                await scenario(connector, target)
            finally:
                await connector.close()

    asyncio.run(whole())


def begin(
    connector: McpSseConnector, caller: FakeCaller | None = None, **more: Any
) -> asyncio.Task[Reply]:
    request = a_target_request(**{"timeout_seconds": 10.0, "offer": NOTHING, **more})
    return asyncio.ensure_future(connector.call(request, caller or FakeCaller()))


def test_a_call_is_posted_and_answered_on_the_stream() -> None:
    async def scenario(connector: McpSseConnector, target: SseTarget) -> None:
        features = await connector.features()
        assert (features.era, features.version) == (Era.LEGACY, "2024-11-05")
        assert [tool["name"] for tool in (await connector.list_tools()).tools] == ["echo"]
        caller = FakeCaller()
        calling = begin(connector, caller, wants_progress=True)
        number, call_id = await target.called()
        progress = {"progressToken": call_id, "progress": 1}
        await target.say(number, {"method": "notifications/progress", "params": progress})
        await target.say(number, {"id": call_id, "result": {"content": []}})
        assert (await calling).body == b'{"content": []}'
        assert caller.told == [("notifications/progress", {"progressToken": "mine", "progress": 1})]
        assert [m for _, m in target.posted if m.get("method") == "server/discover"] == []
        assert connector.status.is_ready
        assert (connector.status.era, connector.status.tools) == ("legacy", 1)
        [get] = [seen for seen in target.http.seen if seen.method == "GET"][:1]
        assert get.headers["accept"] == "text/event-stream"

    run(scenario)


def test_the_configured_headers_go_with_every_request() -> None:
    async def scenario(connector: McpSseConnector, target: SseTarget) -> None:
        await connector.features()
        assert {seen.headers["authorization"] for seen in target.http.seen} == {"Bearer t"}

    run(scenario, headers={"Authorization": "Bearer t"})


def test_each_session_and_offer_has_a_stream_of_its_own() -> None:
    async def scenario(connector: McpSseConnector, target: SseTarget) -> None:
        for key, offer in (("ada", ROOTS), ("bob", ROOTS), ("ada", ROOTS), ("ada", NOTHING)):
            calling = begin(connector, session_key=key, offer=offer)
            number, call_id = await target.called(len(target.said("tools/call")) + 1)
            await target.say(number, {"id": call_id, "result": {}})
            await calling
        assert [number for number, _ in target.said("tools/call")] == [0, 1, 0, 2]
        declared = [m["params"]["capabilities"] for _, m in target.said("initialize")]
        assert declared == [ROOTS.capabilities, ROOTS.capabilities, {}]

    run(scenario)


def test_the_target_asks_the_client_of_the_session() -> None:
    async def scenario(connector: McpSseConnector, target: SseTarget) -> None:
        caller = FakeCaller(answers=[Reply(body=b'{"roots":[]}')])
        beyond = FakeCaller(answers=[Reply(body=b'{"roots":[1]}')])
        calling = begin(connector, caller, offer=EVERYTHING, beyond=beyond)
        await target.called(1)  # so that the first stream is its
        other = begin(connector, session_key="bob", offer=EVERYTHING)
        number, call_id = await target.called(2)
        number = next(n for n, m in target.said("tools/call") if n == 0)
        call_id = target.said("tools/call")[[n for n, _ in target.said("tools/call")].index(0)][1][
            "id"
        ]
        await target.say(number, {"id": "q", "method": "roots/list"})
        await until(lambda: len(target.answers()) == 1)
        assert target.answers()[0] == {"jsonrpc": "2.0", "id": "q", "result": {"roots": []}}
        await target.say(number, {"id": call_id, "result": {}}, {"id": 2, "method": "roots/list"})
        await calling
        await until(lambda: len(target.answers()) == 2)
        assert target.answers()[1]["result"] == {"roots": [1]}
        other.cancel()
        await asyncio.gather(other, return_exceptions=True)

    run(scenario)


def test_a_cancelled_call_is_cancelled_at_the_target() -> None:
    async def scenario(connector: McpSseConnector, target: SseTarget) -> None:
        calling = begin(connector)
        _, call_id = await target.called()
        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calling
        await until(lambda: len(target.said("notifications/cancelled")) == 1)
        [(_, note)] = target.said("notifications/cancelled")
        assert note["params"]["requestId"] == call_id

    run(scenario)


def test_a_stream_that_ends_loses_its_calls_and_the_next_one_connects_again() -> None:
    async def scenario(connector: McpSseConnector, target: SseTarget) -> None:
        calling = begin(connector)
        await target.called()
        await target.streams[0].end_stream()
        await target.streams[0].hang_up()
        with pytest.raises(TargetError) as raised:
            await calling
        assert (raised.value.code, raised.value.ran) == ("target_lost", Ran.UNKNOWN)
        again = begin(connector)
        number, call_id = await target.called(2)
        assert number == 1
        await target.say(number, {"id": call_id, "result": {}})
        await again

    run(scenario)


@pytest.mark.parametrize("status", [404, 410])
def test_a_session_that_the_target_forgot_comes_back_unseen(status: int) -> None:
    async def scenario(connector: McpSseConnector, target: SseTarget) -> None:
        await connector.features()
        await begin_and_end(connector, target)
        target.status = status
        calling = begin(connector)
        await until(lambda: len(target.said("tools/call")) == 2)
        target.status = 202
        number, call_id = await target.called(3)
        await target.say(number, {"id": call_id, "result": {}})
        assert (await calling).body == b"{}"

    run(scenario)


async def begin_and_end(connector: McpSseConnector, target: SseTarget) -> None:
    calling = begin(connector)
    number, call_id = await target.called(len(target.said("tools/call")) + 1)
    await target.say(number, {"id": call_id, "result": {}})
    await calling


@pytest.mark.parametrize(
    ("status", "ran"), [(400, Ran.NO), (403, Ran.NO), (413, Ran.NO), (500, Ran.UNKNOWN)]
)
def test_a_message_that_is_turned_down_fails_its_call(status: int, ran: Ran) -> None:
    async def scenario(connector: McpSseConnector, target: SseTarget) -> None:
        await begin_and_end(connector, target)
        target.status = status
        with pytest.raises(TargetError) as raised:
            await begin(connector)
        assert (raised.value.code, raised.value.ran) == ("target_protocol_error", ran)
        target.status = 202
        await begin_and_end(connector, target)
        assert len(target.streams) == 1

    run(scenario)


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://evil.example/messages",
        "//evil.example/messages",
        "https://localhost/messages",
        "http://localhost:1/messages",
        "http://user@localhost/messages",
        "http://[::1/messages",
        "ftp://localhost/x",
        "/a b",
        "/ä",
        "/" + "x" * 9000,
    ],
)
def test_an_endpoint_elsewhere_or_that_is_none_is_refused(endpoint: str) -> None:
    async def scenario(connector: McpSseConnector, target: SseTarget) -> None:
        target.endpoint = endpoint
        with pytest.raises(TargetError) as raised:
            await begin(connector)
        assert (raised.value.code, raised.value.ran) == ("target_unavailable", Ran.NO)
        assert "endpoint" in raised.value.detail
        assert target.posted == []
        assert not connector.status.is_ready

    run(scenario)


@pytest.mark.parametrize("form", ["relative", "absolute"])
def test_an_endpoint_may_be_relative_or_whole(form: str) -> None:
    async def scenario(connector: McpSseConnector, target: SseTarget) -> None:
        if form == "relative":
            target.endpoint = "messages?session={number}"
        else:
            base = target.http.url.removesuffix("/mcp")
            target.endpoint = base + "/messages?session={number}#fragment"
        await begin_and_end(connector, target)
        assert {seen.path for seen in target.http.seen if seen.method == "POST"} == {
            "/messages?session=0"
        }

    run(scenario)


@pytest.mark.parametrize(
    ("status", "kind", "detail"),
    [
        (401, "text/plain", "HTTP 401"),
        (503, "text/plain", "HTTP 503"),
        (200, "text/html", "no event stream"),
    ],
)
def test_what_is_no_stream_is_unavailable_and_says_why(status: int, kind: str, detail: str) -> None:
    async def scenario(connector: McpSseConnector, target: SseTarget) -> None:
        target.get_status, target.kind = status, kind
        with pytest.raises(TargetError) as raised:
            await begin(connector)
        assert (raised.value.code, raised.value.ran) == ("target_unavailable", Ran.NO)
        assert detail in raised.value.detail

    run(scenario)


def test_a_stream_that_never_names_an_endpoint_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mcp_sse, "OPENING_SECONDS", 0.2)

    async def scenario(connector: McpSseConnector, target: SseTarget) -> None:
        target.is_greeting = False
        with pytest.raises(TargetError, match="target_unavailable") as raised:
            await begin(connector)
        assert "no answer within" in raised.value.detail

    run(scenario)


def test_nothing_listens_there() -> None:
    async def scenario() -> None:
        settings = HttpTargetSettings(url="http://127.0.0.1:1/sse")
        connector = McpSseConnector("shop", settings, FakeClock())
        with pytest.raises(TargetError) as raised:
            await begin(connector)
        assert (raised.value.code, raised.value.ran) == ("target_unavailable", Ran.NO)
        await connector.close()

    asyncio.run(scenario())


def test_an_event_that_is_no_message_or_too_large_ends_the_stream() -> None:
    async def scenario(connector: McpSseConnector, target: SseTarget) -> None:
        for chunk in (b"data: {junk\n\n", b"data: " + b"x" * 5000 + b"\n\n"):
            calling = begin(connector)
            number, _ = await target.called(len(target.said("tools/call")) + 1)
            with suppress(ConnectionError):
                await target.streams[number].chunk(chunk)
            with pytest.raises(TargetError) as raised:
                await calling
            assert (raised.value.code, raised.value.ran) == ("target_lost", Ran.UNKNOWN)

    run(scenario, max_response_bytes=4096)


def test_subscriptions_are_taken_told_and_restored_without_being_asked() -> None:
    async def scenario(connector: McpSseConnector, target: SseTarget) -> None:
        beyond = FakeCaller()
        tool = method_tool("shop", "resources/subscribe")
        more: dict[str, Any] = {
            "tool": tool,
            "params": b'{"uri":"x"}',
            "beyond": beyond,
            "log_level": "info",
        }
        assert (await begin(connector, **more)).body == b"{}"
        note = {"method": "notifications/resources/updated", "params": {"uri": "x"}}
        await target.say(0, note)
        await until(lambda: len(beyond.told) == 1)
        await target.streams[0].end_stream()
        await target.streams[0].hang_up()
        await until(lambda: len(target.said("resources/subscribe")) == 2)
        await until(lambda: [n for n, _ in target.said("logging/setLevel")] == [0, 1])
        assert target.said("resources/subscribe")[-1][0] == 1
        await target.say(1, note)
        await until(lambda: len(beyond.told) == 2)

    run(scenario)


async def begin_too_long(connector: McpSseConnector, target: SseTarget) -> None:
    """A call that reaches the target and is not answered in time."""
    calling = begin(connector, timeout_seconds=30.0)
    await target.called()
    let_pass(connector._pipes._faults.deadlines, 31.0)
    with pytest.raises(TargetError, match="target_timeout"):
        await calling


def test_a_stream_that_answers_nothing_any_more_is_replaced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mcp_sse, "PING_SECONDS", 0.1)

    async def scenario(connector: McpSseConnector, target: SseTarget) -> None:
        await begin_too_long(connector, target)
        await until(lambda: getattr(target.streams[0], "is_gone", False))
        assert target.said("ping")[0][0] == 0
        await begin_and_end(connector, target)
        assert target.said("tools/call")[-1][0] > 0

    run(scenario)


def test_a_stream_that_answers_a_ping_stays() -> None:
    async def scenario(connector: McpSseConnector, target: SseTarget) -> None:
        await begin_too_long(connector, target)
        await until(lambda: len(target.said("ping")) == 1)
        number, ping = target.said("ping")[0]
        await target.say(number, {"id": ping["id"], "error": {"code": -32601, "message": "no"}})
        await begin_and_end(connector, target)
        assert len(target.streams) == 1

    run(scenario)


def test_a_released_session_hangs_up() -> None:
    async def scenario(connector: McpSseConnector, target: SseTarget) -> None:
        await begin_and_end(connector, target)
        await connector.release("ada")
        await until(lambda: getattr(target.streams[0], "is_gone", False))
        await begin_and_end(connector, target)
        assert len(target.streams) == 2

    run(scenario)


def test_a_change_of_the_tools_is_announced() -> None:
    async def scenario(connector: McpSseConnector, target: SseTarget) -> None:
        heard: list[str] = []
        forget = connector.on_change(heard.append)
        await connector.features()
        await target.say(0, {"method": "notifications/tools/list_changed"})
        await until(lambda: heard == ["tools"])
        forget()

    run(scenario)


def test_a_flood_of_pings_is_answered_within_bounds() -> None:
    async def scenario(connector: McpSseConnector, target: SseTarget) -> None:
        await connector.features()
        pings = "".join(
            f'data: {{"id":{number},"method":"ping"}}\n\n' for number in range(1000)
        ).encode()
        await target.streams[0].chunk(pings)
        await begin_and_end(connector, target)
        assert 0 < len(target.answers()) <= 1000
        assert target.http.connections <= mcp_sse.MAX_SAYING + 10

    run(scenario)


def test_the_messages_are_json() -> None:
    async def scenario(connector: McpSseConnector, target: SseTarget) -> None:
        await connector.features()
        posts = [seen for seen in target.http.seen if seen.method == "POST"]
        assert {seen.headers["content-type"] for seen in posts} == {"application/json"}
        assert json.loads(posts[0].body)["params"]["protocolVersion"] == "2025-11-25"

    run(scenario)


def test_headers_that_interceptors_want_sent_go_with_the_call_alone() -> None:
    async def scenario(connector: McpSseConnector, target: SseTarget) -> None:
        calling = begin(connector, headers={"x-tenant": "a", "x-other": "b"})
        number, request_id = await target.called()
        await target.say(number, {"id": request_id, "result": {}})
        await calling
        carrying = [seen.rpc for seen in target.http.seen if "x-tenant" in seen.headers]
        assert carrying == ["tools/call"]
        assert not [seen for seen in target.http.seen if "x-other" in seen.headers]

    run(scenario, pass_headers=["x-tenant"])
