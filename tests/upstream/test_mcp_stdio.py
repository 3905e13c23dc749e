"""Targets over stdio: real child processes with every vice, and nothing of them left behind."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest
import uvloop

from callgate.model import NOTHING, Json, Offer, Ran, Reply, Tool
from callgate.ports import TargetError, TargetRequest
from callgate.protocol.methods import method_tool
from callgate.upstream import child, duplex, keeper, opening, sharing, stdio_link
from callgate.upstream.mcp_stdio import McpStdioConnector
from callgate.upstream.stdio_settings import StdioTargetSettings
from fakes.clock import FakeClock
from fakes.node import module_file, node
from fakes.passing import let_pass
from fakes.running import until as wait_until
from fakes.target import FakeCaller

PROGRAM = Path(__file__).parents[1] / "fakes" / "stdio_target.py"
Scenario = Callable[[McpStdioConnector], Coroutine[Any, Any, None]]


def a_request(tool: str, arguments: Json = None, **more: Any) -> TargetRequest:
    said = json.dumps(arguments or {}).encode()
    settings: dict[str, Any] = {
        "call_id": "c1",
        "tool": Tool(target="shop", name=tool, definition={}, digest=""),
        "params": b'{"name":"%b","arguments":%b}' % (tool.encode(), said),
        "arguments": said,
        "session_key": "ada",
        "principal_key": "ada",
        "timeout_seconds": 20.0,
    }
    return TargetRequest(**{**settings, **more})


def a_method(method: str, params: Json, **more: Any) -> TargetRequest:
    said = json.dumps(params).encode()
    changes = {"tool": method_tool("shop", method), "params": said}
    return msgspec.structs.replace(a_request("", **more), **changes)


async def ask(connector: McpStdioConnector, tool: str, arguments: Json = None, **more: Any) -> Any:
    caller = more.pop("caller", None) or FakeCaller()
    reply = await connector.call(a_request(tool, arguments, **more), caller)
    assert not reply.is_error
    text = json.loads(reply.body)["content"][0]["text"]
    try:
        return json.loads(text)
    except ValueError:
        return text


class Bench:
    """Runs a scenario against one stdio target, and checks that no process outlives it."""

    def __init__(self, directory: Path, runner: Callable[[Any], Any]) -> None:
        self.directory = directory
        self.log = directory / "shop.stderr.log"
        self.clock = FakeClock()
        self._runner = runner

    def run(self, scenario: Scenario, *words: str, **settings: Any) -> None:
        command = [sys.executable, str(PROGRAM), *words]
        made = StdioTargetSettings(**{"command": command, **settings})
        before = set(psutil.Process().children(recursive=True))

        async def whole() -> None:
            connector = McpStdioConnector("shop", made, self.clock, self.directory)
            await connector.start()
            try:
                await scenario(connector)
            finally:
                await connector.close()

        self._runner(whole())
        left = set(psutil.Process().children(recursive=True)) - before
        wait_until(lambda: not any(_runs(one.pid) for one in left))  # killed ones take a moment


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path, uvloop.run)


@pytest.fixture(params=[asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def each_bench(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    return Bench(tmp_path, request.param)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "GRACE_SECONDS", 0.5)


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "FIRST_SECONDS", 0.02)


@pytest.mark.parametrize(("era", "spoken"), [("modern", "modern"), ("legacy", "legacy")])
def test_both_eras_are_spoken_over_one_child(each_bench: Bench, era: str, spoken: str) -> None:
    async def scenario(connector: McpStdioConnector) -> None:
        listing = await connector.list_tools()
        assert [tool["name"] for tool in listing.tools] == ["echo"]
        assert await ask(connector, "echo", {"a": 1}) == {"a": 1}
        found = await asyncio.gather(*(ask(connector, "echo", {"n": n}) for n in range(50)))
        assert found == [{"n": n} for n in range(50)]
        pids = {await ask(connector, "pid", principal_key=key) for key in ("ada", "bob")}
        assert len(pids) == 1
        assert connector.status.is_ready
        assert connector.status.era == spoken
        assert connector.status.tools == 1
        meta = await ask(connector, "meta", meta={"traceparent": "x"})
        assert meta["traceparent"] == "x"
        assert ("io.modelcontextprotocol/protocolVersion" in meta) is (era == "modern")

    each_bench.run(scenario, era)


def test_an_error_of_the_target_is_its_reply(bench: Bench) -> None:
    async def scenario(connector: McpStdioConnector) -> None:
        reply = await connector.call(a_request("nothing"), FakeCaller())
        assert reply.is_error
        assert json.loads(reply.body) == {"code": -32602, "message": "unknown tool"}

    bench.run(scenario, "modern")


@pytest.mark.parametrize("era", ["dies", "deaf"])
def test_programs_that_cannot_bear_the_modern_question_are_spoken_to_in_the_old_way(
    bench: Bench, era: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "DISCOVER_SECONDS", 0.3)

    async def scenario(connector: McpStdioConnector) -> None:
        assert await ask(connector, "echo", {"a": 1}) == {"a": 1}
        assert connector.status.era == "legacy"

    bench.run(scenario, era)


def test_a_modern_program_that_starts_slowly_is_not_taken_for_an_old_one(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "DISCOVER_SECONDS", 0.1)

    async def scenario(connector: McpStdioConnector) -> None:
        assert await ask(connector, "echo", {"a": 1}) == {"a": 1}
        assert connector.status.era == "modern"

    bench.run(scenario, "modern", "late")


def test_what_is_printed_before_and_between_messages_is_tolerated_and_kept(bench: Bench) -> None:
    async def scenario(connector: McpStdioConnector) -> None:
        assert await ask(connector, "junk", {"text": "oops\n[1]\n7\n", "times": 5}) == "sorry"
        assert await ask(connector, "bytes", {"bytes": [123, 255, 125, 10]}) == "sorry"

    bench.run(scenario, "legacy", "chatty")
    text = bench.log.read_text(errors="replace")
    assert "stdout: Welcome!" in text
    assert "stdout: oops" in text


def test_the_environment_is_clean(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLGATE_SECRET", "s3cret")
    monkeypatch.setenv("LD_PRELOAD_X", "y")
    monkeypatch.setenv("LANG", "() { evil; }")

    async def scenario(connector: McpStdioConnector) -> None:
        environment = await ask(connector, "environment")
        assert environment["GIVEN"] == "yes"
        assert environment["HOME"] == "/elsewhere"
        assert "CALLGATE_SECRET" not in environment
        assert "LD_PRELOAD_X" not in environment
        assert "LANG" not in environment

    bench.run(scenario, "modern", env={"GIVEN": "yes", "HOME": "/elsewhere"})


def test_each_principal_has_its_own_child_where_that_is_wanted(bench: Bench) -> None:
    async def scenario(connector: McpStdioConnector) -> None:
        await connector.list_tools()
        pids = [await ask(connector, "pid", principal_key=key) for key in ("ada", "bob", "ada")]
        assert pids[0] == pids[2] != pids[1]
        bench.clock.advance(sharing.IDLE_SECONDS - 1)
        await ask(connector, "pid", principal_key="ada")
        bench.clock.advance(2)
        connector._pipes._shared.expire()
        await until(lambda: not psutil.pid_exists(pids[1]))
        assert await ask(connector, "pid", principal_key="ada") == pids[0]

    bench.run(scenario, "modern", share="principal")


def test_more_children_than_may_be_end_the_longest_idle_and_never_a_busy_one(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("callgate.upstream.mcp_stdio.MAX_CHILDREN", 2)

    async def scenario(connector: McpStdioConnector) -> None:
        first = await ask(connector, "pid", principal_key="ada")
        busy = asyncio.ensure_future(ask(connector, "hold", principal_key="bob"))
        await asyncio.sleep(0)
        await ask(connector, "pid", principal_key="eve")
        await until(lambda: not psutil.pid_exists(first))
        held = asyncio.ensure_future(ask(connector, "hold", principal_key="eve"))
        await until(lambda: under_way(connector) == 2)
        with pytest.raises(TargetError) as raised:
            await ask(connector, "pid", principal_key="ada")
        assert (raised.value.code, raised.value.ran) == ("target_unavailable", Ran.NO)
        for key in ("bob", "eve"):
            assert await ask(connector, "let_go", principal_key=key) == "let go"
        assert list(await asyncio.gather(busy, held)) == ["held", "held"]

    bench.run(scenario, "modern", share="principal")


def under_way(connector: McpStdioConnector) -> int:
    """How many calls were sent to its children and are not answered."""
    links = [pipe.keeper.current for pipe in connector._pipes._kept.values()]
    return sum(asked.is_sent for link in links if link for asked in link._asked.values())


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not is_so():  # noqa: ASYNC110 - a process has no event to wait for
            await asyncio.sleep(0.01)


@pytest.mark.usefixtures("hasty")
def test_a_child_that_dies_loses_its_calls_and_is_started_again(
    each_bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stdio_link, "FATE_SECONDS", 30.0)  # it does exit: how, is to be told

    async def scenario(connector: McpStdioConnector) -> None:
        first = await ask(connector, "pid")
        calls = [
            asyncio.ensure_future(ask(connector, "sleep", {"seconds": 60})),
            asyncio.ensure_future(ask(connector, "crash")),
        ]
        for failed in await asyncio.gather(*calls, return_exceptions=True):
            assert isinstance(failed, TargetError)
            assert (failed.code, failed.ran) == ("target_lost", Ran.UNKNOWN)
            assert "exited with status 3" in failed.detail
        assert await ask(connector, "pid") != first
        assert connector.status.is_ready

    each_bench.run(scenario, "legacy")


@pytest.mark.usefixtures("hasty")
def test_a_child_of_one_principal_is_started_again_when_it_is_asked_for(bench: Bench) -> None:
    async def scenario(connector: McpStdioConnector) -> None:
        for _ in range(3):
            with pytest.raises(TargetError, match="target_lost"):
                await ask(connector, "crash")
            assert await ask(connector, "echo") == {}

    bench.run(scenario, "modern", share="principal")


def test_a_child_that_closes_its_output_is_as_good_as_dead(tmp_path: Path) -> None:
    async def scenario(connector: McpStdioConnector) -> None:
        with pytest.raises(TargetError) as raised:
            await ask(connector, "close_stdout")
        assert raised.value.code == "target_lost"
        assert await ask(connector, "echo") == {}

    # Not on uvloop: it leaves its children a second handle of the pipe, so that only their exit
    # is noticed, or that a call takes too long.
    Bench(tmp_path, asyncio.run).run(scenario, "modern")


@pytest.mark.usefixtures("hasty")
def test_a_death_is_noticed_although_a_descendant_holds_the_pipe(each_bench: Bench) -> None:
    async def scenario(connector: McpStdioConnector) -> None:
        orphan = await ask(connector, "spawn", {"leaves_group": False})
        with pytest.raises(TargetError, match="target_lost"):
            await ask(connector, "crash")
        assert await ask(connector, "echo") == {}
        assert not _runs(orphan)

    each_bench.run(scenario, "modern")


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("words", [("gone",), ("mute",)])
def test_a_program_that_never_speaks_is_unavailable_and_tried_again_with_pauses(
    bench: Bench, words: tuple[str, ...]
) -> None:
    async def scenario(connector: McpStdioConnector) -> None:
        for _ in range(3):
            with pytest.raises(TargetError) as raised:
                await ask(connector, "echo")
            assert (raised.value.code, raised.value.ran) == ("target_unavailable", Ran.NO)
        assert not connector.status.is_ready
        assert "shop.stderr.log" in raised.value.detail

    bench.run(scenario, *words, startup_timeout_seconds=0.4)


@pytest.mark.parametrize("settings", [{"command": ["/no/such/program"]}, {"cwd": "/no/such/place"}])
def test_a_program_that_cannot_be_started_says_why(each_bench: Bench, settings: Any) -> None:
    async def scenario(connector: McpStdioConnector) -> None:
        with pytest.raises(TargetError) as raised:
            await ask(connector, "echo")
        assert (raised.value.code, raised.value.ran) == ("target_unavailable", Ran.NO)
        assert "/no/such" in raised.value.detail
        assert "/no/such" in connector.status.detail

    each_bench.run(scenario, **settings)


@pytest.mark.parametrize("leaves_group", [False, True])
@pytest.mark.parametrize("option", ["", "stubborn"])
def test_the_whole_tree_ends_with_the_target(
    each_bench: Bench, option: str, leaves_group: bool
) -> None:
    pids: list[int] = []

    async def scenario(connector: McpStdioConnector) -> None:
        pids.append(await ask(connector, "pid"))
        pids.append(await ask(connector, "spawn", {"leaves_group": leaves_group}))

    each_bench.run(scenario, "modern", *filter(None, [option]))
    assert len(pids) == 2
    wait_until(lambda: not any(map(_runs, pids)))


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_closing_while_calls_are_in_flight_loses_them(each_bench: Bench) -> None:
    async def scenario(connector: McpStdioConnector) -> None:
        await ask(connector, "echo")
        calls = [asyncio.ensure_future(ask(connector, "sleep", {"seconds": 60})) for _ in range(3)]
        await until(lambda: under_way(connector) == 3)
        await connector.close()
        for failed in await asyncio.gather(*calls, return_exceptions=True):
            assert isinstance(failed, TargetError)
            assert (failed.code, failed.ran) == ("target_lost", Ran.UNKNOWN)
        with pytest.raises(TargetError) as raised:
            await ask(connector, "echo")
        assert raised.value.ran is Ran.NO

    each_bench.run(scenario, "modern")


def test_closing_while_the_program_starts_leaves_nothing(bench: Bench) -> None:
    async def scenario(connector: McpStdioConnector) -> None:
        call = asyncio.ensure_future(ask(connector, "echo"))
        await asyncio.sleep(0.15)
        await connector.close()
        with pytest.raises(TargetError) as raised:
            await call
        assert (raised.value.code, raised.value.ran) == ("target_unavailable", Ran.NO)

    bench.run(scenario, "mute")


def test_a_cancelled_or_late_call_is_cancelled_in_the_target_and_others_go_on(bench: Bench) -> None:
    async def scenario(connector: McpStdioConnector) -> None:
        await ask(connector, "echo")
        other = asyncio.ensure_future(ask(connector, "hold", timeout_seconds=120.0))
        cancelled = asyncio.ensure_future(ask(connector, "sleep", {"seconds": 30}))
        await until(lambda: under_way(connector) == 2)
        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        late = asyncio.ensure_future(ask(connector, "sleep", {"seconds": 30}, timeout_seconds=10.0))
        await until(lambda: under_way(connector) == 2)
        let_pass(connector._pipes._faults.deadlines, 11.0)  # more than one has, less than `other`
        with pytest.raises(TargetError) as raised:
            await late
        assert (raised.value.code, raised.value.ran) == ("target_timeout", Ran.UNKNOWN)
        assert len(await ask(connector, "cancelled")) == 2
        await ask(connector, "let_go")
        assert await other == "held"

    bench.run(scenario, "modern")


def test_waiting_for_a_slow_start_is_bounded_by_the_call(bench: Bench) -> None:
    async def scenario(connector: McpStdioConnector) -> None:
        with pytest.raises(TargetError) as raised:
            await ask(connector, "echo", timeout_seconds=0.1)
        assert (raised.value.code, raised.value.ran) == ("target_timeout", Ran.NO)

    bench.run(scenario, "mute")


def test_progress_goes_to_its_own_caller(bench: Bench) -> None:
    async def scenario(connector: McpStdioConnector) -> None:
        callers = [FakeCaller() for _ in range(4)]
        await asyncio.gather(
            *(
                connector.call(
                    a_request(
                        "progress",
                        {"times": 3},
                        session_key=f"s{number}",
                        wants_progress=True,
                        progress_token=f"t{number}",
                    ),
                    caller,
                )
                for number, caller in enumerate(callers)
            )
        )
        for number, caller in enumerate(callers):
            assert [said for said in caller.told if said[0] == "notifications/progress"] == [
                ("notifications/progress", {"progressToken": f"t{number}", "progress": step})
                for step in range(3)
            ]

    bench.run(scenario, "legacy")


def test_log_messages_are_handed_on_where_the_child_is_the_callers_own(bench: Bench) -> None:
    async def scenario(connector: McpStdioConnector) -> None:
        caller = FakeCaller()
        await connector.call(a_request("progress", {"times": 0}), caller)
        assert caller.told == [("notifications/message", {"level": "info", "data": "log"})]

    bench.run(scenario, "legacy", share="principal")


def test_a_slow_agent_holds_nobody_else_up(bench: Bench) -> None:
    class SlowCaller(FakeCaller):
        async def notify(self, method: str, params: dict[str, Json]) -> None:
            await asyncio.sleep(60)

    async def scenario(connector: McpStdioConnector) -> None:
        slow = asyncio.ensure_future(
            connector.call(
                a_request("progress", {"times": 5000}, wants_progress=True, progress_token=1),
                SlowCaller(),
            )
        )
        await asyncio.sleep(0.3)
        assert await ask(connector, "echo") == {}
        slow.cancel()
        await asyncio.gather(slow, return_exceptions=True)

    bench.run(scenario, "modern")


def test_requests_of_the_target_are_answered_and_nothing_is_offered(bench: Bench) -> None:
    async def scenario(connector: McpStdioConnector) -> None:
        answers = await ask(connector, "asks")
        assert {answer["id"]: answer.get("result") for answer in answers} == {"p": {}, 7: None}
        assert [a["error"]["code"] for a in answers if "error" in a] == [-32601]

    bench.run(scenario, "legacy")


@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_a_change_of_the_tools_is_announced(bench: Bench, era: str) -> None:
    async def scenario(connector: McpStdioConnector) -> None:
        changed = asyncio.Event()
        forget = connector.on_change(lambda what: changed.set() if what == "tools" else None)
        if era == "legacy":
            await ask(connector, "change")
        await asyncio.wait_for(changed.wait(), 30)
        forget()
        changed.clear()
        await ask(connector, "change")
        assert not changed.is_set()

    bench.run(scenario, era, "changing")


def test_an_answer_over_the_bound_fails_its_own_call_only(bench: Bench) -> None:
    async def scenario(connector: McpStdioConnector) -> None:
        pid = await ask(connector, "pid")
        with pytest.raises(TargetError) as raised:
            await ask(connector, "large", {"size": 3000})
        assert (raised.value.code, raised.value.ran) == ("target_protocol_error", Ran.UNKNOWN)
        assert await ask(connector, "pid") == pid

    bench.run(scenario, "modern", max_response_bytes=2048)


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize(
    ("tool", "arguments"), [("endless", {}), ("junk", {"text": "x\n", "times": 2000})]
)
def test_a_flood_ends_the_child_and_the_next_one_works(
    bench: Bench, tool: str, arguments: Json
) -> None:
    async def scenario(connector: McpStdioConnector) -> None:
        with pytest.raises(TargetError) as raised:
            await ask(connector, tool, arguments)
        assert (raised.value.code, raised.value.ran) == ("target_lost", Ran.UNKNOWN)
        assert await ask(connector, "echo") == {}

    bench.run(scenario, "modern", max_response_bytes=1 << 20)


def test_a_child_that_does_not_read_holds_its_callers_up_but_not_the_memory(
    each_bench: Bench,
) -> None:
    async def scenario(connector: McpStdioConnector) -> None:
        await ask(connector, "echo")
        pid = await ask(connector, "pid")
        psutil.Process(pid).suspend()
        text = "x" * (1 << 20)
        failed = await asyncio.gather(
            *(ask(connector, "echo", {"t": text}, timeout_seconds=0.3) for _ in range(10)),
            return_exceptions=True,
        )
        rans = [error.ran for error in failed if isinstance(error, TargetError)]
        assert len(rans) == 10
        assert rans.count(Ran.NO) >= 8  # only what fits the pipe's buffer was written at all
        psutil.Process(pid).resume()

    each_bench.run(scenario, "modern")


def test_stderr_is_kept_within_two_files(bench: Bench) -> None:
    async def scenario(connector: McpStdioConnector) -> None:
        for letter in "abcdef":
            await ask(connector, "stderr", {"text": letter * 100, "times": 30})

    bench.run(scenario, "modern", stderr_max_bytes=4096)
    old = bench.directory / "shop.stderr.log.1"
    assert bench.log.stat().st_size <= 4096
    assert old.stat().st_size <= 4096
    assert bench.log.read_text().endswith("f")
    assert bench.log.stat().st_mode & 0o077 == 0


def test_a_log_that_cannot_be_written_holds_nothing_up(bench: Bench) -> None:
    async def scenario(connector: McpStdioConnector) -> None:
        assert await ask(connector, "stderr", {"text": "x" * 1000, "times": 200}) == "said"

    (bench.directory / "file").write_text("in the way")
    bench.run(scenario, "modern", stderr_log=bench.directory / "file" / "x.log")


def test_arguments_with_line_breaks_stay_one_message(bench: Bench) -> None:
    async def scenario(connector: McpStdioConnector) -> None:
        arguments = b'{\n "a":\r\n "x\\ny"\n}'
        assert await ask(connector, "echo", arguments={}) == {}
        params = b'{"name":\n"echo","arguments":%b}' % arguments
        request = a_request("echo", params=params)
        reply = await connector.call(request, FakeCaller())
        assert json.loads(json.loads(reply.body)["content"][0]["text"]) == {"a": "x\ny"}

    bench.run(scenario, "modern")


ELICIT = Offer(capabilities={"elicitation": {}}, digest="e")
SAMPLE = Offer(capabilities={"sampling": {}}, digest="s")
ROOTS = Offer(capabilities={"roots": {}}, digest="r")
ELICITATION = {"method": "elicitation/create", "params": {"message": "Really?"}}
ACCEPTED = Reply(body=b'{"action":"accept"}')


class Asks(FakeCaller):
    """A client that answers when a test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.is_asked = asyncio.Event()
        self.may_answer = asyncio.Event()

    async def ask(self, method: str, params: dict[str, Json]) -> Reply:
        self.asked.append((method, params))
        self.is_asked.set()
        await self.may_answer.wait()
        return ACCEPTED


