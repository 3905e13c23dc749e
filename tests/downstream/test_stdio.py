"""One pipe serves a host of either era; what is cancelled gets no answer."""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from callgate.downstream.dispatch import Dispatcher
from callgate.downstream.sessions import Session, Sessions
from callgate.downstream.stdio import StdioEndpoint
from callgate.model import Proof, Refused, Reply
from callgate.pipeline.gateway import Gateway, Limits
from callgate.ports import Unanswerable
from callgate.protocol.refusals import META_KEY
from fakes.agent import META
from fakes.gateway import a_gateway
from fakes.target import FakeAuthenticator, FakeConnector, never

CALL = {"name": "refund", "arguments": {"customer": "c", "amount": 5}}


def message(method: str, params: Any = None, message_id: Any = 1) -> Any:
    made = {"jsonrpc": "2.0", "method": method, "params": params or {}}
    return made if message_id is None else {**made, "id": message_id}


class Host:
    """A host at the other end of the pipe."""

    def __init__(self, gateway: Gateway) -> None:
        self.said: list[Any] = []
        self.ended: list[Session] = []
        self._heard = asyncio.Event()
        self._chunks: asyncio.Queue[bytes] = asyncio.Queue()
        sessions = Sessions(gateway.clock, on_close=self.ended.append)
        dispatcher = Dispatcher(lambda: gateway, sessions, "0.0.0")
        self.endpoint = StdioEndpoint(
            dispatcher=dispatcher, proof=Proof(is_loopback=True), route="shop", write=self._hear
        )

    async def _hear(self, line: bytes) -> None:
        assert b"\n" not in line
        self.said.append(msgspec.json.decode(line))
        self._heard.set()

    async def hears(self, method: str | None) -> Any:
        """Waits for a message of this method; None: for a response."""
        async with asyncio.timeout(30):
            while True:
                for one in self.said:
                    if one.get("method") == method:
                        return one
                self._heard.clear()
                await self._heard.wait()

    def say(self, *messages: Any) -> None:
        for one in messages:
            body = one if isinstance(one, bytes) else msgspec.json.encode(one)
            self._chunks.put_nowait(body + b"\n")

    def hang_up(self) -> None:
        self._chunks.put_nowait(b"")

    async def serve(self) -> None:
        await self.endpoint.serve(self._chunks.get)


def talk(*messages: Any, gateway: Gateway | None = None) -> list[Any]:
    async def scenario() -> list[Any]:
        host = Host(gateway or a_gateway())
        host.say(*messages)
        host.hang_up()
        await host.serve()
        return host.said

    return asyncio.run(scenario())


def test_a_legacy_host_initializes_lists_and_calls() -> None:
    answers = talk(
        message("initialize", {"protocolVersion": "2025-06-18", "capabilities": {}}, 1),
        message("notifications/initialized", message_id=None),
        message("tools/list", message_id=2),
        message("tools/call", CALL, 3),
        message("ping", message_id=4),
    )

    by_id = {answer["id"]: answer["result"] for answer in answers}
    assert by_id[1]["protocolVersion"] == "2025-06-18"
    assert [tool["name"] for tool in by_id[2]["tools"]] == ["refund"]
    assert by_id[3]["content"][0]["text"] == "done"
    assert by_id[4] == {}


def test_a_modern_host_needs_no_handshake() -> None:
    answers = talk(
        message("server/discover", {"_meta": META}, "a"),
        message("tools/call", {**CALL, "_meta": META}, "b"),
    )

    discovered, called = sorted(answers, key=lambda answer: str(answer["id"]))

    assert "2026-07-28" in discovered["result"]["supportedVersions"]
    assert called["result"]["resultType"] == "complete"


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"{", -32700),
        (b"[]", -32600),
        (message("sampling/createMessage"), -32601),
        (message("tools/call", {"name": 5}), -32602),
        (
            message(
                "tools/list", {"_meta": {**META, "io.modelcontextprotocol/protocolVersion": "x"}}
            ),
            -32022,
        ),
    ],
)
def test_what_cannot_be_taken_is_answered_and_the_pipe_goes_on(line: Any, code: int) -> None:
    answers = talk(line, message("ping", message_id="still here"))

    assert sorted(answer.get("error", {}).get("code", 0) for answer in answers) == [code, 0]


def test_a_request_that_fails_for_a_reason_of_ours_leaves_the_pipe_to_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def breaks(*_: Any) -> Any:
        raise RuntimeError("a bug")

    gateway = a_gateway()
    monkeypatch.setattr(gateway.catalog, "tools", breaks)

    answers = talk(
        message("tools/list", message_id=1), message("ping", message_id=2), gateway=gateway
    )

    assert sorted((one["id"], one.get("error", {}).get("code", 0)) for one in answers) == [
        (1, -32603),
        (2, 0),
    ]


def test_a_line_over_the_limit_is_refused_and_the_next_is_read() -> None:
    gateway = a_gateway(limits=Limits(max_body_bytes=200))

    refused, pong = talk(b"x" * 300, message("ping"), gateway=gateway)

    assert "larger than 200 bytes" in refused["error"]["message"]
    assert pong["result"] == {}


def test_nobody_is_told_to_set_a_credential() -> None:
    (answer,) = talk(message("ping"), gateway=a_gateway(authenticator=FakeAuthenticator()))

    assert answer["error"]["data"][META_KEY]["code"] == "unauthenticated"
    assert "CALLGATE_TOKEN" in answer["error"]["message"]


def _slow(started: asyncio.Event) -> Callable[..., Any]:
    async def answer(_request: Any, caller: Any) -> Reply:
        await caller.notify("notifications/progress", {"progressToken": "p", "progress": 1})
        started.set()
        return await never()

    return answer


