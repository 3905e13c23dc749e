"""An MCP interceptor server around real calls: asked in order, obeyed, and never trusted."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from callgate.app.parts import PartError
from callgate.model import Call, Outcome, Principal, Ran, Reply
from callgate.pipeline.attaching import Attachment, Chain
from callgate.pipeline.gateway import Gateway
from callgate.pipeline.pipeline import govern
from callgate.ports import Caller, TargetRequest
from callgate.scrutiny import Decision, Listed
from fakes.calls import a_call, a_principal, a_tool
from fakes.chains import a_chain
from fakes.clock import FakeClock
from fakes.gateway import a_gateway
from fakes.interceptor_server import Interceptors, declared
from fakes.store import FakeCallStore
from fakes.target import FakeAuthenticator, FakeCaller, FakeConnector

SCHEMA = {"type": "object", "properties": {"note": {"type": "string"}}}
TOOL = a_tool("shop", "echo", SCHEMA)
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
SERVER = Path(__file__).parents[1] / "fakes" / "interceptor_server.py"
STRIPE, GITHUB, AWS = (
    "sk_live_" + "4eC7aRm9Kx2bNw5pQj8sYd",
    "ghp_" + "Xa2bC3dEf4gH5iJk6Lm7nN8oP",
    "AKIA" + "5MZXN8QRF3WBY6OE",
)


class World:
    """A gateway around one interceptor server, and what came of calls."""

    def __init__(self, interceptors: Interceptors, chain: Chain, connector: FakeConnector) -> None:
        self.interceptors = interceptors
        self.connector = connector
        self.chain = chain
        self.principals = {"ada": a_principal("ada"), "bob": a_principal("bob")}
        tools = (TOOL, a_tool("files", "read", SCHEMA), a_tool("db", "query", SCHEMA))
        self.gateway: Gateway = a_gateway(
            tools=tools,
            connector=connector,
            chain=chain.attachments,
            authenticator=FakeAuthenticator(anonymous=self.principals["ada"]),
        )

    async def call(self, note: str = "hello", name: str = "shop___echo", **more: Any) -> Outcome:
        call: Call = a_call(requested_name=name, arguments={"note": note}, **more)
        return await govern(call, self.gateway, FakeCaller())

    @property
    def sent(self) -> list[Any]:
        """The arguments that reached the target."""
        return [msgspec.json.decode(request.arguments) for request in self.connector.asked]

    @property
    def changes(self) -> list[dict[str, Any]]:
        store = self.gateway.store
        assert isinstance(store, FakeCallStore)
        found = list(msgspec.json.decode(store.entries[-1].body).get("changes", []))
        return [{key: value for key, value in one.items() if key != "seconds"} for one in found]


def within(
    directory: Path,
    interceptors: Interceptors,
    scenario: Callable[[World], Awaitable[None]],
    era: str = "both",
    answer: bytes | None = None,
    clock: FakeClock | None = None,
    **settings: Any,
) -> None:
    """Runs a scenario beside a server over HTTP. `mcp` of the settings goes into that block."""
    block = settings.pop("mcp", {})
    more = {"on": ["request"], "timeout_seconds": 30, **settings}

    async def reply(_: TargetRequest, __: Caller) -> Reply:
        return Reply(body=answer or b'{"content":[]}')

    async def run() -> None:
        async with interceptors.http(era) as url:
            said = {"name": "scan", "mcp": {"url": url, **block}, **more}
            chain = a_chain(directory, said, clock=clock)
            try:
                async with asyncio.timeout(120):
                    await scenario(World(interceptors, chain, FakeConnector("shop", answer=reply)))
            finally:
                await chain.close()

    asyncio.run(run())


@pytest.mark.parametrize("era", ["both", "legacy"])
def test_mutators_change_a_request_before_validators_see_it(tmp_path: Path, era: str) -> None:
    interceptors = Interceptors("require-uppercase-note", "uppercase-note")

    async def scenario(world: World) -> None:
        outcome = await world.call("hello")

        assert outcome.refusal_code is None and world.sent == [{"note": "HELLO"}]
        assert interceptors.names == ["uppercase-note", "require-uppercase-note"]
        assert world.changes == [
            {
                "interceptor": "scan",
                "phase": "request",
                "action": "changed",
                "paths": ["/note"],
                "patch": [{"op": "replace", "path": "/note", "at": [0, 5], "value": "HELLO"}],
                "note": "uppercase-note: changed",
            }
        ]

    within(tmp_path, interceptors, scenario, era)


def test_on_the_way_back_validators_see_what_came_before_mutators_change_it(tmp_path: Path) -> None:
    hooks = [{"events": ["tools/call"], "phase": "response"}]
    interceptors = Interceptors(
        declared("mask-result", hooks=hooks), declared("warn", hooks=hooks), "allow-all"
    )

    async def scenario(world: World) -> None:
        outcome = await world.call()

        assert interceptors.names[0] in ("warn", "allow-all")
        assert interceptors.names[-1] == "mask-result"
        assert outcome.call.reply is not None and b"masked" in outcome.call.reply.body
        assert interceptors.invoked[0].payload == {"content": []}

    within(tmp_path, interceptors, scenario, on=["result"])


def test_a_gateway_that_acts_as_a_server_validates_requests_first(tmp_path: Path) -> None:
    interceptors = Interceptors("require-uppercase-note", "uppercase-note")

    async def scenario(world: World) -> None:
        outcome = await world.call("hello")

        assert outcome.refusal_code == "refused_by_interceptor" and world.sent == []
        assert interceptors.names == ["require-uppercase-note"]  # no mutator once it was refused

    within(tmp_path, interceptors, scenario, mcp={"acts_as": "server"})


def test_the_server_is_told_who_calls_what_and_in_which_session(tmp_path: Path) -> None:
    interceptors = Interceptors("allow-all")

    async def scenario(world: World) -> None:
        await world.call(meta={"traceparent": TRACE}, session_id="a-secret-session")
        await world.call(session_id="a-secret-session")

        first, second = interceptors.invoked
        assert first.payload == {
            "method": "tools/call",
            "params": {"name": "echo", "arguments": {"note": "hello"}},
        }
        assert (first.event, first.phase) == ("tools/call", "request")
        assert first.timeout_ms is not None and 0 < first.timeout_ms <= 30_000
        session = first.context.pop("sessionId")
        assert first.context == {
            "principal": {"type": "user", "id": "ada", "claims": {"iss": "https://idp"}},
            "timestamp": "2026-09-21T14:13:20.000Z",
            "traceId": "4bf92f3577b34da6a3ce929d0e0e4736",
            "spanId": "00f067aa0ba902b7",
        }
        assert "a-secret-session" not in session and second.context["sessionId"] == session
        meta: dict[str, Any] = dict(first.meta or {})
        assert meta["callgate/call"] == {"id": "c000", "target": "shop", "tool": "echo"}

    within(tmp_path, interceptors, scenario, mcp={"omit": []})


def test_config_is_passed_claims_may_be_left_out_and_params_may_stand_alone(
    tmp_path: Path,
) -> None:
    interceptors = Interceptors("uppercase-note")
    block = {
        "omit": ["claims"],
        "payload": "params",
        "interceptors": {"uppercase-note": {"config": {"locale": "tr"}}},
    }

    async def scenario(world: World) -> None:
        await world.call()

        (invoked,) = interceptors.invoked
        assert invoked.config == {"locale": "tr"}
        assert invoked.context["principal"] == {"type": "user", "id": "ada"}
        assert invoked.payload == {"name": "echo", "arguments": {"note": "hello"}}
        assert world.sent == [{"note": "HELLO"}]

    within(tmp_path, interceptors, scenario, mcp=block)


@pytest.mark.parametrize("name", ["deny-all", "deny-without-severity", "deny-unheard-of"])
def test_only_an_error_blocks_and_what_is_no_known_severity_is_one(
    tmp_path: Path, name: str
) -> None:
    async def scenario(world: World) -> None:
        outcome = await world.call()

        assert outcome.refusal_code == "refused_by_interceptor" and world.sent == []
        assert outcome.reason.startswith(f"{name} does not let this pass.")
        assert [one["action"] for one in world.changes] == ["refused"]

    within(tmp_path, Interceptors(name, "allow-all"), scenario)


def test_a_warning_labels_the_call_and_lets_it_pass(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        outcome = await world.call()

        assert outcome.refusal_code is None
        assert outcome.call.labels == ("scan/warn:warn",)
        assert world.changes == [
            {
                "interceptor": "scan",
                "phase": "request",
                "action": "labelled",
                "paths": [],
                "labels": ["scan/warn:warn"],
                "note": "warn: warn (looks odd)",
            }
        ]

    within(tmp_path, Interceptors("warn"), scenario)


def test_what_audits_never_blocks_and_changes_nothing_but_is_on_record(tmp_path: Path) -> None:
    interceptors = Interceptors(
        declared("deny-all", mode="audit"),
        declared("uppercase-note", mode="audit"),
        declared("crash", mode="audit"),
        declared("crash-mutating", mode="audit"),
    )

    async def scenario(world: World) -> None:
        outcome = await world.call()

        assert outcome.refusal_code is None and world.sent == [{"note": "hello"}]
        assert set(outcome.call.labels) == {
            "scan/deny-all:error",
            "scan/uppercase-note:would_change",
            "scan/crash:failed",
            "scan/crash-mutating:failed",
        }
        assert len(interceptors.invoked) == 4

    within(tmp_path, interceptors, scenario)


def test_one_that_audits_and_hangs_does_not_make_the_others_fail(tmp_path: Path) -> None:
    interceptors = Interceptors(
        declared("hang-mutating", mode="audit"), "uppercase-note", declared("hang", mode="audit")
    )

    async def scenario(world: World) -> None:
        outcome = await world.call()

        assert outcome.refusal_code is None and world.sent == [{"note": "HELLO"}]

    within(tmp_path, interceptors, scenario, timeout_seconds=5)


@pytest.mark.parametrize("fails", ["crash", "crash-mutating", "junk", "hang", "text"])
def test_what_fails_blocks_unless_it_may_fail(tmp_path: Path, fails: str) -> None:
    closed = Interceptors(declared(fails, fails), "uppercase-note")
    opened = Interceptors(declared(fails, fails, failOpen=True), "uppercase-note")

    async def refused(world: World) -> None:
        outcome = await world.call()
        assert (outcome.refusal_code, world.sent) == ("interceptor_failed", [])
        assert "interceptor scan" in outcome.reason and fails in outcome.detail

    async def passed(world: World) -> None:
        outcome = await world.call()
        assert outcome.refusal_code is None and world.sent == [{"note": "HELLO"}]
        assert outcome.call.labels == (f"scan/{fails}:failed",)

    seconds = 2 if fails == "hang" else 30
    within(tmp_path, closed, refused, timeout_seconds=seconds)
    within(tmp_path, opened, passed, timeout_seconds=seconds)


def test_mutations_are_all_or_nothing(tmp_path: Path) -> None:
    interceptors = Interceptors(
        declared("uppercase-note", priorityHint=-1), declared("crash-mutating", priorityHint=1)
    )

    async def scenario(world: World) -> None:
        await world.call()

        assert interceptors.names == ["uppercase-note", "crash-mutating"]
        assert world.sent == [{"note": "hello"}]  # on_failure: allow; nothing half-changed goes on

    within(tmp_path, interceptors, scenario, on_failure="allow")


def test_a_validators_no_outweighs_that_another_may_be_let_fail(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        outcome = await world.call()

        assert outcome.refusal_code == "refused_by_interceptor"

    within(tmp_path, Interceptors("crash", "deny-all"), scenario, on_failure="allow")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("rename-tool", "changes the tool"),
        ("change-method", "changes the method"),
        ("text", "not an object"),
        ("says-kept", "modified nothing"),
        ("other-type", "does not fit"),
        ("other-name", "'somebody'"),
        ("junk", "does not fit"),
    ],
)
def test_junk_and_what_may_not_be_changed_is_refused_with_the_name(
    tmp_path: Path, name: str, words: str
) -> None:
    async def scenario(world: World) -> None:
        outcome = await world.call()

        assert (outcome.refusal_code, outcome.call.ran) == ("interceptor_failed", Ran.NO)
        assert words in outcome.detail and name in outcome.detail
        assert [one["action"] for one in world.changes] == ["failed"]

    within(tmp_path, Interceptors(name), scenario)


def test_an_answer_too_large_is_a_failure(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        outcome = await world.call()

        assert outcome.refusal_code == "interceptor_failed"
        assert "more than 65536 bytes" in outcome.detail

    within(tmp_path, Interceptors("large"), scenario, mcp={"max_response_bytes": 65536})


def test_a_large_answer_is_read(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        assert (await world.call()).refusal_code is None

    within(tmp_path, Interceptors("large"), scenario)


def test_one_call_that_hangs_holds_up_no_other_and_the_server_learns_that_nobody_waits(
    tmp_path: Path,
) -> None:
    interceptors = Interceptors("hang")

    async def scenario(world: World) -> None:
        hanging = asyncio.ensure_future(world.call())
        while not interceptors.invoked:  # noqa: ASYNC110 - the server is no part of ours
            await asyncio.sleep(0.01)
        interceptors.offered = [declared("hang", "allow-all")]
        assert (await world.call()).refusal_code is None
        assert not hanging.done()
        outcome = await hanging
        assert outcome.refusal_code == "interceptor_failed" and "took too long" in outcome.reason
        while not interceptors.cancelled:  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    within(tmp_path, interceptors, scenario, timeout_seconds=4)


def test_settings_outweigh_what_the_server_declares(tmp_path: Path) -> None:
    interceptors = Interceptors(
        declared("deny-all", mode="audit"),
        declared("crash", failOpen=False),
        declared("uppercase-note", priorityHint=9),
        declared("secretless-redactor", priorityHint={"request": 10}),
        "warn",
    )
    overrides: dict[str, Any] = {
        "deny-all": {"hooks": [{"events": ["tools/call"], "phase": "response"}]},
        "crash": {"fail_open": True, "timeout_seconds": 20},
        "uppercase-note": {"priority_hint": {"request": 11}},
        "warn": {"enabled": False},
    }

    async def scenario(world: World) -> None:
        assert (await world.call()).refusal_code is None
        assert interceptors.names == ["secretless-redactor", "uppercase-note", "crash"]

    within(tmp_path, interceptors, scenario, mcp={"interceptors": overrides})

    async def promoted(world: World) -> None:
        assert (await world.call()).refusal_code == "refused_by_interceptor"

    only = {"interceptors": {"deny-all": {"mode": "active"}}, "only_named": True}
    within(tmp_path, interceptors, promoted, mcp=only)
    assert interceptors.names[3:] == ["deny-all"]


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ({"missing": {}}, "has no interceptor 'missing'"),
        (
            {"allow-all": {"hooks": [{"events": ["prompts/get"], "phase": "request"}]}},
            "`hooks` can only narrow",
        ),
        ({"allow-all": {"hooks": [{"events": ["*"]}]}}, "`hooks` can only narrow"),
    ],
)
def test_settings_that_do_not_fit_the_server_fail_every_call(
    tmp_path: Path, overrides: Any, words: str
) -> None:
    async def scenario(world: World) -> None:
        outcome = await world.call()

        assert outcome.refusal_code == "interceptor_failed" and words in outcome.detail

    within(tmp_path, Interceptors("allow-all"), scenario, mcp={"interceptors": overrides})


def test_the_list_is_believed_for_a_while_and_asked_again_where_it_proves_wrong(
    tmp_path: Path,
) -> None:
    interceptors, clock = Interceptors("allow-all"), FakeClock()

    async def scenario(world: World) -> None:
        await asyncio.gather(world.call(), world.call(), world.call())
        assert interceptors.listed == 1

        clock.advance(31)
        await world.call()
        assert interceptors.listed == 2

        interceptors.offered = [declared("deny-all")]
        outcome = await world.call()  # the one that we know has gone
        assert outcome.refusal_code == "interceptor_failed" and "-32602" in outcome.detail
        assert (await world.call()).refusal_code == "refused_by_interceptor"

        interceptors.extra = {"ttlMs": 1000}
        clock.advance(31)
        await world.call()
        clock.advance(1)
        await world.call()
        assert interceptors.listed == 5

    within(tmp_path, interceptors, scenario, mcp={"refresh_seconds": 30}, clock=clock)


def test_a_server_that_is_not_there_refuses_and_is_found_once_it_is(tmp_path: Path) -> None:
    async def run() -> None:
        interceptors = Interceptors("allow-all")
        async with interceptors.http() as url:
            pass  # it has gone again; nobody listens there
        chain = a_chain(tmp_path, {"name": "scan", "mcp": {"url": url}})
        world = World(interceptors, chain, FakeConnector())
        outcome = await world.call()
        assert (outcome.refusal_code, world.sent) == ("interceptor_failed", [])
        assert "refused the connection" in outcome.detail
        await chain.close()

    asyncio.run(run())


def test_a_list_that_is_none_fails(tmp_path: Path) -> None:
    interceptors = Interceptors()
    interceptors.extra = {"interceptors": [{"name": 5}]}

    async def scenario(world: World) -> None:
        outcome = await world.call()

        assert "what it lists as interceptors is none" in outcome.detail

    within(tmp_path, interceptors, scenario)


def test_a_result_is_withheld_and_the_agent_is_not_told_what_was_found_in_it(
    tmp_path: Path,
) -> None:
    async def scenario(world: World) -> None:
        outcome = await world.call()

        assert (outcome.refusal_code, outcome.call.ran) == ("result_withheld", Ran.YES)
        assert outcome.reason == "deny-all does not let what came back pass."
        assert "denied by policy" in world.changes[-1]["note"]

    within(tmp_path, Interceptors("deny-all"), scenario, on=["result"])


def test_lists_may_be_cut_and_nothing_added(tmp_path: Path) -> None:
    hooks = [{"events": ["tools/*"], "phase": "response"}]
    interceptors = Interceptors(declared("hide-tools", hooks=hooks))
    listed = Listed(
        call_id="c",
        principal=a_principal(),
        tool=a_tool(),
        items=[{"name": "shop___echo"}],
        targets=("shop",),
    )
    listed = msgspec.structs.replace(
        listed, tool=msgspec.structs.replace(listed.tool, method="tools/list")
    )

    async def scenario(world: World) -> None:
        (attachment,) = world.chain.attachments
        assert await attachment.interceptor.on_list(listed) == Decision(
            items=[], note="hide-tools: changed"
        )
        assert interceptors.invoked[0].payload == {"tools": [{"name": "shop___echo"}]}

    within(tmp_path, interceptors, scenario, on=["list"])


def test_a_program_over_stdio_is_a_server_as_well_and_is_started_again_when_it_dies(
    tmp_path: Path,
) -> None:
    async def run() -> None:
        command = [sys.executable, str(SERVER), "die", "uppercase-note"]
        block = {
            "command": command,
            "interceptors": {"die": {"hooks": [{"events": ["tools/call"], "phase": "response"}]}},
        }
        said = {"name": "scan", "on": ["request", "result"], "timeout_seconds": 20, "mcp": block}
        chain = a_chain(tmp_path, said)
        world = World(Interceptors(), chain, FakeConnector("shop"))
        try:
            outcome = await world.call()
            assert world.sent == [{"note": "HELLO"}]
            assert outcome.refusal_code == "interceptor_failed"
            assert outcome.call.ran is Ran.YES and "die: " in outcome.detail
            assert "status 3" in outcome.detail
            await world.call()  # the program runs again
            assert world.sent == [{"note": "HELLO"}] * 2
        finally:
            await chain.close()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"on": ["message"]}, "notifications are no events"),
        ({"mcp": {"url": "ftp://x"}}, "must be an http or https URL"),
        ({"mcp": {"url": "http://x", "headers": {"mcp-method": "x"}}}, "set by the gateway"),
    ],
)
def test_what_cannot_be_is_said_when_it_is_made(tmp_path: Path, more: Any, words: str) -> None:
    with pytest.raises(PartError, match=f"interceptors: scan: .*{words}"):
        a_chain(tmp_path, {"name": "scan", "mcp": {"url": "http://127.0.0.1:1/mcp"}, **more})


# The ten behaviours of the fixtures in SEP-2624's experimental repository, on a whole gateway.

GUARD, REDACTOR = "cross-boundary-guard", "secretless-redactor"


def read_and_send(
    directory: Path,
    secret: str,
    *,
    guards: tuple[str, ...] = (GUARD,),
    reads: bool = True,
    sends_to: str = "db___query",
    sends_as: tuple[str, str] = ("ada", "one"),
) -> tuple[Outcome, list[Any]]:
    """`files` is read, and what it held is sent elsewhere: how that ended, and what was sent."""
    ended: list[Any] = []

    async def scenario(world: World) -> None:
        async def answer(_: TargetRequest, __: Caller) -> Reply:
            return Reply(body=b'{"content":[{"type":"text","text":"KEY=%b"}]}' % secret.encode())

        files, db = (world.gateway.catalog.connector(name) for name in ("files", "db"))
        assert isinstance(files, FakeConnector) and isinstance(db, FakeConnector)
        files.answer = answer
        if reads:
            read = await world.call("/workspace/.env", "files___read", session_id="one")
            assert read.refusal_code is None
        who, session = sends_as
        gateway = world.gateway
        authenticator = gateway.authenticator
        assert isinstance(authenticator, FakeAuthenticator)
        principal: Principal = world.principals[who]
        authenticator.anonymous = principal
        before = len(db.asked) + len(files.asked)
        outcome = await world.call(f"INSERT '{secret}'", sends_to, session_id=session)
        asked = [*files.asked, *db.asked][before:] if sends_to.startswith("db") else files.asked[1:]
        ended.extend((outcome, [request.arguments for request in asked]))

    within(directory, Interceptors(*guards), scenario, on=["request", "result"])
    return ended[0], ended[1]


@pytest.mark.parametrize("secret", [STRIPE, GITHUB, AWS])
def test_relaybleed_what_was_read_at_one_target_is_not_sent_to_another(
    tmp_path: Path, secret: str
) -> None:
    outcome, sent = read_and_send(tmp_path, secret)

    assert (outcome.refusal_code, sent) == ("refused_by_interceptor", [])


def test_same_origin_writeback_is_allowed(tmp_path: Path) -> None:
    outcome, sent = read_and_send(tmp_path, STRIPE, sends_to="files___read")

    assert outcome.refusal_code is None and STRIPE.encode() in sent[0]


def test_without_a_prior_read_it_is_allowed(tmp_path: Path) -> None:
    outcome, sent = read_and_send(tmp_path, STRIPE, reads=False)

    assert outcome.refusal_code is None and STRIPE.encode() in sent[0]


@pytest.mark.parametrize("sends_as", [("ada", "another"), ("bob", "one")])
def test_sessions_are_isolated_also_between_principals(
    tmp_path: Path, sends_as: tuple[str, str]
) -> None:
    outcome, _ = read_and_send(tmp_path, AWS, sends_as=sends_as)

    assert outcome.refusal_code is None


@pytest.mark.parametrize("secret", [STRIPE, GITHUB, AWS])
def test_redaction_takes_the_secret_out_of_what_is_sent(tmp_path: Path, secret: str) -> None:
    outcome, sent = read_and_send(tmp_path, secret, guards=(REDACTOR,), reads=False)

    assert outcome.refusal_code is None
    assert secret.encode() not in sent[0] and b"[secret]" in sent[0]


def test_redaction_defuses_relaybleed_because_the_guard_looks_after_it(tmp_path: Path) -> None:
    hooks = [{"events": ["tools/call"], "phase": "request"}]
    redactor = declared(REDACTOR, hooks=hooks)
    outcome, sent = read_and_send(tmp_path, STRIPE, guards=(GUARD, redactor))  # type: ignore[arg-type]

    assert outcome.refusal_code is None and STRIPE.encode() not in sent[0]


def test_an_attachment_is_made_for_every_point_but_messages(tmp_path: Path) -> None:
    chain = a_chain(
        tmp_path,
        {"name": "scan", "mcp": {"command": "true"}, "on": ["request", "result", "error", "list"]},
    )

    assert [type(one) for one in chain.attachments] == [Attachment]