@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_every_method_goes_through_with_its_params(bench: Bench, era: str) -> None:
    async def scenario(connector: McpStdioConnector) -> None:
        features = await connector.features()
        assert (features.era, features.instructions) == (era, "Be kind.")
        assert features.has("resources", "subscribe")
        request = a_method("resources/read", {"uri": "a://b"}, offer=ELICIT, log_level="info")
        reply = await connector.call(request, FakeCaller())
        content = json.loads(reply.body)["contents"][0]
        assert content["uri"] == "a://b"
        meta = json.loads(content["text"]) or {}
        assert meta.get("io.modelcontextprotocol/clientCapabilities") == (
            ELICIT.capabilities if era == "modern" else None
        )
        assert meta.get("io.modelcontextprotocol/logLevel") == ("info" if era == "modern" else None)
        reply = await connector.call(a_method("prompts/get", {"name": "x"}), FakeCaller())
        assert json.loads(reply.body)["code"] == -32601

    bench.run(scenario, era)


def test_a_legacy_program_runs_once_per_offer_and_learns_exactly_that(bench: Bench) -> None:
    async def scenario(connector: McpStdioConnector) -> None:
        pids: dict[str, int] = {}
        for offer in (NOTHING, ELICIT, SAMPLE, ELICIT):
            pid = await ask(connector, "pid", offer=offer, session_key=offer.digest)
            assert pids.setdefault(offer.digest, pid) == pid
            state = await ask(connector, "state", offer=offer, session_key=offer.digest)
            assert state["capabilities"] == offer.capabilities
        assert len(set(pids.values())) == 3
        assert [tool["name"] for tool in (await connector.list_tools()).tools] == ["echo"]
        more = (await connector.list_tools(ELICIT)).tools
        assert [tool["name"] for tool in more] == ["echo", "picky"]

    bench.run(scenario, "legacy")


