"""The catalogue knows what the targets said last, and says why it does not offer a tool."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest

from callgate.model import NOTHING, Offer, Ran
from callgate.ports import Listing, TargetError, TargetStatus
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
    for_offers: dict[str, Any] = field(default_factory=dict)  # instead of `definitions`
    offers: list[str] = field(default_factory=list)  # as they were asked

    async def list_tools(self, offer: Offer = NOTHING) -> Listing:
        self.listed += 1
        self.offers.append(offer.digest)
        self.asked_again.set()
        if self.error is not None:
            raise self.error
        definitions = self.for_offers.get(offer.digest, self.definitions)
        return Listing(tools=tuple(definitions), ttl_seconds=self.ttl_seconds)

    def announce(self, what: str = "tools") -> None:
        for listener in tuple(self.listeners):
            listener(what)

    async def until_listed(self, times: int) -> None:
        async with asyncio.timeout(30):
            while self.listed < times:
                self.asked_again.clear()
                await self.asked_again.wait()
        for _ in range(50):  # for the catalogue to take it in
            await asyncio.sleep(0)


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
        assert live.targets() == ("shop", "mail")
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


def test_a_stopped_catalogue_holds_no_tools() -> None:
    async def scenario() -> None:
        shop = Target("shop", definitions=[a_definition("b")])
        live = await started(shop)
        await live.ensure()
        assert names(live.every_tool()) == ["b"]
        await live.stop()
        assert live.every_tool() == ()
        assert live.tools() == ()

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
        shop.announce()
        await shop.until_listed(2)
        assert live.problems() == {}
        await live.stop()

    asyncio.run(scenario())


def test_lists_that_are_not_the_one_before_are_told_from_the_first_on() -> None:
    async def scenario() -> None:
        shop = Target("shop", definitions=[a_definition("a")])
        live = await started(shop)
        told: list[tuple[str, list[str]]] = []
        live.on_listed(lambda target: told.append((target, names(live.tools(target)))))
        await live.ensure()
        for wanted in (["a"], ["a", "b"], []):
            shop.definitions = [a_definition(name) for name in wanted]
            shop.announce()
            await shop.until_listed(shop.listed + 1)
        assert told == [("shop", ["a"]), ("shop", ["a", "b"]), ("shop", [])]
        await live.stop()

    asyncio.run(scenario())


def test_the_version_changes_with_any_tool_and_with_nothing_else() -> None:
    def fails(target: str, what: str) -> None:
        raise RuntimeError

    async def scenario() -> None:
        shop = Target("shop", definitions=[a_definition("a"), a_definition("b")])
        live = await started(shop)
        told: list[str] = []
        live.subscribe(lambda target, what: told.append(f"{target} {what} {live.version}"))
        live.subscribe(fails)
        end = live.subscribe(lambda target, what: told.append("also"))
        await live.ensure()
        first = live.version
        for definitions in (
            [a_definition("a"), a_definition("b")],
            [dict(reversed(a_definition("a").items())), a_definition("b")],
        ):
            shop.definitions = definitions
            shop.announce()
            await shop.until_listed(shop.listed + 1)
            assert live.version == first
        shop.definitions = [a_definition("a", description="new"), a_definition("b")]
        shop.announce()
        await shop.until_listed(shop.listed + 1)
        assert live.version != first
        assert told == [f"shop tools {live.version}", "also"]
        end()
        end()
        shop.definitions = []
        shop.announce()
        await shop.until_listed(shop.listed + 1)
        assert told[2:] == [f"shop tools {live.version}"]
        await live.stop()

    asyncio.run(scenario())


def test_a_target_that_cannot_be_listed_keeps_its_tools_and_is_asked_again() -> None:
    async def scenario() -> None:
        shop = Target("shop", definitions=[a_definition("a")])
        live = await started(shop)
        await live.ensure()
        shop.error = DOWN
        shop.announce()
        await shop.until_listed(4)
        assert names(live.tools()) == ["a"]
        shop.error, shop.definitions = None, [a_definition("b")]
        await shop.until_listed(shop.listed + 1)
        assert names(live.tools()) == ["b"]
        await live.stop()

    asyncio.run(scenario())


def test_a_bug_in_a_connector_does_not_end_its_listing() -> None:
    class Buggy(Target):
        async def list_tools(self, offer: Offer = NOTHING) -> Listing:
            await super().list_tools(offer)
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
        async def list_tools(self, offer: Offer = NOTHING) -> Listing:
            await asyncio.Event().wait()
            raise AssertionError

    async def scenario() -> None:
        clock = FakeClock()
        shop, mail = Hanging("shop"), Target("mail", definitions=[a_definition("a")])
        live = LiveCatalog({"shop": shop, "mail": mail}, clock)
        await live.start()
        async with asyncio.timeout(30):
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
    monkeypatch.setattr(catalog, "PAUSE_SECONDS", 1000.0)

    async def scenario() -> None:
        shop = Target("shop", definitions=[a_definition("a")])
        live = await started(shop)
        await live.ensure()
        for _ in range(20):
            shop.announce()
            await asyncio.sleep(0.005)
        assert shop.listed <= 2
        await live.stop()

    asyncio.run(scenario())


def test_a_catalogue_that_stopped_hears_and_asks_nothing_more() -> None:
    async def scenario() -> None:
        shop = Target("shop", definitions=[a_definition("a")])
        old, new = await started(shop), await started(shop)
        await new.ensure()
        await old.stop()
        assert len(shop.listeners) == 1
        listed = shop.listed
        shop.announce()
        await shop.until_listed(listed + 1)
        assert shop.listed == listed + 1
        await new.stop()
        assert shop.listeners == []

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
        shop.announce()
        await shop.until_listed(2)
        assert all(new is old for new, old in zip(live.tools(), first, strict=True))
        await live.stop()

    asyncio.run(scenario())


ASKS = Offer(capabilities={"elicitation": {}}, digest="asks")
ROOTS = Offer(capabilities={"roots": {}}, digest="roots")


def a_choosy(**more: Any) -> Target:
    """Lists one tool more for clients that can be asked."""
    plain = [a_definition("echo"), a_definition("add")]
    return Target(
        "every", definitions=plain, for_offers={"asks": [*plain, a_definition("elicit")]}, **more
    )


def test_each_offer_sees_the_tools_that_are_for_it() -> None:
    async def scenario() -> None:
        every = a_choosy()
        live = await started(every)
        await live.ensure()
        assert every.offers == [""]  # what nobody needed was not asked for
        assert live.find("every", "elicit", ASKS) is None
        first = live.version
        await live.ensure("every", ASKS)
        assert names(live.tools("every", ASKS)) == ["echo", "add", "elicit"]
        assert names(live.tools(None, ASKS)) == ["echo", "add", "elicit"]
        assert names(live.tools("every")) == names(live.tools()) == ["echo", "add"]
        assert live.find("every", "elicit", ASKS) is not None
        assert live.find("every", "elicit") is None
        assert names(live.every_tool()) == names(live.every_tool("every")) == [
            "echo", "add", "elicit"
        ]  # fmt: skip
        assert live.version != first
        await live.ensure("every", ASKS)
        assert every.offers == ["", "asks"]
        await live.stop()

    asyncio.run(scenario())


def test_the_same_definition_is_the_same_tool_for_all() -> None:
    async def scenario() -> None:
        live = await started(a_choosy())
        await live.ensure("every", ASKS)
        await live.ensure("every", ROOTS)
        assert live.find("every", "echo", ASKS) is live.find("every", "echo", ROOTS)
        assert live.find("every", "echo", ASKS) is live.find("every", "echo")
        same = live.version
        await live.ensure("every", Offer(digest="third"))
        assert live.version == same
        await live.stop()

    asyncio.run(scenario())


def test_functions_are_listed_once_for_all() -> None:
    class Functions(Target):
        @property
        def status(self) -> TargetStatus:
            return TargetStatus(name=self.name, kind="python", is_ready=True)

    async def scenario() -> None:
        desk = Functions("desk", definitions=[a_definition("a")])
        live = await started(desk)
        await live.ensure("desk", ASKS)
        assert names(live.tools("desk", ASKS)) == ["a"]
        assert live.find("desk", "a", ROOTS) is live.find("desk", "a")
        assert desk.offers == [""]
        await live.stop()

    asyncio.run(scenario())


def test_a_change_is_taken_in_for_every_offer() -> None:
    async def scenario() -> None:
        every = a_choosy()
        live = await started(every)
        await live.ensure()
        await live.ensure("every", ASKS)
        told: list[tuple[str, ...]] = []
        live.subscribe(lambda target, what: told.append((target, what)))
        every.for_offers["asks"] = [a_definition("elicit")]
        every.announce()
        await every.until_listed(4)
        assert sorted(every.offers[2:]) == ["", "asks"]
        assert names(live.tools("every", ASKS)) == ["elicit"]
        assert names(live.tools("every")) == ["echo", "add"]
        assert told == [("every", "tools")]
        await live.stop()

    asyncio.run(scenario())


def test_other_lists_that_change_are_told_of_at_once() -> None:
    async def scenario() -> None:
        shop = Target("shop")
        live = await started(shop, Target("mail"))
        await live.ensure()
        told: list[tuple[str, ...]] = []
        live.subscribe(lambda target, what: told.append((target, what)))
        shop.announce("resources")
        shop.announce("prompts")
        assert told == [("shop", "resources"), ("shop", "prompts")]
        assert shop.listed == 1
        await live.stop()

    asyncio.run(scenario())


def test_a_first_list_is_news_only_to_those_who_were_answered_without_it() -> None:
    async def scenario() -> None:
        told: list[tuple[str, ...]] = []
        shop, mail = (Target(name, definitions=[a_definition("a")]) for name in ("shop", "mail"))
        shop.error = DOWN
        live = await started(shop, mail)
        live.subscribe(lambda target, what: told.append((target, what)))
        await live.ensure()
        assert names(live.tools()) == ["a"]
        await live.ensure("mail", ASKS)
        assert told == []
        shop.error = None
        await shop.until_listed(shop.listed + 1)
        assert told == [("shop", "tools")]
        await live.stop()

    asyncio.run(scenario())


def test_until_its_own_list_is_there_an_offer_sees_what_is_for_all() -> None:
    class Moody(Target):
        async def list_tools(self, offer: Offer = NOTHING) -> Listing:
            listing = await super().list_tools(offer)
            if offer.digest and self.is_moody:
                raise DOWN
            return listing

        is_moody = True

    async def scenario() -> None:
        every = Moody("every", definitions=[a_definition("echo")])
        every.for_offers["asks"] = [a_definition("elicit")]
        live = await started(every)
        await live.ensure()
        await live.ensure("every", ASKS)
        assert names(live.tools("every", ASKS)) == ["echo"]
        assert live.find("every", "echo", ASKS) is live.find("every", "echo")
        every.is_moody = False
        await every.until_listed(every.listed + 1)
        assert names(live.tools("every", ASKS)) == ["elicit"]
        await live.stop()

    asyncio.run(scenario())


def test_offers_are_bounded_and_the_one_not_used_for_longest_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(catalog, "MAX_SHELVES", 3)

    async def scenario() -> None:
        every = a_choosy()
        live = await started(every)
        await live.ensure()
        await live.ensure("every", ASKS)
        await live.ensure("every", ROOTS)
        assert live.find("every", "elicit", ASKS) is not None
        version = live.version
        await live.ensure("every", Offer(digest="third"))
        assert live.find("every", "echo", ROOTS) is None
        assert live.find("every", "elicit", ASKS) is not None
        assert live.find("every", "echo") is not None
        await live.ensure("every", ROOTS)
        await live.ensure("every", Offer(digest="third"))
        assert live.find("every", "elicit", ASKS) is None
        assert live.version != version  # nobody sees `elicit` any more
        listed = len(every.offers)
        every.announce()
        await every.until_listed(listed + 3)
        assert sorted(every.offers[listed:]) == ["", "roots", "third"]
        await live.stop()

    asyncio.run(scenario())


def test_who_waits_for_what_ended_meanwhile_is_not_kept_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(catalog, "MAX_SHELVES", 2)

    class Hanging(Target):
        async def list_tools(self, offer: Offer = NOTHING) -> Listing:
            await super().list_tools(offer)
            if offer.digest:
                await asyncio.Event().wait()
            return Listing(tools=())

    async def scenario() -> None:
        every = Hanging("every")
        live = await started(every)
        waiting = asyncio.ensure_future(live.ensure("every", ASKS))
        await every.until_listed(2)
        other = asyncio.ensure_future(live.ensure("every", ROOTS))
        async with asyncio.timeout(30):
            await waiting
            await every.until_listed(3)
            await live.stop()
            await other
            await live.ensure("every", ASKS)  # nothing begins any more
        assert live.tools("every", ASKS) == ()

    asyncio.run(scenario())


def test_an_offer_that_nobody_uses_any_more_is_not_listed_for_ever() -> None:
    async def scenario() -> None:
        clock = FakeClock()
        every = a_choosy()
        live = LiveCatalog({"every": every}, clock, refresh_seconds=0.01)
        await live.start()
        await live.ensure("every", ASKS)
        await live.ensure("every", ROOTS)
        clock.advance(catalog.IDLE_SECONDS)
        assert live.find("every", "elicit", ASKS) is not None
        clock.advance(1)
        await every.until_listed(every.listed + 6)
        assert live.find("every", "echo", ROOTS) is None
        assert live.find("every", "elicit", ASKS) is not None
        assert live.find("every", "echo") is not None
        await live.stop()

    asyncio.run(scenario())


class TestLazy:
    def test_nothing_is_listed_before_somebody_needs_it(self) -> None:
        async def scenario() -> None:
            every = a_choosy()
            live = await started(every, is_lazy=True)
            await live.ensure()
            assert live.tools() == live.tools("every") == ()
            assert live.find("every", "echo") is None
            assert every.offers == []
            await live.ensure("every", ASKS)
            assert every.offers == ["asks"]
            await live.stop()

        asyncio.run(scenario())

    def test_who_names_no_offer_sees_what_was_used_last(self) -> None:
        async def scenario() -> None:
            every = a_choosy()
            live = await started(every, is_lazy=True)
            await live.ensure("every", ROOTS)
            await live.ensure("every", ASKS)
            await live.ensure()
            assert names(live.tools()) == names(live.tools("every")) == ["echo", "add", "elicit"]
            live.tools("every", ROOTS)
            assert names(live.tools()) == ["echo", "add"]
            assert sorted(every.offers) == ["asks", "roots"]
            await live.stop()

        asyncio.run(scenario())

    def test_a_client_without_capabilities_gets_its_list_too(self) -> None:
        async def scenario() -> None:
            every = a_choosy()
            live = await started(every, is_lazy=True)
            await live.ensure("every", NOTHING)
            assert names(live.tools("every", NOTHING)) == ["echo", "add"]
            assert every.offers == [""]
            await live.stop()

        asyncio.run(scenario())
