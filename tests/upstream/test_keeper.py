"""A child that ends is started again, not too often; who asks waits for the start that comes."""

from __future__ import annotations

import asyncio

import pytest

from callgate.model import Era
from callgate.upstream import keeper
from callgate.upstream.faults import Unreachable
from callgate.upstream.keeper import HEALTHY_SECONDS, Backoff, Keeper
from callgate.upstream.tasks import Closed
from fakes.clock import FakeClock
from fakes.store import until


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "FIRST_SECONDS", 0.01)


class FakeLink:
    """As much of a link as a keeper looks at."""

    def __init__(self) -> None:
        self.era: Era | None = Era.LEGACY
        self.is_alive = True
        self.has_died = asyncio.Event()
        self.end_reason = ""
        self.is_closed = False

    def die(self, reason: str = "it exited with status 1") -> None:
        self.is_alive = False
        self.end_reason = reason
        self.has_died.set()

    async def close(self) -> None:
        self.die()
        self.is_closed = True


class Launcher:
    """Starts fake links, or fails as often as it is told."""

    def __init__(self, fails: int = 0) -> None:
        self.fails = fails
        self.links: list[FakeLink] = []
        self.hints: list[Era | None] = []

    async def __call__(self, hint: Era | None) -> FakeLink:
        self.hints.append(hint)
        await asyncio.sleep(0)
        if self.fails:
            self.fails -= 1
            raise Unreachable("it is broken")
        self.links.append(FakeLink())
        return self.links[-1]


def a_keeper(launcher: Launcher, *, is_eager: bool = True) -> Keeper[FakeLink]:
    return Keeper("shop", launcher, FakeClock().ticks, is_eager=lambda: is_eager)


def test_pauses_double_up_to_a_bound_and_are_forgotten_after_a_healthy_life(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(keeper, "FIRST_SECONDS", 0.5)
    backoff = Backoff()
    assert [backoff.after(0) for _ in range(8)] == [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert backoff.after(HEALTHY_SECONDS - 1) == 30
    assert [backoff.after(HEALTHY_SECONDS), backoff.after(0)] == [0.5, 1]


def test_what_counts_as_healthy_can_be_said() -> None:
    backoff = Backoff(5.0)
    backoff.after(0)
    assert backoff.after(4.9) > keeper.FIRST_SECONDS
    assert backoff.after(5.0) == keeper.FIRST_SECONDS


def test_the_era_may_be_known_beforehand() -> None:
    async def scenario() -> None:
        launcher = Launcher()
        kept = Keeper("shop", launcher, FakeClock().ticks, is_eager=lambda: False, hint=Era.LEGACY)
        assert (kept.hint, kept.era, kept.current) == (Era.LEGACY, None, None)
        link = await kept.link()
        assert launcher.hints == [Era.LEGACY]
        assert kept.current is link
        await kept.close()

    asyncio.run(scenario())


def test_a_keeper_becomes_eager_when_it_is_wanted() -> None:
    async def scenario() -> None:
        launcher, wanted = Launcher(), [False]
        kept = Keeper("shop", launcher, FakeClock().ticks, is_eager=lambda: wanted[0])
        await kept.link()
        wanted[0] = True
        launcher.links[0].die()
        await until(lambda: len(launcher.links) == 2)
        await kept.close()

    asyncio.run(scenario())


def test_all_who_ask_get_the_same_link() -> None:
    async def scenario() -> None:
        launcher = Launcher()
        kept = a_keeper(launcher)
        found = await asyncio.gather(*(kept.link() for _ in range(3)))
        assert [id(link) for link in found] == [id(launcher.links[0])] * 3
        assert kept.era is Era.LEGACY
        assert kept.detail == ""
        await kept.close()
        assert launcher.links[0].is_closed

    asyncio.run(scenario())


def test_a_child_that_died_is_cleaned_up_and_started_again_with_what_was_learnt() -> None:
    async def scenario() -> None:
        launcher = Launcher()
        kept = a_keeper(launcher)
        await kept.link()
        launcher.links[0].die()
        assert kept.era is None
        again = await kept.link()
        assert again is launcher.links[1]
        assert launcher.links[0].is_closed
        assert launcher.hints == [None, Era.LEGACY]
        await kept.close()

    asyncio.run(scenario())


def test_who_waits_for_a_start_that_fails_learns_it_and_the_next_may_succeed() -> None:
    async def scenario() -> None:
        launcher = Launcher(fails=2)
        kept = a_keeper(launcher)
        for _ in range(2):
            with pytest.raises(Unreachable, match="broken"):
                await kept.link()
            assert kept.detail == "it is broken"
        await kept.link()
        await kept.close()

    asyncio.run(scenario())


def test_a_start_that_fails_while_nobody_waits_disturbs_nobody() -> None:
    async def scenario() -> None:
        launcher = Launcher(fails=3)
        kept = a_keeper(launcher)
        async with asyncio.timeout(30):
            while not launcher.links:  # noqa: ASYNC110 - the keeper tells nobody
                await asyncio.sleep(0.005)
        assert await kept.link()
        await kept.close()

    asyncio.run(scenario())


def test_a_keeper_that_is_not_eager_starts_only_for_who_asks() -> None:
    async def scenario() -> None:
        launcher = Launcher()
        kept = a_keeper(launcher, is_eager=False)
        await asyncio.sleep(0.02)
        assert launcher.hints == []
        await kept.link()
        launcher.links[0].die()
        await asyncio.sleep(0.05)
        assert len(launcher.links) == 1
        await kept.link()
        launcher.links[1].die()
        await asyncio.sleep(0)
        await kept.link()  # asked for while the old one was being cleaned up
        assert len(launcher.links) == 3
        await kept.close()

    asyncio.run(scenario())


def test_a_waiter_who_gives_up_leaves_the_start_to_the_others() -> None:
    async def scenario() -> None:
        launcher = Launcher()
        kept = a_keeper(launcher)
        impatient, patient = (asyncio.ensure_future(kept.link()) for _ in range(2))
        await asyncio.sleep(0)
        impatient.cancel()
        assert await patient
        assert impatient.cancelled()
        await kept.close()

    asyncio.run(scenario())


def test_closing_tells_who_waits_and_who_comes() -> None:
    async def scenario() -> None:
        gate = asyncio.Event()

        async def never(_hint: Era | None) -> FakeLink:
            await gate.wait()
            raise AssertionError

        kept = Keeper("shop", never, FakeClock().ticks, is_eager=lambda: True)
        waiting = asyncio.ensure_future(kept.link())
        await asyncio.sleep(0)
        await kept.close()
        with pytest.raises(Closed):
            await waiting
        with pytest.raises(Closed):
            await kept.link()

    asyncio.run(scenario())