def test_a_modern_program_runs_once_for_all_offers(bench: Bench) -> None:
    async def scenario(connector: McpStdioConnector) -> None:
        pids = await asyncio.gather(
            *(ask(connector, "pid", offer=offer) for offer in (NOTHING, ELICIT, SAMPLE))
        )
        assert len(set(pids)) == 1

    bench.run(scenario, "modern")


def test_each_session_has_its_own_child_where_that_is_wanted(bench: Bench) -> None:
    async def scenario(connector: McpStdioConnector) -> None:
        pids = [await ask(connector, "pid", session_key=key) for key in ("a", "b", "a")]
        assert pids[0] == pids[2] != pids[1]
        await connector.release("a")
        await until(lambda: not psutil.pid_exists(pids[0]))
        assert psutil.pid_exists(pids[1])
        assert await ask(connector, "pid", session_key="a") not in pids

    bench.run(scenario, "legacy", share="session")


def test_a_lazy_target_has_no_child_before_its_client_and_then_one(tmp_path: Path) -> None:
    async def scenario() -> None:
        command = [sys.executable, str(PROGRAM), "legacy"]
        settings = StdioTargetSettings(command=command)
        connector = McpStdioConnector("shop", settings, FakeClock(), tmp_path, is_lazy=True)
        before = set(psutil.Process().children())
        await connector.start()
        try:
            assert connector.status.detail == "not connected yet"
            pid = await ask(connector, "pid", offer=ELICIT)
            await connector.list_tools()
            await connector.features()
            mine = set(psutil.Process().children()) - before
            assert {process.pid for process in mine} == {pid}
        finally:
            await connector.close()

    uvloop.run(scenario())