def test_a_cancelled_call_gets_progress_but_no_answer_and_others_go_on() -> None:
    async def scenario() -> list[Any]:
        started = asyncio.Event()
        host = Host(a_gateway(connector=FakeConnector(answer=_slow(started))))
        host.say(message("tools/call", {**CALL, "_meta": {"progressToken": "p"}}, 7))
        async with asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(host.serve())
            await started.wait()
            host.say(
                message("notifications/cancelled", {"requestId": 7}, None),
                message("ping", message_id=8),
            )
            host.hang_up()
            await asyncio.wait_for(serving, 30)
        return host.said

    said = asyncio.run(scenario())

    assert [(one.get("method"), one.get("id")) for one in said] == [
        ("notifications/progress", None),
        (None, 8),
    ]


def test_two_calls_with_one_id_are_both_answered_and_the_pipe_goes_on() -> None:
    async def soon(*_: Any) -> Reply:
        await asyncio.sleep(0)
        return Reply(body=b'{"content":[]}')

    answers = talk(
        message("tools/call", CALL, 1),
        message("tools/call", CALL, 1),
        message("ping", message_id=2),
        gateway=a_gateway(connector=FakeConnector(answer=soon)),
    )

    assert sorted(answer["id"] for answer in answers) == [1, 1, 2]


INITIALIZE = message(
    "initialize", {"protocolVersion": "2025-11-25", "capabilities": {"elicitation": {}}}, 1
)


def a_curious_target(outcomes: list[Any]) -> Gateway:
    """A gateway whose target asks the client during each call."""

    async def answer(_request: Any, caller: Any) -> Reply:
        try:
            reply = await caller.ask("elicitation/create", {"message": "?"})
        except (Unanswerable, Refused):
            outcomes.append("none")
        except asyncio.CancelledError:
            outcomes.append("cancelled")
            raise
        else:
            outcomes.append(msgspec.json.decode(reply.body))
        return Reply(body=b'{"content":[]}')

    return a_gateway(connector=FakeConnector(answer=answer))


def ask_a_host(
    meanwhile: Callable[[Host, Any], None], call: Any = None
) -> tuple[list[Any], list[Any], Host]:
    """What a target is answered, what the host heard, and the host, which hangs up at the end."""

    async def scenario() -> tuple[list[Any], list[Any], Host]:
        outcomes: list[Any] = []
        host = Host(a_curious_target(outcomes))
        host.say(INITIALIZE, message("notifications/initialized", message_id=None))
        async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(host.serve())
            await host.hears(None)
            host.say(call or message("tools/call", CALL, 2))
            meanwhile(host, await host.hears("elicitation/create"))
            host.hang_up()
            await serving
        return outcomes, host.said, host

    return asyncio.run(scenario())


def test_a_legacy_host_is_asked_on_the_pipe() -> None:
    def accept(host: Host, request: Any) -> None:
        result = {"action": "accept"}
        host.say({"jsonrpc": "2.0", "id": request["id"], "result": result})

    outcomes, said, _ = ask_a_host(accept)

    assert outcomes == [{"action": "accept"}]
    assert said[-1] == {"jsonrpc": "2.0", "id": 2, "result": {"content": []}}


def test_a_host_that_hangs_up_while_it_is_asked_leaves_nobody_waiting() -> None:
    outcomes, said, host = ask_a_host(lambda *_: None)

    assert outcomes == ["none"]
    assert said[-1]["id"] == 2
    assert [session.is_closed for session in host.ended] == [True]


def test_cancelling_a_call_takes_its_question_back() -> None:
    def cancel(host: Host, _: Any) -> None:
        host.say(message("notifications/cancelled", {"requestId": 2}, None))

    outcomes, said, _ = ask_a_host(cancel)

    assert outcomes == ["cancelled"]
    assert said[-1]["method"] == "notifications/cancelled"
    assert said[-1]["params"]["requestId"] == said[-2]["id"]


def test_a_modern_request_on_the_pipe_is_not_asked_in() -> None:
    outcomes: list[Any] = []

    answers = talk(
        message("tools/call", {**CALL, "_meta": META}), gateway=a_curious_target(outcomes)
    )

    assert outcomes == ["none"]
    assert [one["id"] for one in answers] == [1]


def test_the_session_of_the_pipe_keeps_what_the_host_declared_and_ends_with_it() -> None:
    async def scenario() -> Host:
        host = Host(a_gateway())
        host.say(INITIALIZE, {**INITIALIZE, "id": 2})
        host.hang_up()
        await host.serve()
        return host

    first, second = asyncio.run(scenario()).ended

    assert first.capabilities == second.capabilities == {"elicitation": {}}
    assert first.key != second.key


def test_an_answer_of_several_lines_is_one_line() -> None:
    async def pretty(*_: Any) -> Reply:
        return Reply(body=b'{\n  "content": []\r\n}')

    (answer,) = talk(
        message("tools/call", CALL, 1),
        gateway=a_gateway(connector=FakeConnector(answer=pretty)),
    )

    assert answer["result"] == {"content": []}


@pytest.mark.parametrize(("version", "count"), [("2025-03-26", 2), ("2025-06-18", 0)])
def test_only_a_host_of_the_revision_with_batches_may_send_them(version: str, count: int) -> None:
    async def scenario() -> Any:
        host = Host(a_gateway())
        host.say({**INITIALIZE, "params": {"protocolVersion": version}})
        async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(host.serve())
            await host.hears(None)
            host.say([message("ping", message_id="a"), message("tools/call", CALL, "b")])
            host.hang_up()
            await serving
        return host.said[-1]

    answer = asyncio.run(scenario())

    assert (len(answer) if isinstance(answer, list) else 0) == count
