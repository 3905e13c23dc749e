"""Targets over streamable HTTP: both eras, every byte of meaning, every way to fail."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
import uvloop
from pydantic import ValidationError

from callgate.model import Era, Features, Json, Ran, Reply
from callgate.ports import TargetError, TargetRequest
from callgate.protocol.eras import META_CAPABILITIES, META_CLIENT, META_VERSION
from callgate.upstream import http_dialogue, http_listening
from callgate.upstream.faults import Faults
from callgate.upstream.mcp_http import HttpTargetSettings, McpHttpConnector
from fakes.clock import FakeClock
from fakes.http_calls import (
    ANSWER,
    Run,
    a_connector,
    a_method,
    a_request,
    an_offer,
    call,
    faults,
    until,
)
from fakes.http_target import (
    DISCOVERED,
    DONE,
    HttpTarget,
    Seen,
    Talk,
    done,
    legacy,
    modern,
)
from fakes.passing import let_pass
from fakes.sdk_target import sdk_target, suite_target
from fakes.target import OK, FakeCaller, FakeConnector


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    return uvloop.run if request.param == "uvloop" else asyncio.run


def test_a_modern_target_is_called_with_the_whole_envelope_and_its_headers(run: Run) -> None:
    async def scenario() -> None:
        meta: dict[str, Json] = {
            "traceparent": "00-1-2-3",
            "vendor/key": {"a": 1},
            META_CLIENT: {"name": "spoof"},
            "progressToken": "spoof",
        }
        reply, target = await call(modern(done), a_request(meta=meta, name="écho"))
        assert json.loads(reply.body) == DONE
        assert target.rpcs() == ["server/discover", "tools/call"]
        sent = target.seen[1]
        assert sent.headers["mcp-protocol-version"] == "2026-07-28"
        assert sent.headers["mcp-method"] == "tools/call"
        assert sent.headers["mcp-name"] == "=?base64?w6ljaG8=?="
        assert "mcp-session-id" not in sent.headers
        params = sent.message["params"]
        assert params["name"] == "écho"
        assert params["arguments"] == {"text": "hi"}
        assert params["_meta"][META_VERSION] == "2026-07-28"
        assert params["_meta"][META_CAPABILITIES] == {}
        assert params["_meta"][META_CLIENT]["name"] == "callgate"
        assert params["_meta"]["traceparent"] == "00-1-2-3"
        assert params["_meta"]["vendor/key"] == {"a": 1}
        assert "progressToken" not in params["_meta"]

    run(scenario())


def test_a_legacy_target_is_called_in_a_session(run: Run) -> None:
    async def scenario() -> None:
        reply, target = await call(legacy(done), a_request(meta={"traceparent": "x"}))
        assert json.loads(reply.body) == DONE
        assert target.rpcs() == [
            "server/discover",
            "initialize",
            "notifications/initialized",
            "tools/call",
            "DELETE",
        ]
        assert "mcp-session-id" not in target.seen[1].headers
        assert target.seen[1].message["params"]["protocolVersion"] == "2025-11-25"
        for later in target.seen[2:]:
            assert later.headers["mcp-session-id"] == "s-1"
            assert later.headers["mcp-protocol-version"] == "2025-11-25"
        assert target.seen[3].message["params"]["_meta"] == {"traceparent": "x"}

    run(scenario())


def test_arguments_and_results_travel_byte_for_byte(run: Run) -> None:
    result = (
        b'{ "resultType":"complete","content":[], "structuredContent":null,'
        b'"x":1.50,"big":123456789012345678901234567890,"e":"\\u00e9"}'
    )
    arguments = b'{"b": 1.0, "a":[1,  2],"big":123456789012345678901}'

    async def scenario() -> None:
        async def raw(seen: Seen, talk: Talk) -> None:
            assert b'"arguments":' + arguments in seen.body
            request_id = str(seen.message["id"]).encode()
            await talk.respond(
                200, b'{"result":' + result + b' , "id":' + request_id + b',"jsonrpc":"2.0"}\n'
            )

        for era in (modern, legacy):
            reply, _ = await call(era(raw), a_request(arguments=arguments))
            kind = "complete" if era is modern else None  # the handshake era knows no kinds
            assert reply == Reply(body=result, kind=kind)

    run(scenario())


def test_an_error_of_the_target_is_its_reply(run: Run) -> None:
    async def scenario() -> None:
        async def no(seen: Seen, talk: Talk) -> None:
            await talk.error(seen, -32602, status=400, data={"why": "no"})

        for era in (modern, legacy):
            reply, _ = await call(era(no))
            assert reply.is_error
            assert json.loads(reply.body) == {
                "code": -32602,
                "message": "no",
                "data": {"why": "no"},
            }

    run(scenario())


def test_progress_goes_to_the_caller_under_its_own_token(run: Run) -> None:
    async def scenario() -> None:
        async def progress(seen: Seen, talk: Talk) -> None:
            token = seen.message["params"]["_meta"]["progressToken"]
            assert token != "mine"
            await talk.stream()
            for params in (
                {"progressToken": token, "progress": 1, "message": "half"},
                {"progressToken": "another's", "progress": 9},
            ):
                note = {"jsonrpc": "2.0", "method": "notifications/progress", "params": params}
                await talk.event(note)
            log = {"method": "notifications/message", "params": {"level": "info", "data": 1}}
            await talk.event(log)
            await talk.event({"method": "notifications/unknown"})
            await talk.event({"jsonrpc": "2.0", "id": seen.message["id"], "result": DONE})
            await talk.end_stream()

        for era in (modern, legacy):
            caller = FakeCaller()
            request = a_request(wants_progress=True, progress_token="mine")
            reply, _ = await call(era(progress), request, caller)
            assert json.loads(reply.body) == DONE
            assert caller.told == [
                (
                    "notifications/progress",
                    {"progressToken": "mine", "progress": 1, "message": "half"},
                ),
                ("notifications/message", {"level": "info", "data": 1}),
            ]

    run(scenario())


def test_a_target_that_is_not_there_did_not_run(run: Run) -> None:
    async def scenario() -> None:
        settings = HttpTargetSettings(url="http://127.0.0.1:1/mcp")
        connector = McpHttpConnector("shop", settings, FakeClock())
        with pytest.raises(TargetError) as raised:
            await connector.call(a_request(), FakeCaller())
        assert (raised.value.code, raised.value.ran) == ("target_unavailable", Ran.NO)
        assert not connector.status.is_ready
        assert "refused" in connector.status.detail.lower()
        await connector.close()

    run(scenario())


def test_a_target_that_hangs_up_during_the_call_is_lost(run: Run) -> None:
    async def answer(_seen: Seen, talk: Talk) -> None:
        await talk.hang_up()

    for era in (modern, legacy):
        fault = faults(run, era(answer))
        assert (fault.code, fault.ran) == ("target_lost", Ran.UNKNOWN)


def test_a_target_that_hangs_up_at_the_opening_did_not_run(run: Run) -> None:
    async def answer(_seen: Seen, talk: Talk) -> None:
        await talk.hang_up()

    fault = faults(run, answer)
    assert (fault.code, fault.ran) == ("target_unavailable", Ran.NO)


def test_closing_while_a_call_is_in_flight_loses_it(run: Run) -> None:
    async def scenario() -> None:
        arrived = asyncio.Event()

        async def hang(_seen: Seen, talk: Talk) -> None:
            arrived.set()
            await talk.until_peer_hangs_up()

        for era in (modern, legacy):
            arrived.clear()
            async with HttpTarget(era(hang)) as target:
                connector = a_connector(target)
                task = asyncio.ensure_future(connector.call(a_request(), FakeCaller()))
                await arrived.wait()
                await connector.close()
                with pytest.raises(TargetError) as raised:
                    await task
                assert (raised.value.code, raised.value.ran) == ("target_lost", Ran.UNKNOWN)
                with pytest.raises(TargetError) as raised:
                    await connector.call(a_request(), FakeCaller())
                assert raised.value.ran is Ran.NO

    run(scenario())


def test_all_pages_are_listed_in_order_with_the_shortest_lifetime(run: Run) -> None:
    async def scenario() -> None:
        pages = {
            None: {"tools": [{"name": "a"}, 7], "nextCursor": "1", "ttlMs": 9000},
            "1": {"tools": [{"name": "b"}], "nextCursor": "2", "ttlMs": 3000},
            "2": {"tools": []},
        }

        async def answer(seen: Seen, talk: Talk) -> None:
            if seen.rpc == "server/discover":
                await talk.result(seen, DISCOVERED)
            else:
                await talk.result(seen, pages[seen.message["params"].get("cursor")])

        async with HttpTarget(answer) as target:
            connector = a_connector(target)
            listing = await connector.list_tools()
            assert listing.tools == ({"name": "a"}, {}, {"name": "b"})
            assert listing.ttl_seconds == 3.0
            assert connector.status.tools == 3
            await connector.close()

    run(scenario())


@pytest.mark.parametrize(
    "page",
    [{"tools": [], "nextCursor": "same"}, {"tools": [], "nextCursor": 7}, {"tools": {}}, {}],
)
def test_a_list_without_end_or_shape_is_a_fault(run: Run, page: dict[str, Any]) -> None:
    async def scenario() -> None:
        async def answer(seen: Seen, talk: Talk) -> None:
            await talk.result(seen, DISCOVERED if seen.rpc == "server/discover" else page)

        async with HttpTarget(answer) as target:
            connector = a_connector(target)
            with pytest.raises(TargetError, match="target_protocol_error"):
                await connector.list_tools()
            await connector.close()

    run(scenario())


def test_a_change_of_the_tools_is_announced(run: Run) -> None:
    async def scenario() -> None:
        async def changes(seen: Seen, talk: Talk) -> None:
            await talk.stream()
            await talk.event({"method": "notifications/tools/list_changed"})
            await talk.event({"jsonrpc": "2.0", "id": seen.message["id"], "result": DONE})
            await talk.end_stream()

        async with HttpTarget(legacy(changes)) as target:
            connector = a_connector(target)
            changed: list[str] = []
            connector.on_change(changed.append)
            await connector.call(a_request(), FakeCaller())
            assert changed == ["tools"]
            await connector.close()

    run(scenario())


def test_configured_headers_go_with_every_request_and_stay_out_of_sight(run: Run) -> None:
    async def scenario() -> None:
        async with HttpTarget(legacy(done)) as target:
            connector = a_connector(target, headers={"Authorization": "Bearer s3cret"})
            await connector.call(a_request(), FakeCaller())
            await connector.close()
            assert {seen.headers.get("authorization") for seen in target.seen} == {"Bearer s3cret"}

    run(scenario())
    settings = HttpTargetSettings(url="http://x/", headers={"Authorization": "Bearer s3cret"})
    assert "s3cret" not in repr(settings)


@pytest.mark.parametrize(
    "settings", [{}, {"json_response": True}, {"stateless_http": True}], ids=str
)
@pytest.mark.parametrize("era", list(Era))
def test_the_sdks_own_server_is_served(
    era: Era, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    if era is Era.LEGACY:  # it speaks both: have it taken for one that does not
        monkeypatch.setattr(http_dialogue, "era_over_http", lambda _status, _message: era)

    async def scenario() -> None:
        begun: list[str] = []
        cancelled: list[str] = []
        async with sdk_target(begun, cancelled, **settings) as url:
            connector = McpHttpConnector("sdk", HttpTargetSettings(url=url), FakeClock())
            listing = await connector.list_tools()
            assert [tool["name"] for tool in listing.tools] == ["add", "steps", "hang"]
            assert connector.status.era == era.value
            request = a_request(name="add", arguments=b'{"a":1,"b":2}')
            reply = await connector.call(request, FakeCaller())
            assert json.loads(reply.body)["structuredContent"] == {"result": 3}
            caller = FakeCaller()
            request = a_request(
                name="steps", arguments=b'{"n":2}', wants_progress=True, progress_token="mine"
            )
            await connector.call(request, caller)
            if "json_response" not in settings:
                assert [params["progressToken"] for _, params in caller.told] == ["mine"] * 2
            request = a_request(name="hang", arguments=b"{}")
            waiting = asyncio.ensure_future(connector.call(request, FakeCaller()))
            await until(lambda: begun == ["hang"])
            let_pass(connector._faults.deadlines, 31.0)
            with pytest.raises(TargetError, match="target_timeout"):
                await waiting
            # A hung-up connection is noticed where it streams, a notification where it has sessions.
            deaf = "json_response" if era is Era.MODERN else "stateless_http"
            if deaf not in settings:
                await until(lambda: cancelled == ["hang"])
            await connector.close()

    asyncio.run(scenario())


async def everything(connector: McpHttpConnector, era: Era) -> None:
    """What a client of either era wants from a target."""
    client, beyond = FakeCaller(), FakeCaller()
    offer = an_offer("elicitation", "sampling", "roots")
    mine: dict[str, Any] = {"offer": offer, "beyond": beyond, "log_level": "warning"}
    changed: list[str] = []
    connector.on_change(changed.append)
    assert (await connector.features(offer)).era is era
    names = [tool["name"] for tool in (await connector.list_tools(offer)).tools]
    assert "ask_elicitation" in names
    [watched] = [
        one["uri"]
        for one in await read(connector, a_method("resources/list", {}, **mine), "resources")
        if "watched" in one["uri"]
    ]
    reply = await connector.call(a_request("ask_elicitation", b"{}", **mine), client)
    if era is Era.MODERN:
        assert reply.kind == "input_required"
        assert client.asked == []
    else:
        assert [method for method, _ in client.asked] == ["elicitation/create"]
        client.answers = [ANSWER]
        reply = await connector.call(a_request("ask_elicitation", b"{}", **mine), client)
        assert json.loads(reply.body)["structuredContent"]["content"] == {"name": "Ada"}

    subscribe = a_method("resources/subscribe", {"uri": watched}, **mine)
    assert not (await connector.call(subscribe, client)).is_error
    await connector.call(a_request("update_resource", b"{}", **mine), client)
    await until(lambda: ("notifications/resources/updated", {"uri": watched}) in beyond.told)
    await connector.call(a_request("end_subscriptions", b"{}", **mine), client)
    heard = len(beyond.told)
    await connector.call(a_request("update_resource", b"{}", **mine), client)
    await until(lambda: len(beyond.told) > heard)  # replayed, or said to have been missed

    await connector.call(a_request("log_at", b"{}", **mine), client)
    logged = [params["level"] for method, params in client.told if method.endswith("/message")]
    assert logged == ["warning", "error", "critical", "alert", "emergency"]
    changed.clear()
    await connector.call(a_request("notify_changes", b"{}", **mine), client)
    await until(lambda: set(changed) == {"tools", "prompts", "resources"})
    await connector.release("ada")


async def read(connector: McpHttpConnector, request: TargetRequest, what: str) -> Any:
    return json.loads((await connector.call(request, FakeCaller())).body)[what]


@pytest.mark.parametrize("era", list(Era))
def test_a_whole_server_of_either_era_is_bridged(era: Era, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_listening, "FIRST_PAUSE_SECONDS", 0.05)

    async def scenario() -> None:
        async with suite_target(era.value) as url:
            connector = McpHttpConnector("suite", HttpTargetSettings(url=url), FakeClock())
            await connector.start()
            await everything(connector, era)
            await connector.close()

    asyncio.run(scenario())


async def only_sse(_seen: Seen, talk: Talk) -> None:
    await talk.respond(405)


def test_a_target_that_turns_the_handshake_down_is_left_to_the_older_transport(run: Run) -> None:
    async def scenario() -> None:
        older = FakeConnector(said=Features(era=Era.LEGACY, version="2024-11-05"))
        made: list[FakeConnector] = []

        def make() -> FakeConnector:
            made.append(older)
            return older

        async with HttpTarget(only_sse) as target:
            settings = HttpTargetSettings(url=target.url)
            connector = McpHttpConnector("shop", settings, FakeClock(), make)
            changed: list[str] = []
            connector.on_change(changed.append)
            assert (await connector.features()).version == "2024-11-05"
            request = a_request()
            assert (await connector.call(request, FakeCaller())).body == OK
            assert older.asked == [request]
            assert (await connector.list_tools()).tools == ()
            assert connector.status == older.status
            older.listeners[0]("tools")
            assert changed == ["tools"]
            await connector.release("ada")
            assert older.released == ["ada"]
            assert target.rpcs() == ["server/discover", "initialize"]
            assert len(made) == 1
            await connector.close()

    run(scenario())


def test_an_older_target_that_is_gone_is_asked_again_what_it_is(run: Run) -> None:
    async def scenario() -> None:
        older = FakeConnector()
        now: Any = only_sse

        async def answer(seen: Seen, talk: Talk) -> None:
            await now(seen, talk)

        async with HttpTarget(answer) as target:
            settings = HttpTargetSettings(url=target.url)
            connector = McpHttpConnector("shop", settings, FakeClock(), lambda: older)
            older.error = Faults("shop").timeout(1, is_sent=True)
            with pytest.raises(TargetError, match="target_timeout"):
                await connector.call(a_request(), FakeCaller())
            older.error = Faults("shop").unavailable("gone")
            with pytest.raises(TargetError, match="target_unavailable"):
                await connector.call(a_request(), FakeCaller())
            assert not connector.status.is_ready
            now = modern(done)
            assert json.loads((await connector.call(a_request(), FakeCaller())).body) == DONE
            assert connector.status.era == "modern"
            await connector.close()

    run(scenario())


@pytest.mark.parametrize(
    "settings",
    [
        {"url": "ftp://x/"},
        {"url": "https://"},
        {"url": "https://user:pw@x/"},
        {"url": "https://x/#f"},
        {"url": "https://x/a b"},
        {"url": "https://bücher.example/"},
        {"url": "https://x:99999/"},
        {"url": "https://x/", "headers": {"Host": "y"}},
        {"url": "https://x/", "headers": {"Mcp-Name": "y"}},
        {"url": "https://x/", "headers": {"a b": "y"}},
        {"url": "https://x/", "headers": {"X": "y\r\nZ: 1"}},
        {"url": "https://x/", "pass_headers": ["Cookie"]},
        {"url": "https://x/", "pass_headers": ["a b"]},
        {"url": "https://x/", "timeout_seconds": 0},
        {"url": "https://x/", "unknown": 1},
    ],
)
def test_settings_that_cannot_work_are_errors(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        HttpTargetSettings(**settings)


WANTED = {"x-tenant": "a", "authorization": "Bearer hers", "x-other": "b", "cookie": "c"}


@pytest.mark.parametrize("era", [modern, legacy])
def test_headers_that_interceptors_want_sent_go_with_the_call_alone(run: Run, era: Any) -> None:
    async def scenario() -> None:
        async with HttpTarget(era(done)) as target:
            connector = a_connector(
                target,
                headers={"Authorization": "Bearer ours"},
                pass_headers=["X-Tenant", "Authorization"],
            )
            for wanted in (WANTED, {}):
                await connector.call(a_request(headers=wanted), FakeCaller())
            await connector.close()
            called = [seen.headers for seen in target.seen if seen.rpc == "tools/call"]
            assert (called[0]["x-tenant"], called[0]["authorization"]) == ("a", "Bearer hers")
            others = [seen.headers for seen in target.seen if seen.rpc != "tools/call"]
            for headers in (called[1], *others):
                assert headers["authorization"] == "Bearer ours" and "x-tenant" not in headers
            assert not [seen for seen in target.seen if {"x-other", "cookie"} & set(seen.headers)]

    run(scenario())


def test_no_header_is_passed_on_unless_it_is_named(run: Run) -> None:
    async def scenario() -> None:
        _, target = await call(modern(done), a_request(headers=WANTED))
        assert not [seen for seen in target.seen if set(WANTED) & set(seen.headers)]

    run(scenario())


def test_a_header_that_cannot_be_sent_is_no_fault_of_the_target(run: Run) -> None:
    async def scenario() -> None:
        async with HttpTarget(modern(done)) as target:
            connector = a_connector(target, pass_headers=["x-tenant"])
            await connector.call(a_request(), FakeCaller())
            with pytest.raises(TargetError) as raised:
                await connector.call(a_request(headers={"x-tenant": "a\r\nb"}), FakeCaller())
            await connector.call(a_request(), FakeCaller())
            await connector.close()
            assert (raised.value.code, raised.value.ran) == ("interceptor_failed", Ran.NO)
            assert target.rpcs() == ["server/discover", "tools/call", "tools/call"]
            assert connector.status.is_ready

    run(scenario())


def test_that_a_callers_token_may_be_passed_on_is_said(
    caplog: pytest.LogCaptureFixture, run: Run
) -> None:
    async def scenario() -> None:
        async with HttpTarget(modern(done)) as target:
            for names in (["x-tenant"], ["authorization"]):
                connector = a_connector(target, pass_headers=names)
                await connector.start()
                await connector.close()

    run(scenario())
    assert [record.getMessage().partition(";")[0] for record in caplog.records] == [
        "target shop: interceptors may send it `authorization`"
    ]