def test_a_program_asks_the_client_of_the_call(each_bench: Bench) -> None:
    async def scenario(connector: McpStdioConnector) -> None:
        caller = FakeCaller(answers=[ACCEPTED])
        [answer] = await ask(connector, "ask", ELICITATION, offer=ELICIT, caller=caller)
        assert answer["result"] == {"action": "accept"}
        assert caller.asked == [("elicitation/create", {"message": "Really?"})]
        [refused] = await ask(connector, "ask", {"method": "roots/list"}, offer=ELICIT)
        assert refused["error"]["code"] == -32601

    each_bench.run(scenario, "legacy")


def test_clients_of_one_child_are_not_mistaken_for_each_other(bench: Bench) -> None:
    async def scenario(connector: McpStdioConnector) -> None:
        callers = {key: FakeCaller(answers=[ACCEPTED]) for key in ("ada", "bob")}
        beyond = FakeCaller(answers=[ACCEPTED])
        sleeping = asyncio.ensure_future(ask(connector, "hold", offer=ELICIT, session_key="ada"))
        await ask(connector, "echo", offer=ELICIT, session_key="ada")
        [unclear] = await ask(
            connector,
            "ask",
            ELICITATION,
            offer=ELICIT,
            session_key="bob",
            beyond=beyond,
            caller=callers["bob"],
        )
        assert "share: session" in unclear["error"]["message"]
        await ask(connector, "let_go", offer=ELICIT, session_key="ada")
        assert await sleeping == "held"
        [clear] = await ask(
            connector, "ask", ELICITATION, offer=ELICIT, session_key="bob", caller=callers["bob"]
        )
        assert clear["result"] == {"action": "accept"}
        later = {**ELICITATION, "id": "later"}
        await ask(connector, "ask_later", later, offer=ELICIT, session_key="bob")
        await until_answered(connector, "later", offer=ELICIT, session_key="bob")
        assert beyond.asked == []
        await connector.release("ada")
        again = {**ELICITATION, "id": "again"}
        await ask(connector, "ask_later", again, offer=ELICIT, session_key="bob")
        await until(lambda: len(beyond.asked) == 1)
        assert (await until_answered(connector, "again", offer=ELICIT, session_key="bob"))["result"]

    bench.run(scenario, "legacy")


