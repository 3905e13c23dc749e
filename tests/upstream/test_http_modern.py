"""A modern target hears what this client offers and wants, and its refusals are read."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from callgate.model import NOTHING, Offer, Ran, Reply
from callgate.protocol.eras import META_CAPABILITIES, META_LOG_LEVEL
from callgate.protocol.headers import mirrored
from fakes.calls import a_tool
from fakes.http_calls import (
    HeldCaller,
    a_connector,
    a_method,
    a_request,
    an_offer,
    call,
    connected,
    faults,
)
from fakes.http_target import DONE, HttpTarget, Modern, Seen, Talk, modern
from fakes.target import FakeCaller


def test_each_request_declares_what_its_own_client_offers_and_the_level_it_wants() -> None:
    async def scenario() -> None:
        async with connected(Modern(answer_anything)) as (http, connector):
            for request in (
                a_request(offer=an_offer("elicitation"), log_level="info"),
                a_request(offer=an_offer("sampling", "roots")),
                a_request(),
            ):
                await connector.call(request, FakeCaller())
            metas = [s.message["params"]["_meta"] for s in http.seen if s.rpc == "tools/call"]
            assert [meta[META_CAPABILITIES] for meta in metas] == [
                {"elicitation": {}},
                {"sampling": {}, "roots": {}},
                {},
            ]
            assert [meta.get(META_LOG_LEVEL) for meta in metas] == ["info", None, None]

    asyncio.run(scenario())


async def answer_anything(seen: Seen, talk: Talk) -> None:
    await talk.result(seen, {"resultType": "complete"})


@pytest.mark.parametrize(
    ("method", "params", "name"),
    [
        ("resources/read", {"uri": "file:///é"}, "=?base64?ZmlsZTovLy/DqQ==?="),
        ("prompts/get", {"name": "p"}, "p"),
        ("tasks/get", {"taskId": "t"}, "t"),
        ("prompts/list", {}, None),
        ("completion/complete", {"ref": {"type": "ref/prompt", "name": "p"}}, None),
    ],
)
def test_any_method_is_routed_by_its_headers(
    method: str, params: dict[str, Any], name: str | None
) -> None:
    async def scenario() -> None:
        async with connected(Modern(answer_anything)) as (http, connector):
            await connector.call(a_method(method, params), FakeCaller())
            sent = http.seen[-1]
            assert sent.headers["mcp-method"] == sent.rpc == method
            assert sent.headers.get("mcp-name") == name
            assert {k: v for k, v in sent.message["params"].items() if k != "_meta"} == params

    asyncio.run(scenario())


def test_arguments_that_the_tool_mirrors_travel_as_headers_too() -> None:
    schema = {
        "type": "object",
        "properties": {
            "region": {"type": "string", "x-mcp-header": "Region"},
            "deep": {
                "type": "object",
                "properties": {"n": {"type": "integer", "x-mcp-header": "Count"}},
            },
            "absent": {"type": "boolean", "x-mcp-header": "Absent"},
        },
    }

    async def scenario() -> None:
        tool = a_tool(name="echo", schema=schema)
        assert tool.mirrored == mirrored(schema)
        arguments = '{"region":"Zürich\\r\\nX: 1","deep":{"n":7}}'.encode()
        _, target = await call(Modern(), a_request(tool=tool, arguments=arguments))
        headers = target.seen[-1].headers
        assert headers["mcp-param-region"] == "=?base64?WsO8cmljaA0KWDogMQ==?="
        assert headers["mcp-param-count"] == "7"
        assert "mcp-param-absent" not in headers

    asyncio.run(scenario())


def test_calls_of_one_tool_begin_alike_but_for_what_is_their_own() -> None:
    schema = {"type": "object", "properties": {"r": {"type": "string", "x-mcp-header": "Region"}}}
    mirroring = a_tool(name="a", schema=schema)

    async def scenario() -> None:
        async with connected(Modern(), pass_headers=["x-tenant"]) as (http, connector):
            for request in (
                a_request("a"),
                a_request("a", headers={"x-tenant": "t"}),
                a_request("a", tool=mirroring, arguments=b'{"r":"eu"}'),
                a_request("b"),
                a_request("a"),
            ):
                await connector.call(request, FakeCaller())
            names = ("mcp-name", "x-tenant", "mcp-param-region")
            sent = [seen.headers for seen in http.seen if seen.rpc == "tools/call"]
            assert [tuple(map(headers.get, names)) for headers in sent] == [
                ("a", None, None),
                ("a", "t", None),
                ("a", None, "eu"),
                ("b", None, None),
                ("a", None, None),
            ]

    asyncio.run(scenario())


@pytest.mark.parametrize("kind", ["input_required", "task"])
def test_a_result_that_is_not_the_end_is_returned_as_it_is(kind: str) -> None:
    async def scenario() -> None:
        async def answer(seen: Seen, talk: Talk) -> None:
            await talk.result(seen, {"resultType": kind, "requestState": "s"})

        reply, _ = await call(modern(answer), a_request())
        body = f'{{"resultType": "{kind}", "requestState": "s"}}'.encode()
        assert reply == Reply(body=body, kind=kind)

    asyncio.run(scenario())


ELICITATION_FORM = Offer(capabilities={"elicitation": {"form": {}}}, digest="form")


@pytest.mark.parametrize(
    ("offer", "required", "is_passed_on"),
    [
        (NOTHING, {"elicitation": {}}, True),
        (an_offer("roots"), {"roots": {}, "sampling": {}}, True),
        (an_offer("sampling"), {"sampling": {"tools": {}}}, True),
        (an_offer("elicitation"), {"elicitation": {"url": {}}}, True),
        (ELICITATION_FORM, {"elicitation": {"url": {}}}, True),
        (an_offer("elicitation"), {"elicitation": {}}, False),
        (an_offer("elicitation"), {"elicitation": {"form": {}}}, False),
        (ELICITATION_FORM, {"elicitation": {}}, False),
        (NOTHING, {}, False),
        (NOTHING, None, False),
        (NOTHING, ["elicitation"], False),
    ],
)
def test_a_client_learns_which_capability_it_lacks(
    offer: Offer, required: Any, is_passed_on: bool
) -> None:
    async def answer(seen: Seen, talk: Talk) -> None:
        await talk.error(seen, -32021, status=400, data={"requiredCapabilities": required})

    async def scenario() -> None:
        reply, _ = await call(modern(answer), a_request(offer=offer))
        assert reply.is_error
        error = json.loads(reply.body)
        assert error["code"] == -32021
        assert error["data"] == {"requiredCapabilities": required}

    if is_passed_on:
        asyncio.run(scenario())
    else:
        fault = faults(asyncio.run, modern(answer), offer=offer)
        assert (fault.code, fault.ran) == ("target_protocol_error", Ran.NO)


@pytest.mark.parametrize("code", [-32020, -32021, -32022])
def test_what_is_between_the_target_and_the_gateway_is_a_fault(code: int) -> None:
    async def answer(seen: Seen, talk: Talk) -> None:
        await talk.error(seen, code, status=400)

    fault = faults(asyncio.run, modern(answer))
    assert (fault.code, fault.ran) == ("target_protocol_error", Ran.NO)


def test_headers_that_the_target_finds_wrong_have_the_tools_listed_again() -> None:
    async def scenario() -> None:
        async def answer(seen: Seen, talk: Talk) -> None:
            await talk.error(seen, -32020, status=400)

        async with HttpTarget(modern(answer)) as target:
            changed: list[str] = []
            connector = a_connector(target)
            connector.on_change(changed.append)
            with pytest.raises(Exception, match="target_protocol_error"):
                await connector.call(a_request(), FakeCaller())
            assert changed == ["tools"]
            await connector.close()

    asyncio.run(scenario())


def test_a_modern_target_may_not_ask_during_a_call() -> None:
    async def answer(_seen: Seen, talk: Talk) -> None:
        await talk.stream()
        await talk.event({"jsonrpc": "2.0", "id": 1, "method": "elicitation/create"})
        await talk.until_peer_hangs_up()

    fault = faults(asyncio.run, modern(answer), offer=an_offer("elicitation"))
    assert fault.code == "target_protocol_error"


def test_a_slow_caller_has_the_target_wait_and_nothing_is_lost() -> None:
    notes = 600

    async def scenario() -> None:
        is_written = asyncio.Event()

        async def chatter(seen: Seen, talk: Talk) -> None:
            token = seen.message["params"]["_meta"]["progressToken"]
            await talk.stream()
            for number in range(notes):
                params = {"progressToken": token, "progress": number, "message": "x" * 65_536}
                await talk.event({"method": "notifications/progress", "params": params})
            is_written.set()
            await talk.event({"jsonrpc": "2.0", "id": seen.message["id"], "result": DONE})
            await talk.end_stream()

        caller = HeldCaller()
        caller.may_read.clear()
        room = 64 << 20
        async with connected(Modern(chatter), max_response_bytes=room) as (_, connector):
            request = a_request(wants_progress=True, progress_token="mine", timeout_seconds=30)
            waiting = asyncio.ensure_future(connector.call(request, caller))
            await caller.is_told.wait()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(is_written.wait(), 0.2)
            caller.may_read.set()
            assert json.loads((await waiting).body) == DONE
            assert [params["progress"] for _, params in caller.told] == list(range(notes))

    asyncio.run(scenario())
