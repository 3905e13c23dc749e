"""However an interceptor behaves, asking it ends in time and raises nothing of its own."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from callgate.pipeline.attaching import Attachment
from callgate.pipeline.breaker import Breaker, Gate
from callgate.pipeline.consulting import NOTHING, Told, consult
from callgate.scrutiny import Decision, Passive
from fakes.clock import FakeClock

GO_ON = Decision(note="seen")


def attachment(**more: Any) -> Attachment:
    settings: dict[str, Any] = {"timeout_seconds": 30.0, **more}
    return Attachment(name="x", interceptor=Passive(), phases=frozenset({"request"}), **settings)


def ask(question: Callable[[], Awaitable[Any]], at: Attachment | None = None) -> Told:
    async def asked() -> Any:
        return await question()

    return asyncio.run(consult(at or attachment(), asked(), FakeClock()))


def test_a_decision_and_none_come_through() -> None:
    async def decide() -> Decision:
        return GO_ON

    async def nothing() -> None:
        return None

    assert ask(decide).decision == GO_ON
    assert ask(nothing) is NOTHING


def test_one_that_waits_and_comes_back_in_time_is_heard() -> None:
    async def later() -> Decision:
        for _ in range(3):
            await asyncio.sleep(0)
        return GO_ON

    assert ask(later).decision == GO_ON


def test_what_a_waiting_one_catches_and_raises_is_its_own_affair() -> None:
    async def nested() -> Decision:
        try:
            async with asyncio.timeout(0.001):
                await asyncio.Event().wait()
        except TimeoutError:
            return Decision(note="gave up by itself")
        return GO_ON

    assert ask(nested).decision == Decision(note="gave up by itself")


def test_one_that_hangs_took_too_long() -> None:
    ended = []

    async def hang() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    assert ask(hang, attachment(timeout_seconds=0.05)).failure == "took too long"
    assert ended == [True]


@pytest.mark.parametrize("waits", [False, True])
def test_one_that_raises_failed_and_says_how(waits: bool) -> None:
    async def fail() -> None:
        if waits:
            await asyncio.sleep(0)
        raise RuntimeError("no such table")

    told = ask(fail)
    assert (told.failure, told.detail) == ("failed (RuntimeError)", "no such table")


@pytest.mark.parametrize("worse", [ValueError, SystemExit, KeyboardInterrupt])
def test_an_exception_that_fails_to_say_why_is_its_failure_too(worse: type[BaseException]) -> None:
    class MuteError(Exception):
        def __str__(self) -> str:
            raise worse

    async def fails() -> None:
        raise MuteError

    assert ask(fails).detail == "it does not say why"


def test_anything_but_a_decision_is_a_failure_that_says_what_is_expected() -> None:
    async def junk() -> dict[str, int]:
        return {}

    assert ask(junk).detail == "returned dict; return a Decision or None"


def test_an_open_circuit_is_a_failure_without_asking() -> None:
    asked = []
    at = attachment(gate=Gate(breaker=Breaker(failures=1)))

    async def fail() -> None:
        asked.append(True)
        raise RuntimeError

    ask(fail, at)
    assert ask(fail, at).failure == "failed (CircuitOpenError)"
    assert asked == [True]


def test_who_waits_for_a_place_too_long_has_waited_too_long() -> None:
    async def scene() -> list[Told]:
        at = attachment(gate=Gate(most=1), timeout_seconds=0.05)
        may_end = asyncio.Event()

        async def first() -> Decision:
            await may_end.wait()
            return GO_ON

        async def second() -> Decision:
            return GO_ON

        slow = asyncio.ensure_future(
            consult(attachment(gate=at.gate, timeout_seconds=10), first(), FakeClock())
        )
        await asyncio.sleep(0)
        late = await consult(at, second(), FakeClock())
        may_end.set()
        return [await slow, late, await consult(at, second(), FakeClock())]

    slow, late, after = asyncio.run(scene())
    assert (slow.decision, late.failure, after.decision) == (GO_ON, "took too long", GO_ON)


def test_cancellation_reaches_the_interceptor_and_the_caller_and_is_no_failure() -> None:
    async def scene() -> bool:
        at = attachment(timeout_seconds=10, gate=Gate(most=1, breaker=Breaker(failures=1)))

        async def hang() -> None:
            await asyncio.Event().wait()

        task = asyncio.ensure_future(consult(at, hang(), FakeClock()))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return at.gate.breaker.is_open or at.gate.is_full

    assert asyncio.run(scene()) is False