async def until_answered(connector: McpStdioConnector, message_id: Any, **more: Any) -> Any:
    async with asyncio.timeout(30):
        while True:
            for answer in await ask(connector, "answers", **more):
                if answer["id"] == message_id:
                    return answer


def test_a_program_that_asks_as_it_opens_asks_who_opened_it(bench: Bench) -> None:
    async def scenario(connector: McpStdioConnector) -> None:
        beyond = FakeCaller(answers=[Reply(body=b'{"roots":[]}')])
        caller = FakeCaller(answers=[Reply(body=b'{"roots":[]}')])
        # It comes before the call or during it, and the call is not over before it is answered.
        curious = {"id": "curious"}
        more: dict[str, Any] = {"offer": ROOTS, "beyond": beyond, "caller": caller}
        [answer] = await ask(connector, "await_answer", curious, **more)
        assert answer["result"] == {"roots": []}
        assert len(beyond.asked) + len(caller.asked) == 1

    bench.run(scenario, "legacy", "curious")


def test_a_call_waits_for_the_client_beyond_its_own_time(bench: Bench) -> None:
    async def scenario(connector: McpStdioConnector) -> None:
        await ask(connector, "echo", offer=ELICIT)
        caller = Asks()
        asking = asyncio.ensure_future(
            ask(connector, "ask", ELICITATION, offer=ELICIT, caller=caller, timeout_seconds=30.0)
        )
        await caller.is_asked.wait()
        let_pass(connector._pipes._faults.deadlines, 31.0)
        await asyncio.sleep(0)
        caller.may_answer.set()
        [answer] = await asking
        assert answer["result"] == {"action": "accept"}

    bench.run(scenario, "legacy")


