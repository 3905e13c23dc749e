"""A target is asked once for what several want to hear, and told when nobody does any more."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from callgate.model import Features, Reply
from callgate.protocol.outbound import SUBSCRIPTION
from callgate.upstream import subscribing
from callgate.upstream.audience import Attached
from callgate.upstream.duplex import Asked
from callgate.upstream.subscribing import SUBSCRIBE, UNSUBSCRIBE, Subscriptions
from fakes.duplex import LEGACY, MODERN, FakeDuplex, a_target_request
from fakes.store import until
from fakes.target import FakeCaller


class Bench:
    def __init__(self, features: Features) -> None:
        self.pipe = FakeDuplex(features)
        self.subscriptions = Subscriptions(self.pipe.audience)
        self.refuses: set[str] = set()
        if features is MODERN:
            self.pipe.on_write = self.agree
        else:
            self.pipe.answers(SUBSCRIBE, {})
            self.pipe.answers(UNSUBSCRIBE, {})

    def agree(self, message: dict[str, Any]) -> None:
        if message.get("method") == "subscriptions/listen":
            wanted = dict(message["params"]["notifications"])
            if "resourceSubscriptions" in wanted:
                uris = [u for u in wanted["resourceSubscriptions"] if u not in self.refuses]
                wanted["resourceSubscriptions"] = uris
            params = {"notifications": wanted, "_meta": {SUBSCRIPTION: message["id"]}}
            note = {"method": "notifications/subscriptions/acknowledged", "params": params}
            asyncio.get_running_loop().call_soon(self.pipe.comes, note)

    def attach(self, key: str) -> Attached:
        request = a_target_request(session_key=key, beyond=FakeCaller())
        return self.pipe.audience.attach(request)

    async def change(self, key: str, method: str, uri: Any) -> Reply:
        asked = Asked(self.pipe.next_id())
        attached = self.attach(key)
        return await self.subscriptions.change(self.pipe, asked, attached, method, uri)

    def release(self, key: str) -> None:
        attached = self.pipe.audience.detach(key)
        assert attached is not None
        self.subscriptions.forget(self.pipe, key, attached.uris)

    def uris(self, method: str) -> list[str]:
        return [message["params"]["uri"] for message in self.pipe.said(method)]

    def listens(self) -> dict[int, list[str]]:
        """The streams that are open now."""
        ended = {m["params"]["requestId"] for m in self.pipe.said("notifications/cancelled")}
        return {
            message["id"]: message["params"]["notifications"].get("resourceSubscriptions", [])
            for message in self.pipe.said("subscriptions/listen")
            if message["id"] not in ended
        }


def run(scenario: Callable[[Bench], Awaitable[None]], features: Features = LEGACY) -> None:
    async def whole() -> None:
        bench = Bench(features)
        async with asyncio.timeout(30):
            await scenario(bench)
        await bench.pipe.close()

    asyncio.run(whole())


def code(reply: Reply) -> int:
    assert reply.is_error
    return int(json.loads(reply.body)["code"])


def test_a_legacy_target_is_asked_once_per_uri() -> None:
    async def scenario(bench: Bench) -> None:
        for key in ("ada", "bob", "ada"):
            assert await bench.change(key, SUBSCRIBE, "x") == Reply(body=b"{}")
        await bench.change("ada", SUBSCRIBE, "y")
        assert bench.uris(SUBSCRIBE) == ["x", "y"]
        await bench.change("ada", UNSUBSCRIBE, "x")
        assert bench.uris(UNSUBSCRIBE) == []
        await bench.change("bob", UNSUBSCRIBE, "x")
        assert bench.uris(UNSUBSCRIBE) == ["x"]
        bench.release("ada")
        await until(lambda: bench.uris(UNSUBSCRIBE) == ["x", "y"])

    run(scenario)


def test_what_a_target_refuses_is_not_kept() -> None:
    async def scenario(bench: Bench) -> None:
        bench.pipe.answers(SUBSCRIBE, -32002)
        assert code(await bench.change("ada", SUBSCRIBE, "x")) == -32002
        assert bench.pipe.audience.uris == set()

    run(scenario)


@pytest.mark.parametrize("features", [LEGACY, MODERN])
def test_what_is_no_uri_and_what_is_too_much_is_refused(
    monkeypatch: pytest.MonkeyPatch, features: Features
) -> None:
    monkeypatch.setattr(subscribing, "MAX_URIS", 2)

    async def scenario(bench: Bench) -> None:
        assert code(await bench.change("ada", SUBSCRIBE, 7)) == -32602
        for uri in "abb":
            assert not (await bench.change("ada", SUBSCRIBE, uri)).is_error
        assert code(await bench.change("ada", SUBSCRIBE, "c")) == -32602
        assert bench.pipe.audience.uris == {"a", "b"}

    run(scenario, features)


def test_who_left_while_the_target_was_asked_is_not_subscribed() -> None:
    async def scenario(bench: Bench) -> None:
        answer = bench.pipe.on_write
        bench.pipe.on_write = lambda message: None
        asking = asyncio.ensure_future(bench.change("ada", SUBSCRIBE, "x"))
        await until(lambda: bench.uris(SUBSCRIBE) == ["x"])
        bench.release("ada")
        bench.pipe.on_write = answer
        bench.pipe.comes({"id": bench.pipe.said(SUBSCRIBE)[0]["id"], "result": {}})
        await asking
        await until(lambda: bench.uris(UNSUBSCRIBE) == ["x"])

    run(scenario)


def test_a_legacy_target_that_was_started_again_is_asked_again() -> None:
    async def scenario(bench: Bench) -> None:
        bench.attach("ada").uris |= {"x", "y"}
        bench.attach("bob").uris |= {"y"}
        bench.attach("bob").log_level = "info"
        bench.pipe.answers("logging/setLevel", {})
        bench.subscriptions.restore(bench.pipe)
        await until(lambda: sorted(bench.uris(SUBSCRIBE)) == ["x", "y"])
        await until(lambda: len(bench.pipe.said("logging/setLevel")) == 1)

    run(scenario)


def test_a_modern_target_has_one_stream_per_session_with_its_uris() -> None:
    async def scenario(bench: Bench) -> None:
        for key, uri in (("ada", "x"), ("ada", "y"), ("bob", "x"), ("ada", "y")):
            assert await bench.change(key, SUBSCRIBE, uri) == Reply(body=b"{}")
        await until(lambda: sorted(bench.listens().values()) == [["x"], ["x", "y"]])
        await bench.change("ada", UNSUBSCRIBE, "x")
        await until(lambda: sorted(bench.listens().values()) == [["x"], ["y"]])
        await bench.change("ada", UNSUBSCRIBE, "y")
        await until(lambda: sorted(bench.listens().values()) == [["x"]])
        bench.release("bob")
        await until(lambda: bench.listens() == {})
        assert bench.pipe.listens == {}

    run(scenario, MODERN)


def test_updates_come_to_the_session_whose_stream_it_is_without_our_id() -> None:
    async def scenario(bench: Bench) -> None:
        for key in ("ada", "bob"):
            await bench.change(key, SUBSCRIBE, "x")
        ada, bob = bench.attach("ada"), bench.attach("bob")
        ada.beyond, bob.beyond = heard, deaf = FakeCaller(), FakeCaller()
        first = min(bench.listens())
        for number, uri in ((first, "x"), (first, "z"), (999, "x"), ("1", "x")):
            params = {"uri": uri, "_meta": {SUBSCRIPTION: number, "a.b/c": 1}}
            bench.pipe.comes({"method": "notifications/resources/updated", "params": params})
        bench.pipe.comes({"method": "notifications/resources/updated", "params": {"uri": "x"}})
        await until(lambda: bool(heard.told))
        params = {"uri": "x", "_meta": {"a.b/c": 1}}
        assert heard.told == [("notifications/resources/updated", params)]
        assert deaf.told == []

    run(scenario, MODERN)


def test_a_modern_target_that_does_not_agree_has_refused_and_the_old_stream_stays() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.change("ada", SUBSCRIBE, "x")
        bench.refuses.add("y")
        reply = await bench.change("ada", SUBSCRIBE, "y")
        assert code(reply) == -32602
        assert b"no subscription to y" in reply.body
        await until(lambda: list(bench.listens().values()) == [["x"]])
        assert bench.pipe.audience.uris == {"x"}

    run(scenario, MODERN)


def test_a_modern_target_without_subscriptions_is_not_asked() -> None:
    async def scenario(bench: Bench) -> None:
        bench.pipe.features = Features(era=MODERN.era)
        assert code(await bench.change("ada", SUBSCRIBE, "x")) == -32601
        assert not (await bench.change("ada", UNSUBSCRIBE, "x")).is_error
        assert bench.pipe.written == []

    run(scenario, MODERN)


@pytest.mark.parametrize("answer", [-32603, {}])
def test_a_stream_that_ends_before_it_began_is_a_refusal(answer: Any) -> None:
    async def scenario(bench: Bench) -> None:
        bench.pipe.on_write = lambda message: None
        bench.pipe.answers("subscriptions/listen", answer)
        assert (await bench.change("ada", SUBSCRIBE, "x")).is_error
        assert len(bench.pipe.said("subscriptions/listen")) == 1

    run(scenario, MODERN)


def test_a_pipe_that_dies_before_the_target_agreed_is_a_refusal() -> None:
    async def scenario(bench: Bench) -> None:
        bench.pipe.on_write = lambda message: None
        asking = asyncio.ensure_future(bench.change("ada", SUBSCRIBE, "x"))
        await until(lambda: bool(bench.pipe.said("subscriptions/listen")))
        bench.pipe.die("it is dead")
        assert b"it is dead" in (await asking).body

    run(scenario, MODERN)


def test_who_gives_up_waiting_ends_the_stream() -> None:
    async def scenario(bench: Bench) -> None:
        bench.pipe.on_write = lambda message: None
        asking = asyncio.ensure_future(bench.change("ada", SUBSCRIBE, "x"))
        await until(lambda: bool(bench.pipe.said("subscriptions/listen")))
        asking.cancel()
        await until(lambda: bench.listens() == {})

    run(scenario, MODERN)


@pytest.mark.parametrize("is_polite", [True, False])
def test_a_stream_that_the_target_ends_is_asked_for_again(
    monkeypatch: pytest.MonkeyPatch, is_polite: bool
) -> None:
    monkeypatch.setattr(subscribing, "FIRST_PAUSE_SECONDS", 0.001)

    async def scenario(bench: Bench) -> None:
        await bench.change("ada", SUBSCRIBE, "x")
        for times in range(1, 4):
            await until(lambda times=times: len(bench.pipe.said("subscriptions/listen")) == times)  # type: ignore[misc]
            await until(lambda: bool(bench.pipe.listens))
            number = bench.pipe.said("subscriptions/listen")[-1]["id"]
            note = {"method": "notifications/cancelled", "params": {"requestId": number}}
            bench.pipe.comes({"id": number, "result": {}} if is_polite else note)

    run(scenario, MODERN)


def test_a_modern_target_that_was_opened_is_asked_for_the_lists_it_declares() -> None:
    async def scenario(bench: Bench) -> None:
        bench.pipe.features = Features(
            era=MODERN.era,
            capabilities={"tools": {"listChanged": True}, "prompts": {"listChanged": True}, "x": 1},
        )
        bench.attach("ada").uris |= {"x"}
        bench.subscriptions.restore(bench.pipe)
        await until(lambda: len(bench.pipe.said("subscriptions/listen")) == 2)
        wanted = [m["params"]["notifications"] for m in bench.pipe.said("subscriptions/listen")]
        assert wanted == [
            {"toolsListChanged": True, "promptsListChanged": True},
            {"resourceSubscriptions": ["x"]},
        ]
        await bench.change("ada", UNSUBSCRIBE, "x")
        await until(lambda: len(bench.listens()) == 1)

    run(scenario, MODERN)
