"""A wait ends when its time has come, and no other one does; one timer serves them all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop

from callgate.deadlines import NEVER, Deadline, Deadlines

Run = Callable[[Coroutine[Any, Any, None]], None]


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    return uvloop.run if request.param == "uvloop" else asyncio.run


async def wait(deadlines: Deadlines, seconds: float, until: asyncio.Event | None = None) -> bool:
    """Whether it ended in time; raises CancelledError where somebody else ended it."""
    deadline = Deadline()
    deadline.begin(deadlines, seconds)
    try:
        await (until or asyncio.Event()).wait()
    except asyncio.CancelledError:
        if deadline.end():
            return False
        raise
    assert not deadline.end()
    return True


def test_each_wait_ends_at_its_own_time(run: Run) -> None:
    async def scenario() -> None:
        deadlines, now = Deadlines(), asyncio.get_running_loop().time

        async def one(seconds: float) -> float:
            begun = now()
            assert not await wait(deadlines, seconds)
            return now() - begun

        late = asyncio.ensure_future(one(600.0))
        waits = (0.06, 0.0, 0.02, 0.04)
        took = await asyncio.gather(*map(one, waits))
        assert all(spent > least - 0.01 for spent, least in zip(took, waits, strict=True))
        assert not late.done()  # they did not wait for it
        late.cancel()

    run(scenario())


def test_a_wait_that_ended_is_left_alone_when_its_time_comes(run: Run) -> None:
    async def scenario() -> None:
        deadlines, done = Deadlines(), asyncio.Event()
        done.set()
        assert await wait(deadlines, 0.01, done)
        assert not await wait(deadlines, 0.02)  # the timer has rung for the first one, too

    run(scenario())


def test_a_cancellation_by_somebody_else_is_one(run: Run) -> None:
    async def scenario() -> None:
        task = asyncio.ensure_future(wait(Deadlines(), 10.0))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(scenario())


def test_a_cancellation_that_comes_when_the_time_has_passed_is_not_lost(run: Run) -> None:
    async def scenario() -> None:
        deadline = Deadline()

        async def work() -> None:
            deadline.begin(Deadlines(), 10.0)
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                if not deadline.end():
                    raise

        task = asyncio.ensure_future(work())
        await asyncio.sleep(0)
        deadline.pass_by()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(scenario())


def test_a_task_whose_time_had_passed_can_wait_again(run: Run) -> None:
    async def scenario() -> None:
        deadlines = Deadlines()
        for _ in range(2):
            assert not await wait(deadlines, 0.0)
        async with asyncio.timeout(30):
            await asyncio.sleep(0)

    run(scenario())


def test_a_deadline_that_is_moved_holds_at_its_new_time(run: Run) -> None:
    async def scenario() -> None:
        late, now = Deadline(), asyncio.get_running_loop().time
        late.begin(Deadlines(), 0.01)
        late.move(NEVER)
        await asyncio.sleep(0.03)
        late.move(now() + 0.01)
        with pytest.raises(asyncio.CancelledError):
            await asyncio.Event().wait()
        assert late.end()
        late.move(now())
        await asyncio.sleep(0.01)  # nobody waits any more

    run(scenario())


class Odd(Deadline):
    """What somebody else makes of a deadline."""

    def __init__(self, does: Callable[[], None]) -> None:
        self._does = does
        self.at = 0.0

    def pass_by(self) -> None:
        self._does()


def test_one_that_fails_holds_up_no_other(run: Run) -> None:
    async def scenario() -> None:
        loop, deadlines, said = asyncio.get_running_loop(), Deadlines(), list[Any]()
        loop.set_exception_handler(lambda _, context: said.append(context["exception"]))

        def fail() -> None:
            raise KeyError

        for _ in range(3):
            deadlines.add(Odd(fail), loop)
        assert not await wait(deadlines, 0.01)
        assert [type(error) for error in said] == [KeyError] * 3

    run(scenario())


def test_one_that_was_dropped_by_another_does_not_pass_by(run: Run) -> None:
    async def scenario() -> None:
        loop, deadlines, passed = asyncio.get_running_loop(), Deadlines(), list[int]()
        both: list[Odd] = []

        def end_all() -> None:
            passed.append(1)
            for one in both:
                deadlines.drop(one)

        both += [Odd(end_all), Odd(end_all)]
        for one in both:
            deadlines.add(one, loop)
        assert not await wait(deadlines, 0.01)
        assert passed == [1]

    run(scenario())


def test_a_wait_in_another_loop_ends_too(run: Run) -> None:
    deadlines = Deadlines()

    async def first() -> None:
        done = asyncio.Event()
        done.set()
        assert await wait(deadlines, 0.01, done)  # the timer is still set when the loop ends

    async def second() -> None:
        assert not await wait(deadlines, 0.02)

    run(first())
    run(second())