@pytest.mark.usefixtures("hasty")
def test_a_child_that_dies_while_the_client_is_asked_loses_the_call(each_bench: Bench) -> None:
    async def scenario(connector: McpStdioConnector) -> None:
        pid = await ask(connector, "pid", offer=ELICIT)
        caller = Asks()
        asking = asyncio.ensure_future(
            ask(connector, "ask", ELICITATION, offer=ELICIT, caller=caller)
        )
        await caller.is_asked.wait()
        psutil.Process(pid).kill()
        with pytest.raises(TargetError) as raised:
            await asking
        assert (raised.value.code, raised.value.ran) == ("target_lost", Ran.UNKNOWN)
        assert await ask(connector, "echo", offer=ELICIT) == {}

    each_bench.run(scenario, "legacy")


def test_a_cancelled_call_ends_what_it_made_the_program_ask(bench: Bench) -> None:
    async def scenario(connector: McpStdioConnector) -> None:
        caller = Asks()
        question = {**ELICITATION, "id": "q"}
        asking = asyncio.ensure_future(ask(connector, "ask", question, offer=ELICIT, caller=caller))
        await caller.is_asked.wait()
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        answer = await until_answered(connector, "q", offer=ELICIT)
        assert "The call is over" in answer["error"]["message"]
        assert len(await ask(connector, "cancelled", offer=ELICIT)) == 1

    bench.run(scenario, "legacy")


