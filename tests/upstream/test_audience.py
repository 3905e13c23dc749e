"""Who is attached to a pipe hears what it wants to, in order, and nobody waits for a slow one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from callgate.model import Json
from callgate.protocol.methods import LEVELS
from callgate.upstream import audience as module
from callgate.upstream.audience import MAX_UNTOLD, Attached, Audience
from callgate.upstream.sharing import Full
from callgate.upstream.tasks import Tasks
from fakes.duplex import a_target_request
from fakes.store import until
from fakes.target import FakeCaller


def run(scenario: Callable[[Audience], Awaitable[None]]) -> None:
    async def whole() -> None:
        tasks = Tasks()
        async with asyncio.timeout(30):
            await scenario(Audience(tasks))
        await tasks.close()

    asyncio.run(whole())


def attach(audience: Audience, key: str, **more: Any) -> Attached:
    return audience.attach(a_target_request(session_key=key, **more))


def test_the_latest_request_says_who_hears_and_at_which_level() -> None:
    async def scenario(audience: Audience) -> None:
        caller = FakeCaller()
        ada = attach(audience, "ada", beyond=caller, log_level="info")
        assert attach(audience, "ada") is ada
        assert (ada.beyond, ada.log_level) == (caller, "info")
        assert attach(audience, "ada", log_level="error").log_level == "error"

    run(scenario)


def test_only_one_is_only_one() -> None:
    async def scenario(audience: Audience) -> None:
        assert audience.only() is None
        ada = attach(audience, "ada")
        assert audience.only() is ada
        attach(audience, "bob")
        assert audience.only() is None
        audience.detach("bob")
        assert audience.only() is ada

    run(scenario)


def test_the_most_verbose_level_counts() -> None:
    async def scenario(audience: Audience) -> None:
        assert audience.log_level is None
        for level in reversed(LEVELS):
            attach(audience, level, log_level=level)
            assert audience.log_level == level
        attach(audience, "silent")
        assert audience.log_level == "debug"

    run(scenario)


def test_what_is_told_comes_in_order_and_not_after_the_end() -> None:
    async def scenario(audience: Audience) -> None:
        caller = FakeCaller()
        ada = attach(audience, "ada", beyond=caller)
        for number in range(10):
            ada.tell("x", {"n": number})
        await until(lambda: len(caller.told) == 10)
        assert [params["n"] for _, params in caller.told] == list(range(10))
        audience.detach("ada")
        ada.tell("x", {"n": 10})
        await asyncio.sleep(0)
        assert len(caller.told) == 10

    run(scenario)


def test_a_slow_session_keeps_the_latest_within_the_bound() -> None:
    class SlowCaller(FakeCaller):
        may_go = asyncio.Event()

        async def notify(self, method: str, params: dict[str, Json]) -> None:
            await self.may_go.wait()
            await super().notify(method, params)

    async def scenario(audience: Audience) -> None:
        caller = SlowCaller()
        ada = attach(audience, "ada", beyond=caller)
        ada.tell("x", {"n": -1})
        await asyncio.sleep(0)
        for number in range(3 * MAX_UNTOLD):
            ada.tell("x", {"n": number})
        caller.may_go.set()
        await until(lambda: len(caller.told) == MAX_UNTOLD + 1)
        assert caller.told[-1] == ("x", {"n": 3 * MAX_UNTOLD - 1})

    run(scenario)


@pytest.mark.parametrize(
    ("subscribed", "uri", "is_meant"),
    [
        ("file:///a", "file:///a", True),
        ("file:///a", "file:///a/b", True),
        ("file:///a/", "file:///a/b", True),
        ("file:///a", "file:///a#b", True),
        ("file:///a", "file:///ab", False),
        ("file:///a/b", "file:///a", False),
        ("", "file:///a", False),
    ],
)
def test_a_subscription_covers_the_parts_of_a_resource(
    subscribed: str, uri: str, is_meant: bool
) -> None:
    async def scenario(audience: Audience) -> None:
        ada = attach(audience, "ada")
        ada.uris.add(subscribed)
        assert ada.is_subscribed(uri) is is_meant
        assert audience.uris == {subscribed}

    run(scenario)


def test_sessions_at_one_pipe_are_bounded_and_those_with_a_stake_stay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MAX_ATTACHED", 3)

    async def scenario(audience: Audience) -> None:
        attach(audience, "listens", beyond=FakeCaller())
        for number in range(10):
            attach(audience, str(number))
        assert len(audience) == 3
        assert [one.key for one in audience] == ["listens", "8", "9"]
        for one in audience:
            one.uris.add("x")
        with pytest.raises(Full):
            attach(audience, "more")

    run(scenario)
