"""What an agent meets at the door: both eras, and every way to knock wrongly."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from callgate.downstream.http import words
from callgate.model import Reply
from callgate.pipeline.gateway import Gateway, Limits
from callgate.protocol.refusals import META_KEY
from fakes.agent import META, Agent
from fakes.calls import a_principal, a_tool
from fakes.gateway import a_gateway
from fakes.store import FakeCallStore
from fakes.target import FakeAuthenticator, FakeCatalog, FakeConnector, never

GOOD = {"customer": "c", "amount": 5}
CALL = {"name": "shop___refund", "arguments": GOOD}


def talk(
    scenario: Callable[[Agent], Awaitable[Any]], gateway: Gateway | None = None, **more: Any
) -> Any:
    async def run() -> Any:
        return await scenario(Agent(gateway or a_gateway(), **more))

    return asyncio.run(run())


def codes(gateway: Gateway) -> list[str | None]:
    assert isinstance(gateway.store, FakeCallStore)
    return [entry.code for entry in gateway.store.entries]


def asked(gateway: Gateway) -> list[Any]:
    connector = gateway.catalog.connector("shop")
    assert isinstance(connector, FakeConnector)
    return connector.asked


class TestModern:
    def test_discover_names_versions_and_capabilities(self) -> None:
        response = talk(lambda agent: agent.modern("server/discover"))

        result = response.json["result"]
        assert "2026-07-28" in result["supportedVersions"]
        assert (result["resultType"], result["cacheScope"]) == ("complete", "private")
        assert "mcp-session-id" not in response.headers

    def test_a_list_shows_qualified_names_and_is_private(self) -> None:
        result = talk(lambda agent: agent.modern("tools/list")).json["result"]

        assert [tool["name"] for tool in result["tools"]] == ["shop___refund"]
        assert (result["cacheScope"], result["resultType"]) == ("private", "complete")
        assert isinstance(result["ttlMs"], int)

    def test_a_targets_own_route_keeps_its_own_names(self) -> None:
        async def scenario(agent: Agent) -> tuple[Any, Any, Any]:
            listed = await agent.modern("tools/list", path="/mcp/shop")
            called = await agent.modern(
                "tools/call", {"name": "refund", "arguments": GOOD}, "/mcp/shop"
            )
            other = await agent.modern("tools/list", path="/mcp/nothing")
            return listed.json, called.json, other.status

        listed, called, other = talk(scenario)

        assert [tool["name"] for tool in listed["result"]["tools"]] == ["refund"]
        assert called["result"]["content"][0]["text"] == "done"
        assert other == 404

    def test_a_definition_passes_with_every_unknown_field(self) -> None:
        odd = a_tool(vendorField={"a": None}, annotations={"com.x": 1}, execution={"q": 1})

        (shown,) = talk(
            lambda agent: agent.modern("tools/list", path="/mcp/shop"), a_gateway(tools=(odd,))
        ).json["result"]["tools"]

        assert shown == odd.definition

    def test_a_call_returns_the_targets_result(self) -> None:
        result = talk(lambda agent: agent.modern("tools/call", CALL)).json["result"]

        assert result == {"resultType": "complete", "content": [{"type": "text", "text": "done"}]}

    def test_a_refused_call_is_a_tool_result_with_a_machine_readable_reason(self) -> None:
        response = talk(lambda agent: agent.modern("tools/call", CALL), a_gateway(policies=""))

        result = response.json["result"]
        assert (response.status, result["isError"]) == (200, True)
        assert result["_meta"][META_KEY]["code"] == "not_permitted"

    def test_an_unknown_tool_is_the_protocols_own_error(self) -> None:
        response = talk(lambda agent: agent.modern("tools/call", {**CALL, "name": "shop___x"}))

        assert (response.status, response.json["error"]["code"]) == (400, -32602)

    @pytest.mark.parametrize(
        ("method", "params", "headers", "status", "code"),
        [
            ("tools/call", CALL, {"mcp_name": "shop___other"}, 400, -32020),
            ("tools/call", CALL, {"mcp_name": ""}, 400, -32020),
            ("tools/call", CALL, {"mcp_method": "tools/list"}, 400, -32020),
            ("tools/list", {"_meta": {}}, {}, 400, -32602),
            ("tools/list", {"_meta": {**META, "io.modelcontextprotocol/protocolVersion": "2027-01-01"}},
             {"mcp_protocol_version": "2027-01-01"}, 400, -32022),
            ("tools/list", {}, {"mcp_protocol_version": "2025-11-25"}, 400, -32020),
            ("ping", {}, {}, 404, -32601),
            ("initialize", {}, {}, 404, -32601),
            ("resources/subscribe", {}, {}, 404, -32601),
            ("sampling/createMessage", {}, {}, 404, -32601),
            ("tools/call", {"name": 7}, {"mcp_name": "7"}, 400, -32020),
            ("tools/call", {"name": "x", "arguments": []}, {}, 400, -32602),
            ("tools/list", {"cursor": "x"}, {}, 400, -32602),
        ],
    )  # fmt: skip
    def test_what_the_protocol_forbids_is_answered_in_its_words_and_reaches_nobody(
        self, method: str, params: Any, headers: dict[str, str], status: int, code: int
    ) -> None:
        gateway = a_gateway()

        response = talk(lambda agent: agent.modern(method, params, **headers), gateway)

        assert (response.status, response.json["error"]["code"]) == (status, code)
        assert asked(gateway) == []

    def test_mirrored_parameters_must_agree_with_the_arguments(self) -> None:
        tool = a_tool(
            schema={
                "type": "object",
                "properties": {"region": {"type": "string", "x-mcp-header": "Region"}},
            }
        )
        call = {"name": "shop___refund", "arguments": {"region": "eu"}}

        async def scenario(agent: Agent) -> list[int]:
            sent = [{"mcp_param_region": "eu"}, {"mcp_param_region": "us"}, {}]
            return [(await agent.modern("tools/call", call, **one)).status for one in sent]

        assert talk(scenario, a_gateway(tools=(tool,))) == [200, 400, 400]

    def test_progress_turns_the_answer_into_a_stream(self) -> None:
        async def works(request: Any, caller: Any) -> Reply:
            await caller.notify("notifications/progress", {"progressToken": "p", "progress": 1})
            await caller.notify("notifications/message", {"level": "info", "data": "unasked"})
            return Reply(body=b'{"content":[]}')

        gateway = a_gateway(connector=FakeConnector(answer=works))
        params = {**CALL, "_meta": {**META, "progressToken": "p"}}

        response = talk(lambda agent: agent.modern("tools/call", params), gateway)

        assert response.headers["content-type"] == "text/event-stream"
        assert response.headers["x-accel-buffering"] == "no"
        progress, answer = response.events
        assert progress["params"] == {"progressToken": "p", "progress": 1}
        assert answer["result"]["resultType"] == "complete"

    def test_hanging_up_cancels_the_call(self) -> None:
        gateway_and_started: list[Any] = []

        async def scenario(agent: Agent) -> None:
            started = gateway_and_started[0]
            async with asyncio.TaskGroup() as tasks:
                task = tasks.create_task(agent.modern("tools/call", CALL))
                await started.wait()
                agent.hung_up.set()
                await asyncio.wait_for(task, 30)

        async def slow(*_: Any) -> Reply:
            gateway_and_started[0].set()
            return await never()

        gateway = a_gateway(connector=FakeConnector(answer=slow))
        gateway_and_started.append(asyncio.Event())
        talk(scenario, gateway)

        assert codes(gateway) == [None, "cancelled"]

    def test_a_get_or_delete_is_not_allowed(self) -> None:
        async def scenario(agent: Agent) -> list[int]:
            headers = {"host": "localhost", "mcp-protocol-version": "2026-07-28"}
            return [
                (await agent.send(m, "/mcp", headers, b"")).status for m in ("GET", "DELETE", "PUT")
            ]

        assert talk(scenario) == [405, 405, 405]


class TestLegacy:
    def test_a_session_is_opened_used_and_ended(self) -> None:
        async def scenario(agent: Agent) -> list[Any]:
            session = await agent.initialize()
            noted = await agent.legacy(
                "notifications/initialized", message_id=None, mcp_session_id=session
            )
            pong = await agent.legacy("ping", mcp_session_id=session)
            listed = await agent.legacy("tools/list", mcp_session_id=session)
            called = await agent.legacy("tools/call", CALL, mcp_session_id=session)
            headers = {"host": "localhost", "mcp-session-id": session}
            ended = await agent.send("DELETE", "/mcp", headers, b"")
            after = await agent.legacy("ping", mcp_session_id=session)
            return [noted.status, pong.json, listed.json, called.json, ended.status, after.status]

        noted, pong, listed, called, ended, after = talk(scenario)

        assert (noted, pong["result"], ended, after) == (202, {}, 204, 404)
        assert listed["result"].keys() == {"tools"}
        assert called["result"] == {"content": [{"type": "text", "text": "done"}]}

    @pytest.mark.parametrize(
        ("asked_for", "given"),
        [("2025-11-25", "2025-11-25"), ("2025-06-18", "2025-06-18"), ("1999-01-01", "2025-11-25")],
    )
    def test_the_version_is_negotiated(self, asked_for: str, given: str) -> None:
        params = {"protocolVersion": asked_for, "capabilities": {}}

        result = talk(lambda agent: agent.legacy("initialize", params)).json["result"]

        assert result["protocolVersion"] == given
        assert result["serverInfo"]["name"] == "callgate"

    def test_without_a_session_nothing_is_done(self) -> None:
        async def scenario(agent: Agent) -> list[int]:
            missing = await agent.legacy("tools/list")
            unknown = await agent.legacy("tools/list", mcp_session_id="guess")
            return [missing.status, unknown.status]

        assert talk(scenario) == [400, 404]

    def test_somebody_elses_session_is_as_unknown_as_none(self) -> None:
        people = {"a": a_principal("ada"), "e": a_principal("eve")}
        gateway = a_gateway(authenticator=FakeAuthenticator(people))

        async def scenario(agent: Agent) -> list[int]:
            session = await agent.initialize(authorization="Bearer a")
            mine = await agent.legacy("ping", mcp_session_id=session, authorization="Bearer a")
            theirs = await agent.legacy("ping", mcp_session_id=session, authorization="Bearer e")
            again = await agent.legacy("ping", mcp_session_id=session, authorization="Bearer a")
            return [mine.status, theirs.status, again.status]

        assert talk(scenario, gateway) == [200, 404, 200]

    def test_an_idle_session_ends(self) -> None:
        gateway = a_gateway()

        async def scenario(agent: Agent) -> int:
            session = await agent.initialize()
            gateway.clock.advance(1801)  # type: ignore[attr-defined]
            return (await agent.legacy("ping", mcp_session_id=session)).status

        assert talk(scenario, gateway) == 404

    def test_a_modern_method_is_named_as_such(self) -> None:
        async def scenario(agent: Agent) -> Any:
            session = await agent.initialize()
            return (await agent.legacy("server/discover", mcp_session_id=session)).json["error"]

        error = talk(scenario)

        assert error["code"] == -32601
        assert "does not exist in protocol version 2025-11-25" in error["message"]

    def test_a_call_is_cancelled_by_notification_and_gets_no_response(self) -> None:
        async def scenario(agent: Agent) -> Any:
            session = await agent.initialize()
            async with asyncio.TaskGroup() as tasks:
                call = tasks.create_task(
                    agent.legacy("tools/call", CALL, message_id="x", mcp_session_id=session)
                )
                await started.wait()
                note = {"requestId": "x", "reason": "changed my mind"}
                await agent.legacy(
                    "notifications/cancelled", note, message_id=None, mcp_session_id=session
                )
                return await asyncio.wait_for(call, 30)

        async def slow(*_: Any) -> Reply:
            started.set()
            return await never()

        started = asyncio.Event()
        gateway = a_gateway(connector=FakeConnector(answer=slow))

        response = talk(scenario, gateway)

        assert (response.status, response.body) == (200, b"")
        assert codes(gateway) == [None, "cancelled"]

    def test_hanging_up_does_not_cancel_but_nothing_is_delivered(self) -> None:
        async def scenario(agent: Agent) -> None:
            session = await agent.initialize()
            async with asyncio.TaskGroup() as tasks:
                exchange = agent.call(tasks, session, CALL)
                await started.wait()
                exchange.hung_up.set()
                await exchange.is_told.wait()  # the watch looks after a while
                await asyncio.sleep(0)
                may_finish.set()

        async def slow(*_: Any) -> Reply:
            started.set()
            await may_finish.wait()
            return Reply(body=b'{"content":[]}')

        started, may_finish = asyncio.Event(), asyncio.Event()
        gateway = a_gateway(connector=FakeConnector(answer=slow))
        talk(scenario, gateway)

        assert isinstance(gateway.store, FakeCallStore)
        ended = msgspec.json.decode(gateway.store.entries[-1].body)
        assert (ended["code"], ended["ran"], ended["delivered"]) == ("ok", "yes", False)

    def test_responses_and_other_notifications_are_taken_note_of(self) -> None:
        async def scenario(agent: Agent) -> list[int]:
            session = await agent.initialize()
            answer = {"jsonrpc": "2.0", "id": 9, "result": {}}
            return [
                (await agent.post(answer, mcp_session_id=session)).status,
                (
                    await agent.legacy(
                        "notifications/other", message_id=None, mcp_session_id=session
                    )
                ).status,
            ]

        assert talk(scenario) == [202, 202]


class TestTheDoor:
    @pytest.mark.parametrize(
        ("body", "code"),
        [
            (b"{", -32700),
            (b'{"jsonrpc":"2.0","id":1,"method":"ping","id":2}', -32700),
            (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":NaN}}', -32700),
            (b"[]", -32600),
            (b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]', -32600),
            (b'{"jsonrpc":"2.0","id":1}', -32600),
            (b"[" * 1000, -32700),
        ],
    )
    def test_what_is_not_a_message_is_refused_and_recorded(self, body: bytes, code: int) -> None:
        gateway = a_gateway()

        response = talk(lambda agent: agent.post(body), gateway)

        assert (response.status, response.json["error"]["code"]) == (400, code)
        assert codes(gateway) == ["malformed"]

    def test_a_body_over_the_limit_is_not_read(self) -> None:
        gateway = a_gateway(limits=Limits(max_body_bytes=100))

        async def scenario(agent: Agent) -> list[tuple[int, int]]:
            announced = await in_pieces(agent, "101", b" " * 10)
            unannounced = await in_pieces(agent, None, b" " * 40)
            actual = await agent.post(b" " * 101)
            return [announced, unannounced, (actual.status, 1)]

        assert talk(scenario, gateway) == [(413, 1), (413, 3), (413, 1)]

    @pytest.mark.parametrize(
        ("headers", "status"),
        [
            ({"content_type": "text/plain"}, 415),
            ({"content_type": ""}, 415),
            ({"accept": "text/html"}, 406),
            ({"host": "evil.example"}, 421),
            ({"host": ""}, 421),
            ({"host": "localhost"}, 200),
            ({"host": "[::1]:8080"}, 200),
            ({"origin": "https://evil.example"}, 403),
            ({"origin": "null"}, 403),
            ({"origin": "http://localhost:3000"}, 200),
            ({"content_type": "application/json; charset=utf-8"}, 200),
        ],
    )
    def test_wrong_media_hosts_and_origins_do_not_come_in(
        self, headers: dict[str, str], status: int
    ) -> None:
        assert talk(lambda agent: agent.modern("tools/list", **headers)).status == status

    def test_configured_hosts_and_origins_come_in_elsewhere(self) -> None:
        more: dict[str, Any] = {
            "is_loopback": False,
            "allowed_hosts": ("gate.example",),
            "allowed_origins": ("https://app.example",),
        }

        async def scenario(agent: Agent) -> list[int]:
            sent = [
                {"host": "gate.example", "origin": "https://app.example"},
                {"host": "gate.example:8080"},
                {"host": "127.0.0.1"},
                {"host": "gate.example", "origin": "http://localhost"},
            ]
            return [(await agent.modern("tools/list", **one)).status for one in sent]

        assert talk(scenario, **more) == [200, 200, 421, 403]

    def test_two_hosts_are_one_too_many(self) -> None:
        headers = [("host", "localhost"), ("host", "evil"), ("content-type", "application/json")]

        assert talk(lambda agent: agent.send("POST", "/mcp", headers, b"{}")).status == 421

    def test_nobody_is_told_how_to_identify(self) -> None:
        gateway = a_gateway(authenticator=FakeAuthenticator())

        response = talk(lambda agent: agent.modern("tools/list"), gateway)

        assert response.status == 401
        assert response.headers["www-authenticate"].startswith("Bearer")
        assert response.json["error"]["data"][META_KEY]["code"] == "unauthenticated"
        assert codes(gateway) == []

    def test_a_malformed_message_of_nobody_is_not_recorded(self) -> None:
        gateway = a_gateway(authenticator=FakeAuthenticator())

        talk(lambda agent: agent.post(b"{"), gateway)

        assert codes(gateway) == []

    @pytest.mark.parametrize("client", ["10.0.0.1", "::1", "127.0.0.2", "unix:", ""])
    def test_only_a_loopback_peer_counts_as_one(self, client: str) -> None:
        seen: list[bool] = []

        class Spy(FakeAuthenticator):
            async def authenticate(self, proof: Any) -> Any:
                seen.append(proof.is_loopback)
                return self.anonymous

        gateway = a_gateway(authenticator=Spy(anonymous=a_principal()))
        talk(lambda agent: agent.modern("tools/list"), gateway, client=client)
        talk(
            lambda agent: agent.modern("tools/list", x_forwarded_for="9.9.9.9"),
            gateway,
            client=client,
        )

        assert seen == [client in ("::1", "127.0.0.2"), False]

    def test_a_stopping_gateway_refuses_new_calls_and_finishes_old_ones(self) -> None:
        async def scenario(agent: Agent) -> tuple[Any, Any]:
            async with asyncio.TaskGroup() as tasks:
                old = tasks.create_task(agent.modern("tools/call", CALL))
                await started.wait()
                draining = tasks.create_task(agent.dispatcher.drain(5))
                await asyncio.sleep(0)
                new = await agent.modern("tools/call", CALL)
                may_finish.set()
                await draining
                return (await old).json, new.json

        async def slow(*_: Any) -> Reply:
            started.set()
            await may_finish.wait()
            return Reply(body=b'{"content":[]}')

        started, may_finish = asyncio.Event(), asyncio.Event()
        old, new = talk(scenario, a_gateway(connector=FakeConnector(answer=slow)))

        assert old["result"] == {"resultType": "complete", "content": []}
        assert new["result"]["_meta"][META_KEY]["code"] == "shutting_down"

    def test_a_target_without_tools_still_has_its_route(self) -> None:
        gateway = a_gateway(catalog=FakeCatalog((), FakeConnector("shop")))

        assert (
            talk(lambda agent: agent.modern("tools/list", path="/mcp/shop"), gateway).json[
                "result"
            ]["tools"]
            == []
        )


async def in_pieces(agent: Agent, length: str | None, *pieces: bytes | None) -> tuple[int, int]:
    """Posts an endless body, or one that breaks off (None); the status, and what was read of it."""
    sent: list[Any] = []
    reads = 0

    async def receive() -> Any:
        nonlocal reads
        piece = pieces[reads % len(pieces)]
        reads += 1
        if piece is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": piece, "more_body": True}

    async def send(event: Any) -> None:
        sent.append(event)

    headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
    if length is not None:
        headers.append((b"content-length", length.encode()))
    scope = {"type": "http", "method": "POST", "path": "/mcp", "headers": headers, "client": None}
    await agent.endpoint(scope, receive, send)
    return sent[0]["status"], reads


@pytest.mark.parametrize("pieces", [(None,), (b"{", None)])
def test_a_body_that_does_not_arrive_is_recorded_and_not_taken(
    pieces: tuple[bytes | None, ...],
) -> None:
    gateway = a_gateway()

    status, reads = talk(lambda agent: in_pieces(agent, "50", *pieces), gateway)

    assert (status, reads) == (400, len(pieces))
    assert codes(gateway) == ["malformed"]


@pytest.mark.parametrize(("status", "code"), [(400, -32600), (408, -32600), (500, -32603)])
def test_what_cannot_even_be_read_is_answered_as_json_rpc(status: int, code: int) -> None:
    media_type, body = words(status, "It cannot be.")

    assert media_type == b"application/json"
    error = {"code": code, "message": "It cannot be."}
    assert msgspec.json.decode(body) == {"jsonrpc": "2.0", "id": None, "error": error}
