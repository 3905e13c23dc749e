"""The way to an interceptor server: its list kept for a while, its faults told apart."""

import asyncio
from typing import Any

import msgspec
import pytest

from callgate.interceptors.mcp_descriptors import McpError
from callgate.interceptors.mcp_host import EXTENSION, Host
from callgate.interceptors.mcp_settings import McpSettings
from callgate.model import Era, Features, Ran, Reply
from callgate.ports import Caller, TargetError, TargetRequest, Unanswerable
from fakes.clock import FakeClock
from fakes.target import FakeConnector

HOOKS = [{"events": ["tools/call"], "phase": "request"}]
LISTED = {"interceptors": [{"name": "a", "type": "validation", "hooks": HOOKS}]}


class Server(FakeConnector):
    """Answers what a test wants: a result, a JSON-RPC error as an int, or an exception."""

    def __init__(self, *answers: Any) -> None:
        super().__init__("scan", answer=self._say)
        self.said = Features(era=Era.MODERN, version="2026-07-28")
        self.answers = list(answers)

    async def _say(self, _: TargetRequest, caller: Caller) -> Reply:
        await caller.notify("notifications/message", {})
        with pytest.raises(Unanswerable):
            await caller.ask("sampling/createMessage", {})
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, Reply):
            return answer
        if isinstance(answer, int):
            body = {"code": answer, "message": "no", "data": {"reason": "timeout"}}
            if answer != -32603:
                del body["data"]
            return Reply(body=msgspec.json.encode(body), is_error=True)
        return Reply(body=msgspec.json.encode(answer))


def a_host(server: Server, clock: FakeClock | None = None, **more: Any) -> Host:
    settings = McpSettings.model_validate({"url": "http://x", **more})
    return Host(server, settings, (clock or FakeClock()).ticks)


def test_the_list_is_asked_for_once_by_many_with_the_extension_declared() -> None:
    server = Server(LISTED)

    async def scenario() -> None:
        host = a_host(server)
        found = await asyncio.gather(*(host.found(1.0) for _ in range(5)))
        assert {one.name for many in found for one in many} == {"a"}
        await host.close()

    asyncio.run(scenario())

    (request,) = server.asked
    assert (request.tool.method, request.params) == ("interceptors/list", b"{}")
    assert request.offer.capabilities == {"extensions": {EXTENSION: {}}}
    assert server.listeners == []


def test_a_change_that_is_announced_has_it_asked_for_again_also_while_it_is_asked() -> None:
    server = Server(LISTED)

    async def scenario() -> None:
        host = a_host(server)
        await host.found(1.0)
        server.listeners[0]("tools")
        await host.found(1.0)

        async def late(_: TargetRequest, __: Caller) -> Reply:
            server.listeners[0]("tools")
            return Reply(body=msgspec.json.encode(LISTED))

        server.answer = late
        server.listeners[0]("tools")
        await host.found(1.0)
        await host.found(1.0)

    asyncio.run(scenario())

    assert len(server.asked) == 4


@pytest.mark.parametrize("ttl", [5000, 5000.0, -1, "x", None, True])
def test_the_server_may_have_it_believed_for_less_time(ttl: Any) -> None:
    server, clock = Server({**LISTED, "ttlMs": ttl}), FakeClock()

    async def scenario() -> None:
        host = a_host(server, clock, refresh_seconds=60)
        await host.found(1.0)
        clock.advance(4.0)
        await host.found(1.0)
        clock.advance(2.0)
        await host.found(1.0)

    asyncio.run(scenario())

    assert len(server.asked) == (2 if ttl == 5000 else 1)


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        (-32000, TimeoutError, "error -32000: no"),
        (-32603, TimeoutError, "error -32603: no"),
        (-32602, McpError, "error -32602: no"),
        (-32601, McpError, "error -32601: no"),
        (TargetError("target_timeout", "r", ran=Ran.UNKNOWN), TimeoutError, "no answer to"),
        (TargetError("target_lost", "r", ran=Ran.UNKNOWN, detail="d"), McpError, "invoke: d"),
        (Reply(body=b'{"a":1,"a":2}'), McpError, "not JSON to rely on"),
        (Reply(body=b"{}", kind="input_required"), McpError, "which is no result"),
        (Reply(body=b"[" * 70_000 + b"]" * 70_000), McpError, "not JSON to rely on"),
    ],
)
def test_faults_are_told_apart(fault: Any, kind: type[Exception], words: str) -> None:
    async def scenario() -> None:
        host = a_host(Server(LISTED, fault, LISTED))
        await host.found(1.0)
        with pytest.raises(kind, match=words):
            await host.invoke(b"{}", 1.0, {})

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("fault", "asked"),
    [
        (-32602, 3),
        (TargetError("target_lost", "r", ran=Ran.UNKNOWN), 3),
        (TargetError("target_timeout", "r", ran=Ran.UNKNOWN), 2),
        (-32603, 2),
    ],
)
def test_where_another_server_may_have_taken_its_place_the_list_is_asked_for_again(
    fault: Any, asked: int
) -> None:
    server = Server(LISTED, fault, LISTED)

    async def scenario() -> None:
        host = a_host(server)
        await host.found(1.0)
        with pytest.raises((McpError, TimeoutError)):
            await host.invoke(b"{}", 1.0, {})
        await host.found(1.0)

    asyncio.run(scenario())

    assert len(server.asked) == asked


@pytest.mark.parametrize("fault", [-32601, TargetError("target_unavailable", "r", ran=Ran.NO)])
def test_a_list_that_cannot_be_had_is_a_failure_and_is_not_remembered(fault: Any) -> None:
    server = Server(fault, LISTED)

    async def scenario() -> None:
        host = a_host(server)
        with pytest.raises(McpError):
            await host.found(1.0)
        assert len(await host.found(1.0)) == 1

    asyncio.run(scenario())


def page(name: str, **more: Any) -> dict[str, Any]:
    return {"interceptors": [{"name": name, "type": "validation", "hooks": HOOKS}], **more}


def test_a_list_in_pages_is_read_to_its_end() -> None:
    server = Server(page("a", nextCursor="2"), page("b", nextCursor="3"), page("c"))

    async def scenario() -> None:
        host = a_host(server)
        assert [one.name for one in await host.found(1.0)] == ["a", "b", "c"]
        await host.close()

    asyncio.run(scenario())

    assert [request.params for request in server.asked] == [
        b"{}",
        b'{"cursor":"2"}',
        b'{"cursor":"3"}',
    ]


@pytest.mark.parametrize(
    "answers",
    [
        [page("a", nextCursor="2"), page("a")],
        [page("a", nextCursor="2"), {"interceptors": None}],
        [page("a", nextCursor="2"), []],
        [page("a", nextCursor=2)],
        [page("a", nextCursor="2"), -32603],
        [page(str(number), nextCursor=str(number)) for number in range(30)],
        [{"interceptors": [], "nextCursor": "again"}],
    ],
)
def test_a_list_that_is_not_read_to_its_end_is_none(answers: list[Any]) -> None:
    async def scenario() -> None:
        host = a_host(Server(*answers))
        with pytest.raises((McpError, TimeoutError)):
            await host.found(1.0)
        await host.close()

    asyncio.run(scenario())