def test_a_program_that_asks_without_end_is_bounded(bench: Bench) -> None:
    async def scenario(connector: McpStdioConnector) -> None:
        caller = FakeCaller(answers=[ACCEPTED] * 10_000)
        question = {**ELICITATION, "times": 2000}
        answers = await ask(connector, "ask_often", question, offer=ELICIT, caller=caller)
        assert len(answers) == 2000
        assert len(caller.asked) <= duplex.MAX_ASKED_IN_CALL
        assert len([answer for answer in answers if "result" in answer]) == len(caller.asked)
        assert await ask(connector, "echo", offer=ELICIT) == {}

    bench.run(scenario, "legacy")


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_subscriptions_are_shared_told_apart_and_restored(each_bench: Bench, era: str) -> None:
    async def scenario(connector: McpStdioConnector) -> None:
        beyonds = {key: FakeCaller() for key in ("ada", "bob")}

        async def subscribe(key: str, uri: str) -> Reply:
            more = {"session_key": key, "beyond": beyonds[key], "log_level": "warning"}
            request = a_method("resources/subscribe", {"uri": uri}, **more)
            return await connector.call(request, FakeCaller())

        async def hear(uri: str, told: dict[str, int]) -> None:
            await ask(connector, "update", {"uri": uri})
            await until(lambda: {k: len(b.told) for k, b in beyonds.items()} == told)

        for key, uri in (("ada", "x"), ("bob", "x"), ("bob", "y")):
            assert await subscribe(key, uri) == Reply(body=b"{}")
        await hear("x", {"ada": 1, "bob": 1})
        await hear("y", {"ada": 1, "bob": 2})
        method, params = beyonds["bob"].told[-1]
        assert (method, params["uri"]) == ("notifications/resources/updated", "y")
        assert "io.modelcontextprotocol/subscriptionId" not in str(params)
        state = await ask(connector, "state")
        if era == "legacy":
            assert (state["subscribed"], state["levels"]) == (["x", "y"], ["warning"])
        else:
            assert sorted(state["listens"]) == [["x"], ["x", "y"]]

        with pytest.raises(TargetError, match="target_lost"):
            await ask(connector, "crash")
        async with asyncio.timeout(30):
            while True:
                state = await ask(connector, "state")
                found = state["subscribed"] if era == "legacy" else state["listens"]
                if len(found) == 2:
                    break
        assert state["levels"] == (["warning"] if era == "legacy" else [])
        await hear("y", {"ada": 1, "bob": 3})
        await connector.release("bob")
        await ask(connector, "update", {"uri": "x"})
        await until(lambda: len(beyonds["ada"].told) == 2)
        assert len(beyonds["bob"].told) == 3

    each_bench.run(scenario, era)


