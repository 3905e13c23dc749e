"""The catalogue knows what the targets said last, and says why it does not offer a tool."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from callgate.model import Ran
from callgate.ports import Listing, TargetError
from callgate.upstream import catalog
from callgate.upstream.catalog import LiveCatalog
from fakes.clock import FakeClock
from fakes.target import FakeConnector


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(catalog, "RETRY_SECONDS", (0.01, 0.02))


@dataclass
class Target(FakeConnector):
    """Lists what a test puts into it, and counts how often it was asked."""

    definitions: Any = ()
    ttl_seconds: float | None = None
    listed: int = 0
    asked_again: asyncio.Event = field(default_factory=asyncio.Event)
    callbacks: list[Callable[[], None]] = field(default_factory=list)

    async def list_tools(self) -> Listing:
        self.listed += 1
        self.asked_again.set()
        if self.error is not None:
            raise self.error
        return Listing(tools=tuple(self.definitions), ttl_seconds=self.ttl_seconds)

    def on_change(self, callback: Callable[[], None]) -> Callable[[], None]:
        self.callbacks.append(callback)
        return lambda: self.callbacks.remove(callback)

    async def until_listed(self, times: int) -> None:
        async with asyncio.timeout(5):
            while self.listed < times:
                self.asked_again.clear()
                await self.asked_again.wait()
        await asyncio.sleep(0.01)  # for the catalogue to take it in


def a_definition(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "inputSchema": {"type": "object"}, **more}


DOWN = TargetError("target_unavailable", "It is down.", ran=Ran.NO, detail="refused")


async def started(*targets: Target, **settings: Any) -> LiveCatalog:
    made = LiveCatalog({target.name: target for target in targets}, FakeClock(), **settings)
    await made.start()
    return made


def names(tools: Any) -> list[str]:
    return [tool.name for tool in tools]


def test_tools_are_found_in_the_order_their_targets_gave() -> None:
    async def scenario() -> None:
        shop = Target("shop", definitions=[a_definition("b"), a_definition("a")])
        mail = Target("mail", definitions=[a_definition("send")])
        live = await started(shop, mail)
        await live.ensure()
        assert names(live.tools()) == ["b", "a", "send"]
        assert names(live.tools("shop")) == ["b", "a"]
        found = live.find("mail", "send")
        assert found is not None
        assert found.definition == a_definition("send")
        assert live.find("mail", "b") is None
        assert live.find("nowhere", "b") is None
        assert live.has_target("shop")
        assert not live.has_target("nowhere")
        assert live.connector("shop") is shop
        with pytest.raises(KeyError):
            live.connector("nowhere")
        assert live.problems() == {}
        await live.stop()

    asyncio.run(scenario())


def test_what_cannot_be_offered_is_named_and_the_rest_offered() -> None:
    async def scenario() -> None:
        remote = {"type": "object", "properties": {"a": {"$ref": "https://x/y.json"}}}
        shop = Target(
            "shop",
            definitions=[
                a_definition("good"),
                {},
                {"name": 7},
                a_definition("array", inputSchema={"type": "array"}),
                a_definition("remote", inputSchema=remote),
                a_definition("same"),
                a_definition("same"),
                a_definition("twice"),
                a_definition("twice", description="another"),
            ],
        )
        live = await started(shop)
        await live.ensure("shop")
        assert names(live.tools()) == ["good", "same"]
        problems = " ".join(live.problems()["shop"])
        for name in ("None", "7", "array", "remote", "twice"):
            assert f"The tool {name} " in problems
        shop.definitions = [a_definition("good")]
        shop.callbacks[0]()
        await shop.until_listed(2)
        assert live.problems() == {}
        await live.stop()

    asyncio.run(scenario())


def test_the_version_changes_with_any_tool_and_with_nothing_else() -> None:
    def fails() -> None:
        raise RuntimeError

    async def scenario() -> None:
        shop = Target("shop", definitions=[a_definition("a"), a_definition("b")])
        live = await started(shop)
        told: list[str] = []
        live.subscribe(lambda: told.append(live.version))
        live.subscribe(fails)
        live.subscribe(lambda: told.append("also"))
        await live.ensure()
        first = live.version
        for definitions in (
            [a_definition("a"), a_definition("b")],
            [dict(reversed(a_definition("a").items())), a_definition("b")],
        ):
            shop.definitions = definitions
            shop.callbacks[0]()
            await shop.until_listed(shop.listed + 1)
            assert live.version == first
        shop.definitions = [a_definition("a", description="new"), a_definition("b")]
        shop.callbacks[0]()
        await shop.until_listed(shop.listed + 1)
        assert live.version != first
        assert told == [first, "also", live.version, "also"]
        await live.stop()

    asyncio.run(scenario())


def test_a_target_that_cannot_be_listed_keeps_its_tools_and_is_asked_again() -> None:
    async def scenario() -> None:
        shop = Target("shop", definitions=[a_definition("a")])
        live = await started(shop)
        await live.ensure()
        shop.error = DOWN
        shop.callbacks[0]()
        await shop.until_listed(4)
        assert names(live.tools()) == ["a"]
        shop.error, shop.definitions = None, [a_definition("b")]
        await shop.until_listed(shop.listed + 1)
        assert names(live.tools()) == ["b"]
        await live.stop()

    asyncio.run(scenario())


def test_a_bug_in_a_connector_does_not_end_its_listing() -> None:
    class Buggy(Target):
        async def list_tools(self) -> Listing:
            await super().list_tools()
            raise RuntimeError if self.listed < 3 else DOWN

    async def scenario() -> None:
        shop, mail = Buggy("shop"), Target("mail", definitions=[a_definition("a")])
        live = await started(shop, mail)
        await shop.until_listed(4)
        assert names(live.tools()) == ["a"]
        await live.stop()

    asyncio.run(scenario())


def test_one_target_that_hangs_holds_up_nobody_longer_than_the_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(catalog, "WAIT_SECONDS", 0.1)

    class Hanging(Target):
        async def list_tools(self) -> Listing:
            await asyncio.Event().wait()
            raise AssertionError

    async def scenario() -> None:
        clock = FakeClock()
        shop, mail = Hanging("shop"), Target("mail", definitions=[a_definition("a")])
        live = LiveCatalog({"shop": shop, "mail": mail}, clock)
        await live.start()
        async with asyncio.timeout(5):
            await live.ensure("mail")
            await live.ensure()
            clock.advance(1)
            await live.ensure()  # its time is over: nobody waits for it again
        assert names(live.tools()) == ["a"]
        await live.stop()

    asyncio.run(scenario())


def test_a_target_that_was_down_is_asked_at_once_when_it_is_wanted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(catalog, "RETRY_SECONDS", (1000.0,))

    async def scenario() -> None:
        shop = Target("shop", definitions=[a_definition("a")], error=DOWN)
        live = await started(shop)
        await live.ensure()
        assert live.tools() == ()
        shop.error = None
        await live.ensure("shop")
        await shop.until_listed(2)
        assert names(live.tools()) == ["a"]
        await live.stop()

    asyncio.run(scenario())


def test_lists_are_asked_for_again_when_their_time_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(catalog, "SHORTEST_SECONDS", 0.02)

    async def scenario() -> None:
        soon = Target("soon", ttl_seconds=0.001)
        never = Target("never", ttl_seconds=0.0)
        often = Target("often")
        live = await started(soon, never)
        regular = await started(often, refresh_seconds=0.02)
        await soon.until_listed(4)
        await often.until_listed(4)
        assert never.listed == 1
        await live.stop()
        await regular.stop()

    asyncio.run(scenario())


def test_a_flood_of_announcements_is_not_a_flood_of_listings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(catalog, "PAUSE_SECONDS", 0.05)

    async def scenario() -> None:
        shop = Target("shop", definitions=[a_definition("a")])
        live = await started(shop)
        await live.ensure()
        for _ in range(20):
            shop.callbacks[0]()
            await asyncio.sleep(0.005)
        assert shop.listed <= 4
        await live.stop()

    asyncio.run(scenario())


def test_a_catalogue_that_stopped_hears_and_asks_nothing_more() -> None:
    async def scenario() -> None:
        shop = Target("shop", definitions=[a_definition("a")])
        old, new = await started(shop), await started(shop)
        await new.ensure()
        await old.stop()
        assert len(shop.callbacks) == 1
        listed = shop.listed
        shop.callbacks[0]()
        await shop.until_listed(listed + 1)
        assert shop.listed == listed + 1
        await new.stop()
        assert shop.callbacks == []

    asyncio.run(scenario())


def test_arguments_are_validated_against_the_tools_schema() -> None:
    async def scenario() -> None:
        schema = {"type": "object", "required": ["a"]}
        shop = Target("shop", definitions=[a_definition("a", inputSchema=schema)])
        live = await started(shop)
        await live.ensure()
        tool = live.find("shop", "a")
        assert tool is not None
        assert live.validate(tool, {"a": 1}) is None
        assert live.validate(tool, {}) == "/a is required."
        await live.stop()

    asyncio.run(scenario())


def test_a_thousand_tools_are_read_once_and_calls_go_on_meanwhile() -> None:
    async def scenario() -> None:
        large = {"type": "object", "properties": {f"p{n}": {"type": "string"} for n in range(20)}}
        shop = Target(
            "shop", definitions=[a_definition(f"t{n}", inputSchema=large) for n in range(1000)]
        )
        live = await started(shop)
        turns = 0
        while not live.tools():
            await asyncio.sleep(0)
            turns += 1
        assert turns > 20
        first = live.tools()
        shop.callbacks[0]()
        await shop.until_listed(2)
        assert all(new is old for new, old in zip(live.tools(), first, strict=True))
        await live.stop()

    asyncio.run(scenario())
