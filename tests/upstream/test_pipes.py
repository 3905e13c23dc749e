"""Which clients share a pipe, what becomes of it, and what a request does when it breaks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from callgate.model import CALL_TOOL, NOTHING, Era, Features, Offer, Ran, Reply
from callgate.ports import TargetError
from callgate.protocol.methods import method_tool
from callgate.upstream import keeper
from callgate.upstream.faults import Lost, Unreachable
from callgate.upstream.pipes import EVERYBODY, Pipe, PipeRules, Pipes
from callgate.upstream.sharing import IDLE_SECONDS
from fakes.clock import FakeClock
from fakes.duplex import EVERYTHING, LEGACY, MODERN, FakeDuplex, a_target_request
from fakes.passing import let_pass
from fakes.store import until
from fakes.target import FakeCaller

SOME = Offer(capabilities={"roots": {}}, digest="some")


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "FIRST_SECONDS", 0.001)


class Bench:
    """Pipes whose other end answers everything with `{"tools": []}`."""

    def __init__(self, features: Features = LEGACY, **rules: Any) -> None:
        self.features = features
        self.opened: list[FakeDuplex] = []
        self.hints: list[Era | None] = []
        self.fails = False
        self.breaks = 0  # so many writes fail before anything was sent
        self.is_mute = False
        self.clock = FakeClock()
        settings: dict[str, Any] = {"most": 10, "timeout_seconds": 30.0, **rules}
        self.pipes = Pipes("shop", self.launch, self.clock.ticks, PipeRules(**settings))

    async def launch(self, pipe: Pipe, hint: Era | None) -> FakeDuplex:
        self.hints.append(hint)
        await asyncio.sleep(0)
        if self.fails:
            raise Unreachable("it is broken")
        duplex = FakeDuplex(self.features, terms=self.pipes.terms(pipe))
        duplex.on_write = lambda message: self.answer(duplex, message)
        write = duplex.write

        async def breaking(body: bytes, sent: Callable[[], None]) -> None:
            if self.breaks:
                self.breaks -= 1
                duplex.die("it broke")
                raise Lost("it broke")
            await write(body, sent)

        duplex.write = breaking  # type: ignore[method-assign]
        pipe.subscriptions.restore(duplex)
        self.opened.append(duplex)
        return duplex

    def answer(self, duplex: FakeDuplex, message: dict[str, Any]) -> None:
        if "id" in message and "method" in message and not self.is_mute:
            duplex.comes({"id": message["id"], "result": {"tools": []}})

    async def call(self, scope: str = EVERYBODY, caller: Any = None, **more: Any) -> Reply:
        request = a_target_request(**{"timeout_seconds": 30.0, **more})
        return await self.pipes.call(request, caller or FakeCaller(), scope)

    def offers(self) -> list[str]:
        return [duplex.offer.digest for duplex in self.opened]

    def calls(self) -> list[int]:
        return [len(duplex.said(CALL_TOOL)) for duplex in self.opened]


def run(
    scenario: Callable[[Bench], Awaitable[None]], features: Features = LEGACY, **rules: Any
) -> None:
    async def whole() -> None:
        bench = Bench(features, **rules)
        try:
            async with asyncio.timeout(30):
                await scenario(bench)
        finally:
            await bench.pipes.close()
            for duplex in bench.opened:
                await duplex.close()

    asyncio.run(whole())


def test_a_legacy_pipe_declares_what_its_clients_offer() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.pipes.begin()
        for offer in (NOTHING, SOME, EVERYTHING, SOME, NOTHING):
            await bench.call(offer=offer)
        assert bench.offers() == ["", "some", "all"]
        assert bench.calls() == [2, 2, 1]
        await bench.pipes.list_tools(SOME)
        assert len(bench.opened[1].said("tools/list")) == 1
        assert (await bench.pipes.features(EVERYTHING)).era is Era.LEGACY
        assert len(bench.opened) == 3

    run(scenario)


def test_a_modern_pipe_serves_all_offers_and_says_each_with_its_request() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.pipes.begin()
        offers = (NOTHING, SOME, EVERYTHING)
        await asyncio.gather(*(bench.call(offer=offer, log_level="info") for offer in offers))
        assert bench.calls() == [3]
        prefix = "io.modelcontextprotocol/"
        metas = [message["params"]["_meta"] for message in bench.opened[0].said(CALL_TOOL)]
        assert [meta[prefix + "clientCapabilities"] for meta in metas] == [
            offer.capabilities for offer in offers
        ]
        assert {meta[prefix + "logLevel"] for meta in metas} == {"info"}

    run(scenario, MODERN)


def test_offers_that_come_at_once_wait_for_the_era_and_share_what_they_may() -> None:
    async def scenario(bench: Bench) -> None:
        await asyncio.gather(*(bench.call("own", offer=offer) for offer in (EVERYTHING, SOME)))
        assert bench.calls() == [2]

    run(scenario, MODERN)


def test_what_one_pipe_learnt_of_the_era_spares_the_next_one_the_question() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.call(offer=NOTHING)
        await bench.call(offer=SOME)
        await bench.call("own")
        assert bench.hints == [None, Era.LEGACY, Era.LEGACY]

    run(scenario)


def test_scopes_never_share_a_pipe() -> None:
    async def scenario(bench: Bench) -> None:
        for scope in ("ada", "bob", "ada", EVERYBODY):
            await bench.call(scope)
        assert bench.calls() == [2, 1, 1]

    for features in (LEGACY, MODERN):
        run(scenario, features)


def test_a_pipe_that_comes_back_as_another_era_serves_only_what_it_declared() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.pipes.begin()
        await bench.call(offer=SOME)
        assert bench.offers() == [""]
        bench.features = LEGACY
        bench.opened[0].die("it was replaced")
        await bench.call(offer=SOME)
        assert bench.offers() == ["", "", "some"]
        assert bench.calls() == [1, 0, 1]

    run(scenario, MODERN)


@pytest.mark.parametrize("features", [LEGACY, MODERN])
def test_with_one_client_there_is_one_pipe(features: Features) -> None:
    async def scenario(bench: Bench) -> None:
        await bench.call(offer=SOME)
        await bench.pipes.list_tools(NOTHING)
        await bench.pipes.features(NOTHING)
        assert bench.offers() == ["some"]
        assert len(bench.opened[0].said("tools/list")) == 1

    run(scenario, features, is_single=True)


def test_a_legacy_pipe_that_was_only_listed_over_gives_way_to_the_one_client() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.pipes.list_tools(NOTHING)
        await bench.call(offer=SOME)
        assert bench.offers() == ["", "some"]
        assert [duplex.is_alive for duplex in bench.opened] == [False, True]
        await bench.pipes.list_tools(NOTHING)
        assert len(bench.opened) == 2

    run(scenario, is_single=True)


def test_what_was_not_sent_is_tried_once_more_on_another_pipe() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.call()
        bench.breaks = 1
        assert not (await bench.call()).is_error
        assert bench.calls() == [1, 1]
        bench.breaks = 2
        with pytest.raises(TargetError) as raised:
            await bench.call()
        assert (raised.value.code, raised.value.ran) == ("target_unavailable", Ran.NO)

    run(scenario)


def test_what_was_sent_is_never_sent_again() -> None:
    async def scenario(bench: Bench) -> None:
        bench.is_mute = True
        calling = asyncio.ensure_future(bench.call())
        await until(lambda: bench.calls() == [1])
        bench.opened[0].die("it is dead")
        with pytest.raises(TargetError) as raised:
            await calling
        assert (raised.value.code, raised.value.ran) == ("target_lost", Ran.UNKNOWN)
        bench.is_mute = False
        await bench.call()
        assert bench.calls() == [1, 1]

    run(scenario)


def test_a_target_that_cannot_be_opened_is_unavailable_for_all_offers() -> None:
    async def scenario(bench: Bench) -> None:
        bench.fails = True
        for offer in (NOTHING, SOME):
            with pytest.raises(TargetError, match="target_unavailable"):
                await bench.call(offer=offer)
        with pytest.raises(TargetError, match="target_unavailable"):
            await bench.pipes.features(NOTHING)
        assert not bench.pipes.standing.is_ready
        bench.fails = False
        await bench.call(offer=SOME)
        assert bench.pipes.standing.is_ready

    run(scenario)


def test_as_many_pipes_as_there_may_be() -> None:
    async def scenario(bench: Bench) -> None:
        bench.is_mute = True
        calls = [asyncio.ensure_future(bench.call(scope)) for scope in ("ada", "bob")]
        await until(lambda: bench.calls() == [1, 1])
        for _ in range(2):
            with pytest.raises(TargetError, match="target_unavailable"):
                await bench.call("carl")
        bench.is_mute = False
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        await bench.call("carl")
        assert len([duplex for duplex in bench.opened if duplex.is_alive]) == 2

    run(scenario, most=2)


def test_what_is_idle_ends_but_not_what_somebody_subscribed_to_or_what_serves_all() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.pipes.begin()
        await bench.call("ada", offer=SOME)
        await bench.call("bob", offer=SOME)
        tool = method_tool("shop", "resources/subscribe")
        await bench.call("bob", offer=SOME, tool=tool, params=b'{"uri":"x"}')
        bench.clock.advance(IDLE_SECONDS)
        bench.pipes._shared.expire()
        await until(lambda: [d.is_alive for d in bench.opened] == [True, False, True])
        await bench.call("ada", offer=EVERYTHING)
        await bench.call("ada", offer=SOME)
        assert bench.offers() == ["", "some", "some", "all", "some"]

    run(scenario)


def test_a_session_that_is_released_is_forgotten_and_its_own_pipes_end() -> None:
    async def scenario(bench: Bench) -> None:
        for key, scope in (("ada", "own"), ("bob", EVERYBODY), ("ada", EVERYBODY)):
            await bench.call(scope, session_key=key)
        [own, shared] = bench.opened
        assert len(shared.audience) == 2
        await bench.pipes.release("ada", "own")
        await until(lambda: not own.is_alive)
        assert [one.key for one in shared.audience] == ["bob"]
        await bench.pipes.release("nobody", None)
        await bench.call("own", session_key="ada")
        assert bench.calls() == [1, 2, 1]

    run(scenario)


@pytest.mark.parametrize("features", [LEGACY, MODERN])
def test_a_level_is_taken_for_the_session(features: Features) -> None:
    async def scenario(bench: Bench) -> None:
        tool = method_tool("shop", "logging/setLevel")
        reply = await bench.call(tool=tool, params=b'{"level":"info"}')
        assert reply == Reply(body=b"{}")
        told = [m["params"]["level"] for m in bench.opened[0].said("logging/setLevel")]
        assert told == (["info"] if features is LEGACY else [])
        assert (await bench.call(tool=tool, params=b'{"level":"loud"}')).is_error

    run(scenario, features)


def test_a_level_for_what_keeps_no_log_is_an_error() -> None:
    async def scenario(bench: Bench) -> None:
        tool = method_tool("shop", "logging/setLevel")
        reply = await bench.call(tool=tool, params=b'{"level":"info"}')
        assert json.loads(reply.body)["code"] == -32601

    run(scenario, Features(era=Era.LEGACY))


def test_the_level_of_a_request_is_told_before_it() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.call(log_level="debug")
        methods = [message["method"] for message in bench.opened[0].written]
        assert methods == ["logging/setLevel", CALL_TOOL]

    run(scenario)


def test_time_that_the_client_takes_is_not_the_targets() -> None:
    class Slow(FakeCaller):
        def __init__(self) -> None:
            super().__init__()
            self.is_asked, self.may_answer = asyncio.Event(), asyncio.Event()

        async def ask(self, method: str, params: Any) -> Reply:
            self.is_asked.set()
            await self.may_answer.wait()
            return Reply(body=b'{"roots":[]}')

    async def scenario(bench: Bench) -> None:
        bench.is_mute = True
        caller = Slow()
        calling = asyncio.ensure_future(bench.call(caller=caller, timeout_seconds=30.0))
        await until(lambda: bench.calls() == [1])
        [duplex] = bench.opened
        duplex.comes({"id": "q", "method": "roots/list"})
        await caller.is_asked.wait()
        let_pass(bench.pipes._faults.deadlines, 31.0)
        await asyncio.sleep(0)
        caller.may_answer.set()
        await until(lambda: bool(duplex.answered("q")))
        duplex.comes({"id": duplex.said(CALL_TOOL)[0]["id"], "result": {}})
        assert (await calling).body == b"{}"

    run(scenario)


def test_the_era_may_be_known_beforehand() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.call("own", offer=SOME)
        await bench.call("own", offer=EVERYTHING)
        assert bench.hints == [Era.LEGACY, Era.LEGACY]

    run(scenario, hint=Era.LEGACY)
