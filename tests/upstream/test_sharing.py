"""One per key, made once, never another key's, ended when idle and never when busy."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from callgate.upstream import sharing
from callgate.upstream.sharing import IDLE_SECONDS, Full, Shared
from callgate.upstream.tasks import Closed
from fakes.clock import FakeClock
from fakes.store import until


class One:
    def __init__(self, key: str) -> None:
        self.key = key
        self.calls = 0
        self.used_at = 0.0
        self.is_ended = False


class Bench:
    def __init__(self, most: int = 10) -> None:
        self.clock = FakeClock()
        self.made: list[One] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.fails = False
        self.shared = Shared(self.make, self.end, self.clock.ticks, most=most)

    async def make(self, key: str) -> One:
        await self.gate.wait()
        if self.fails:
            raise LookupError
        self.made.append(One(key))
        return self.made[-1]

    async def end(self, one: One) -> None:
        one.is_ended = True


def test_each_key_has_one_of_its_own_made_once() -> None:
    async def scenario() -> None:
        bench = Bench()
        bench.gate.clear()
        waiting = [asyncio.ensure_future(bench.shared.get(key)) for key in "abab"]
        await asyncio.sleep(0)
        bench.gate.set()
        found = await asyncio.gather(*waiting)
        assert [one.key for one in found] == ["a", "b", "a", "b"]
        assert len(bench.made) == 2
        assert await bench.shared.get("a") is found[0] is bench.shared.peek("a")
        await bench.shared.close()
        assert all(one.is_ended for one in bench.made)

    asyncio.run(scenario())


def test_a_failure_is_told_to_all_who_wait_and_tried_again_later() -> None:
    async def scenario() -> None:
        bench = Bench()
        bench.fails = True
        waiting = [asyncio.ensure_future(bench.shared.get("a")) for _ in range(2)]
        for failed in await asyncio.gather(*waiting, return_exceptions=True):
            assert isinstance(failed, LookupError)
        bench.fails = False
        assert (await bench.shared.get("a")).key == "a"
        await bench.shared.close()

    asyncio.run(scenario())


def test_a_waiter_who_gives_up_leaves_it_to_the_next() -> None:
    async def scenario() -> None:
        bench = Bench()
        bench.gate.clear()
        waiter = asyncio.ensure_future(bench.shared.get("a"))
        await asyncio.sleep(0)
        waiter.cancel()
        await asyncio.gather(waiter, return_exceptions=True)
        bench.gate.set()
        assert (await bench.shared.get("a")).key == "a"
        assert len(bench.made) == 1
        await bench.shared.close()

    asyncio.run(scenario())


def test_the_idle_are_ended_and_the_busy_are_not() -> None:
    async def scenario() -> None:
        bench = Bench()
        idle, busy, recent = [await bench.shared.get(key) for key in "abc"]
        busy.calls = 1
        bench.clock.advance(IDLE_SECONDS)
        await bench.shared.get("c")
        bench.shared.expire()
        await until(lambda: idle.is_ended)
        assert (idle.is_ended, busy.is_ended, recent.is_ended) == (True, False, False)
        assert await bench.shared.get("a") is not idle
        await bench.shared.close()

    asyncio.run(scenario())


def test_the_longest_idle_gives_way_and_where_none_is_there_is_no_more_room() -> None:
    async def scenario() -> None:
        bench = Bench(most=2)
        first, second = [await bench.shared.get(key) for key in "ab"]
        await bench.shared.get("a")
        await bench.shared.get("c")
        await until(lambda: second.is_ended)
        assert (first.is_ended, second.is_ended) == (False, True)
        for key in "ac":
            (await bench.shared.get(key)).calls = 1
        with pytest.raises(Full):
            await bench.shared.get("d")
        await bench.shared.close()

    asyncio.run(scenario())


def test_what_is_dropped_is_made_anew_and_not_ended() -> None:
    async def scenario() -> None:
        bench = Bench()
        old = await bench.shared.get("a")
        bench.shared.drop("a", old)
        new = await bench.shared.get("a")
        bench.shared.drop("a", old)
        assert bench.shared.peek("a") is new
        assert not old.is_ended
        await bench.shared.close()

    asyncio.run(scenario())


def test_after_the_end_nothing_is_made() -> None:
    async def scenario() -> None:
        bench = Bench()
        bench.gate.clear()
        waiter = asyncio.ensure_future(bench.shared.get("a"))
        await asyncio.sleep(0)
        await bench.shared.close()
        with pytest.raises(Closed):
            await waiter
        with pytest.raises(Closed):
            await bench.shared.get("b")
        assert bench.made == []

    asyncio.run(scenario())


def test_how_to_make_one_may_be_said_by_who_asks_for_it() -> None:
    async def scenario() -> None:
        bench = Bench()

        async def make() -> One:
            return One("special")

        assert (await bench.shared.get("a", make)).key == "special"
        assert (await bench.shared.get("a")).key == "special"
        assert [one.key for one in bench.shared.all()] == ["special"]
        await bench.shared.close()

    asyncio.run(scenario())


def test_release_ends_what_is_kept_even_in_use_and_what_is_being_made() -> None:
    async def scenario() -> None:
        bench = Bench()
        busy = await bench.shared.get("a")
        busy.calls = 1
        await bench.shared.release("a")
        assert busy.is_ended
        await bench.shared.release("nothing")

        bench.gate.clear()
        waiting = asyncio.ensure_future(bench.shared.get("b"))
        await asyncio.sleep(0)
        releasing = asyncio.ensure_future(bench.shared.release("b"))
        await asyncio.sleep(0)
        bench.gate.set()
        assert (await waiting).key == "b"
        await releasing
        assert bench.made[-1].is_ended
        assert bench.shared.peek("b") is None

        bench.fails = True
        bench.gate.clear()
        failing = asyncio.ensure_future(bench.shared.get("c"))
        await asyncio.sleep(0)
        releasing = asyncio.ensure_future(bench.shared.release("c"))
        bench.gate.set()
        await releasing
        with pytest.raises(LookupError):
            await failing
        await bench.shared.close()

    asyncio.run(scenario())


def test_another_takes_the_place_of_one_once_and_only_when_it_is_there() -> None:
    async def scenario() -> None:
        bench = Bench()
        old = await bench.shared.get("a")
        bench.gate.clear()

        def make() -> Coroutine[Any, Any, One]:
            return bench.make("a")

        waiting = [asyncio.ensure_future(bench.shared.replace("a", old, make)) for _ in range(3)]
        await asyncio.sleep(0)
        assert await bench.shared.get("a") is old
        bench.gate.set()
        [new, *others] = await asyncio.gather(*waiting)
        assert all(other is new for other in others)
        assert await bench.shared.get("a") is new is not old
        assert await bench.shared.replace("a", old, make) is new
        assert len(bench.made) == 2

        bench.fails = True
        with pytest.raises(LookupError):
            await bench.shared.replace("a", new, make)
        assert bench.shared.peek("a") is new
        await bench.shared.release("a")
        with pytest.raises(Closed):
            await bench.shared.replace("a", new, make)
        assert bench.shared.all() == ()
        await bench.shared.close()

    asyncio.run(scenario())


def test_only_so_many_are_ended_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "MAX_ENDING", 2)

    async def scenario() -> None:
        bench = Bench()
        ending = most = 0

        async def end(_: One) -> None:
            nonlocal ending, most
            ending += 1
            most = max(most, ending)
            await asyncio.sleep(0)
            ending -= 1

        shared = Shared(bench.make, end, bench.clock.ticks, most=10)
        for key in "abcdef":
            await shared.get(key)
        await shared.close()
        assert most == 2

    asyncio.run(scenario())