def test_a_subscription_that_the_program_refuses_is_an_error(bench: Bench) -> None:
    async def scenario(connector: McpStdioConnector) -> None:
        request = a_method("resources/subscribe", {"uri": "no://where"})
        reply = await connector.call(request, FakeCaller())
        assert json.loads(reply.body)["code"] == -32002

    bench.run(scenario, "legacy")


def test_a_modern_program_that_agrees_to_nothing_has_refused(bench: Bench) -> None:
    async def scenario(connector: McpStdioConnector) -> None:
        request = a_method("resources/subscribe", {"uri": "x"})
        reply = await connector.call(request, FakeCaller())
        assert json.loads(reply.body)["code"] == -32602

    bench.run(scenario, "modern", "sullen")


def test_what_a_modern_program_needs_is_its_reply(bench: Bench) -> None:
    async def scenario(connector: McpStdioConnector) -> None:
        await connector.features()
        request = a_request("need")
        reply = await connector.call(request, FakeCaller())
        assert reply.kind == "input_required"

    bench.run(scenario, "modern")


def test_a_real_server_is_served(bench: Bench, tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("mcp-server-time")

    async def scenario(connector: McpStdioConnector) -> None:
        listing = await connector.list_tools()
        assert {"get_current_time", "convert_time"} <= {tool["name"] for tool in listing.tools}
        reply = await connector.call(
            a_request("get_current_time", {"timezone": "UTC"}), FakeCaller()
        )
        assert b"UTC" in reply.body
        assert connector.status.era == "modern"

    bench.run(scenario, command=f"'{program}' --local-timezone UTC")


EVERYTHING_SERVER = ("@modelcontextprotocol/server-everything", "dist/index.js")


def test_a_real_legacy_server_asks_its_client(bench: Bench) -> None:
    offer = Offer(
        capabilities={"sampling": {}, "elicitation": {"form": {}}, "roots": {}}, digest="all"
    )
    sampled = {"role": "assistant", "model": "m", "content": {"type": "text", "text": "Hello!"}}

    async def scenario(connector: McpStdioConnector) -> None:
        plain = {tool["name"] for tool in (await connector.list_tools()).tools}
        offered = {tool["name"] for tool in (await connector.list_tools(offer)).tools}
        assert {"trigger-sampling-request", "trigger-elicitation-request"} <= offered - plain
        caller = FakeCaller(answers=[Reply(body=json.dumps(sampled).encode())])
        request = a_request("trigger-sampling-request", {"prompt": "Hi"}, offer=offer)
        assert b"Hello!" in (await connector.call(request, caller)).body
        assert [method for method, _ in caller.asked] == ["sampling/createMessage"]
        caller = FakeCaller(answers=[Reply(body=b'{"action":"decline"}')])
        request = a_request("trigger-elicitation-request", offer=offer)
        assert b"declined" in (await connector.call(request, caller)).body

    command = [str(node()), str(module_file(*EVERYTHING_SERVER)), "stdio"]
    bench.run(scenario, command=command)
