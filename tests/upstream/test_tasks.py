"""Tasks end with their owner, and a waiter who gives up ends nobody's work but its own."""

from __future__ import annotations

import asyncio

import pytest

from callgate.upstream.tasks import Closed, Tasks, join


async def wait_for_ever() -> int:
    await asyncio.Event().wait()
    return 1


async def fail() -> None:
    raise LookupError


def test_closing_ends_what_runs_and_what_comes_later() -> None:
    async def scenario() -> None:
        tasks = Tasks()
        first = tasks.start(wait_for_ever(), "first")
        await asyncio.sleep(0)
        await tasks.close()
        assert first.cancelled()
        later = tasks.start(wait_for_ever(), "later")
        with pytest.raises(Closed):
            await join(later)

    asyncio.run(scenario())


def test_a_failure_belongs_to_who_waits_and_ends_nobody_else() -> None:
    async def scenario() -> None:
        tasks = Tasks()
        other = tasks.start(wait_for_ever(), "other")
        tasks.start(fail(), "nobody waits for this one")
        with pytest.raises(LookupError):
            await join(tasks.start(fail(), "failing"))
        assert not other.done()
        await tasks.close()

    asyncio.run(scenario())


def test_a_waiter_who_gives_up_leaves_the_work_to_the_others() -> None:
    async def scenario() -> None:
        tasks, gate = Tasks(), asyncio.Event()

        async def work() -> str:
            await gate.wait()
            return "done"

        task = tasks.start(work(), "shared")
        patient, impatient = (asyncio.ensure_future(join(task)) for _ in range(2))
        await asyncio.sleep(0)
        impatient.cancel()
        with pytest.raises(asyncio.CancelledError):
            await impatient
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await join(task)
        gate.set()
        assert await patient == "done"

    asyncio.run(scenario())


def test_waiters_learn_that_the_owner_closed() -> None:
    async def scenario() -> None:
        tasks = Tasks()
        waiter = asyncio.ensure_future(join(tasks.start(wait_for_ever(), "shared")))
        await asyncio.sleep(0)
        await tasks.close()
        with pytest.raises(Closed):
            await waiter

    asyncio.run(scenario())
